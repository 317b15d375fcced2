"""A clip encoder with one linear layer on its features."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError
from video_triplet.clips.built import BuiltEncoder
from video_triplet.clips.encoders import find_encoder
from video_triplet.clips.pretrained import LEAST_LOADED, LoadingReport, load_encoder, load_from_hub, refuse_weights


class ClipNetwork(nn.Module):
    """Clips in, logits out. Normalisation is inside, so that a saved model cannot be fed with another one.

    Args:
        encoder: Name of a clip encoder; `video_triplet.clips.encoders` lists them.
        classes: How many there are.
        frames: Of a clip, T.
        size: Width and height of the frames in pixels, S.
        weights: `"none"`, `"torchvision"` or `"timm"` (from that hub), or the path of a local file.
        options: Further arguments of the encoder.
        least_loaded: Fraction of the encoder's values that a file must hold.

    Attributes:
        encoder: Maps normalised clips `(B, 3, T, S, S)` to features `(B, F)`.
        head: The linear layer, `F` to `classes`.
        loading: What was loaded from `weights`; None with `"none"`.

    Raises:
        SettingsError: listing numbers that are too small, and weights that this encoder has not.
        NetworkStructureError: if there is no such encoder, or it refuses the options or the shape of the clips.
        SetupError: if the weights cannot be had.
        CheckpointError: if a file is broken or does not fit the encoder.

    Reference: Zhou et al., "Preserve pre-trained knowledge: transfer learning with self-distillation for action
        recognition", Sect. 3.1.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        encoder: str,
        classes: int,
        *,
        frames: int,
        size: int,
        weights: str = "none",
        options: Mapping[str, Any] | None = None,
        least_loaded: float = LEAST_LOADED,
    ) -> None:
        super().__init__()
        _refuse_numbers(classes=classes, frames=frames, size=size)
        built, self.loading = create_encoder(
            encoder, frames=frames, size=size, weights=weights, options=options, least_loaded=least_loaded
        )
        self.encoder = built.module
        self.head = nn.Linear(count_features(built.module, encoder, frames=frames, size=size), classes)
        for name, values in (("mean", built.mean), ("deviation", built.deviation)):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32).view(1, 3, 1, 1, 1) * 255)

    def normalised(self, clips: Tensor) -> Tensor:
        """Return clips as the encoder takes them.

        Args:
            clips: `(B, 3, T, S, S)`, uint8 or float with values from 0 to 255.
        """
        return (clips.to(self.mean.dtype) - self.mean) / self.deviation

    def features(self, clips: Tensor) -> Tensor:
        """Return the encoder's features, `(B, F)`; clips as of `normalised`."""
        return cast(Tensor, self.encoder(self.normalised(clips)))

    def forward(self, clips: Tensor) -> Tensor:
        """Return logits `(B, classes)`; clips as of `normalised`."""
        return cast(Tensor, self.head(self.features(clips)))


def mean_logits(network: nn.Module, clips: Tensor) -> Tensor:
    """Return logits averaged over the clips of a video, `(B, classes)`, in float32.

    Args:
        network: A `ClipNetwork`.
        clips: `(B, clips, 3, T, S, S)`.
    """
    logits = cast(Tensor, network(clips.flatten(0, 1))).float()
    mean: Tensor = logits.unflatten(0, clips.shape[:2]).mean(dim=1)
    return mean


def create_encoder(
    name: str,
    *,
    frames: int,
    size: int,
    weights: str = "none",
    options: Mapping[str, Any] | None = None,
    least_loaded: float = LEAST_LOADED,
) -> tuple[BuiltEncoder, LoadingReport | None]:
    """Build an encoder with its weights; arguments and errors as of `ClipNetwork`."""
    entry = find_encoder(name)
    if entry.clip not in (None, (frames, size)):
        only = "{} frames of {} x {} pixels".format(*entry.clip, entry.clip[1])
        raise NetworkStructureError(f"{name} takes clips of {only} only, got {frames} of {size} x {size}")
    refuse_weights(weights, entry)
    arguments = {"frames": frames, "size": size, "options": options or {}}
    if weights == "timm":
        built = entry.load()(name, **arguments, weights="timm")
        return built, LoadingReport.whole(built.loadable, source="timm's hub")
    built = entry.load()(name, **arguments)
    if weights == "none":
        return built, None
    if weights == "torchvision":
        return built, load_from_hub(built.loadable, name)
    return built, load_encoder(built.loadable, weights, least=least_loaded)


@torch.no_grad()
def count_features(encoder: nn.Module, name: str, *, frames: int, size: int) -> int:
    """Return F from one black clip, so that clips the encoder cannot take are refused before training.

    Raises:
        NetworkStructureError: if it fails, or does not return one vector for the clip.
    """
    was_training = encoder.training
    encoder.eval()
    try:
        shape: tuple[int, ...] = tuple(encoder(torch.zeros(1, 3, frames, size, size)).shape)
    except Exception as error:
        raise NetworkStructureError(
            f"{name} cannot take clips of {frames} frames of {size} x {size} pixels: {error}; choose more frames, "
            "larger ones, or another encoder"
        ) from error
    finally:
        encoder.train(was_training)
    if len(shape) != 2 or shape[0] != 1:
        raise NetworkStructureError(f"{name} returns shape {shape} for one clip, expected (1, features)")
    return shape[1]


def _refuse_numbers(**numbers: int) -> None:
    problems = [f"{name}: got {value}, allowed is at least 1" for name, value in numbers.items() if value < 1]
    if problems:
        raise SettingsError(problems, source="the clip network")
