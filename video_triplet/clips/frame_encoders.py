"""timm's image networks on each frame of a clip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from video_triplet.clips.built import BuiltEncoder
from video_triplet.clips.encoders import FRAME_ENCODER_PREFIX
from video_triplet.models.networks import create_backbone


class FrameEncoder(nn.Module):
    """Maps normalised clips `(B, 3, T, S, S)` to the mean over their frames of an image network's features, `(B, F)`.

    Args:
        network: Maps images `(N, 3, S, S)` to features `(N, F)`.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, clips: Tensor) -> Tensor:
        """Return features `(B, F)`; the order of frames does not change them."""
        images = clips.transpose(1, 2)
        features = self.network(images.flatten(0, 1))
        return cast(Tensor, features.unflatten(0, images.shape[:2]).mean(dim=1))


def build(name: str, *, frames: int, size: int, options: Mapping[str, Any], weights: str = "none") -> BuiltEncoder:
    """Build a frame encoder `timm:NAME`; options are those of the timm model.

    Args:
        name: With its prefix.
        frames: Per clip; any number serves.
        size: Of the frames, in pixels.
        options: Further arguments of the timm model.
        weights: `"none"`, or `"timm"` for those of its hub.

    Raises:
        NetworkStructureError: as of `create_backbone`.
        SetupError: if the weights cannot be had from the hub.
    """
    network = create_backbone(
        name.removeprefix(FRAME_ENCODER_PREFIX), 0, image_size=size, weights=weights, options=options
    )
    expected = cast(Any, network).pretrained_cfg
    return BuiltEncoder(FrameEncoder(network), tuple(expected["mean"]), tuple(expected["std"]), network)
