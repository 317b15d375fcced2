"""C3D with batch norm: eight 3D convolutions, pooled to one vector."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from torch import Tensor, nn

from video_triplet.clips.built import IMAGENET_DEVIATION, IMAGENET_MEAN, BuiltEncoder, refused_options

# Convolutions between two poolings: their names and their widths in multiples of the first one's.
STAGES: tuple[tuple[tuple[str, int], ...], ...] = (
    (("1", 1),),
    (("2", 2),),
    (("3a", 4), ("3b", 4)),
    (("4a", 8), ("4b", 8)),
    (("5a", 8), ("5b", 8)),
)


class C3D(nn.Module):
    """Maps normalised clips `(B, 3, T, H, W)` to features `(B, 8 * width)`; T at least 8, H and W at least 16.

    All convolutions are 3 x 3 x 3, each followed by batch norm and ReLU. Max pooling halves H and W four times and T
    three times; average pooling takes the place of the fifth pooling and of the layers fc6 and fc7, so that clips of
    any size give one vector. Layers have the names of the published checkpoints (`conv1`, `bn1`, ... `bn5b`).

    Args:
        width: Channels of the first convolution; 64 in the publication.

    Reference: Tran et al., "Learning spatiotemporal features with 3D convolutional networks", ICCV 2015, Sect. 3.3;
        without fc6 and fc7 and with batch norm in the code of Chen et al., "RSPNet", AAAI 2021.
    """

    def __init__(self, *, width: int = 64) -> None:
        super().__init__()
        channels = 3
        for stage in STAGES:
            for name, multiple in stage:
                self.add_module(f"conv{name}", nn.Conv3d(channels, width * multiple, kernel_size=3, padding=1))
                channels = width * multiple
                self.add_module(f"bn{name}", nn.BatchNorm3d(channels))
        self.pools = nn.ModuleList(nn.MaxPool3d((2 if stage else 1, 2, 2)) for stage in range(len(STAGES) - 1))
        self.average = nn.AdaptiveAvgPool3d(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return features `(B, 8 * width)`."""
        return cast(Tensor, self.average(self.feature_maps(clips)).flatten(1))

    def feature_maps(self, clips: Tensor) -> Tensor:
        """Return the last maps, `(B, 8 * width, T // 8, H // 16, W // 16)`."""
        maps = clips
        for number, stage in enumerate(STAGES):
            if number:
                maps = self.pools[number - 1](maps)
            for name, _ in stage:
                maps = getattr(self, f"bn{name}")(getattr(self, f"conv{name}")(maps)).relu()
        return maps


def build(name: str, *, frames: int, size: int, options: Mapping[str, Any]) -> BuiltEncoder:
    """Build C3D; its only option is `width`."""
    try:
        module = C3D(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise refused_options(name, options, error) from error
    return BuiltEncoder(module, IMAGENET_MEAN, IMAGENET_DEVIATION, module)
