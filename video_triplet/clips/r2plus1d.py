"""A small R(2+1)D: residual blocks of 3D convolutions factorised into space and time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, cast

from torch import Tensor, nn

from video_triplet.clips.built import IMAGENET_DEVIATION, IMAGENET_MEAN, BuiltEncoder, refused_options

Kernel = tuple[int, int, int]


def intermediate_width(inputs: int, outputs: int, kernel: Kernel) -> int:
    """Return the width M between both convolutions at which they have as many weights as one in three dimensions.

    `M = floor(t d^2 inputs outputs / (d^2 inputs + t outputs))`, kernels of t x d x d (Tran et al. 2018, Sect. 3.5).

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: In time, height and width.
    """
    time, space = kernel[0], kernel[1] * kernel[2]
    return time * space * inputs * outputs // (space * inputs + time * outputs)


class FactorisedConvolution(nn.Module):
    """A convolution in space to an intermediate width, batch norm, ReLU, then a convolution in time; no biases.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        kernel: In time, height and width; padded so that stride 1 keeps the size.
        stride: Likewise.

    Reference: Tran et al., "A closer look at spatiotemporal convolutions for action recognition", CVPR 2018, Sect. 3.5.
    """

    def __init__(self, inputs: int, outputs: int, kernel: Kernel, stride: Kernel = (1, 1, 1)) -> None:
        super().__init__()
        width = intermediate_width(inputs, outputs, kernel)
        (time, height, across), (step, down, right) = kernel, stride
        self.spatial_conv = nn.Conv3d(
            inputs, width, (1, height, across), (1, down, right), (0, height // 2, across // 2), bias=False
        )
        self.bn = nn.BatchNorm3d(width)
        self.temporal_conv = nn.Conv3d(width, outputs, (time, 1, 1), (step, 1, 1), (time // 2, 0, 0), bias=False)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps `(B, outputs, T', H', W')`."""
        return cast(Tensor, self.temporal_conv(self.bn(self.spatial_conv(maps)).relu()))


class FactorisedBlock(nn.Module):
    """Two factorised convolutions of 3 x 3 x 3 with a shortcut; where it halves T, H and W, the shortcut is 1 x 1 x 1.

    Args:
        inputs: Channels in.
        outputs: Channels out.
        halves: Whether the first convolution has stride 2.
    """

    def __init__(self, inputs: int, outputs: int, *, halves: bool) -> None:
        super().__init__()
        stride = (2, 2, 2) if halves else (1, 1, 1)
        self.conv1 = FactorisedConvolution(inputs, outputs, (3, 3, 3), stride)
        self.bn1 = nn.BatchNorm3d(outputs)
        self.conv2 = FactorisedConvolution(outputs, outputs, (3, 3, 3))
        self.bn2 = nn.BatchNorm3d(outputs)
        self.halves = halves
        if halves:
            self.downsampleconv = FactorisedConvolution(inputs, outputs, (1, 1, 1), stride)
            self.downsamplebn = nn.BatchNorm3d(outputs)

    def forward(self, maps: Tensor) -> Tensor:
        """Return maps `(B, outputs, T', H', W')`."""
        shortcut = self.downsamplebn(self.downsampleconv(maps)) if self.halves else maps
        changed = self.bn2(self.conv2(self.bn1(self.conv1(maps)).relu()))
        return cast(Tensor, (shortcut + changed).relu())


class R2Plus1DSmall(nn.Module):
    """Maps normalised clips `(B, 3, T, H, W)` to features `(B, 8 * width)`.

    A stem of 3 x 7 x 7 that halves H and W, then four stages, of which the last three halve T, H and W and double the
    channels. Layers have the names of the published checkpoints (`conv1.spatial_conv`, `conv3.block1.conv1`, ...).
    The publications leave open how the shortcuts and the stem are factorised; here both follow Sect. 3.5 as the other
    convolutions do, as those checkpoints need.

    Args:
        width: Channels of the first stage.
        blocks: Residual blocks of each stage.

    Reference: Tran et al., CVPR 2018; with one block per stage in Xu et al., "Self-supervised spatiotemporal learning
        via video clip order prediction", CVPR 2019, and Chen et al., "RSPNet", AAAI 2021.
    """

    def __init__(self, *, width: int = 64, blocks: Sequence[int] = (1, 1, 1, 1)) -> None:
        super().__init__()
        if len(blocks) != 4 or min(blocks) < 1:
            raise ValueError(f"blocks {tuple(blocks)}: expected four numbers of at least 1")
        self.conv1 = FactorisedConvolution(3, width, (3, 7, 7), (1, 2, 2))
        self.bn1 = nn.BatchNorm3d(width)
        self.conv2 = _stage(width, width, blocks[0], halves=False)
        self.conv3 = _stage(width, 2 * width, blocks[1], halves=True)
        self.conv4 = _stage(2 * width, 4 * width, blocks[2], halves=True)
        self.conv5 = _stage(4 * width, 8 * width, blocks[3], halves=True)
        self.average = nn.AdaptiveAvgPool3d(1)

    def forward(self, clips: Tensor) -> Tensor:
        """Return features `(B, 8 * width)`."""
        return cast(Tensor, self.average(self.feature_maps(clips)).flatten(1))

    def feature_maps(self, clips: Tensor) -> Tensor:
        """Return the last maps; T is an eighth of the clip's, H and W a sixteenth, rounded up."""
        maps = self.bn1(self.conv1(clips)).relu()
        for stage in (self.conv2, self.conv3, self.conv4, self.conv5):
            maps = stage(maps)
        return cast(Tensor, maps)


def _stage(inputs: int, outputs: int, count: int, *, halves: bool) -> nn.Sequential:
    first = ("block1", FactorisedBlock(inputs, outputs, halves=halves))
    further = nn.Sequential(*(FactorisedBlock(outputs, outputs, halves=False) for _ in range(count - 1)))
    return nn.Sequential(OrderedDict([first, ("blocks", further)]))


def build(name: str, *, frames: int, size: int, options: Mapping[str, Any]) -> BuiltEncoder:
    """Build the small R(2+1)D; its options are `width` and `blocks`."""
    try:
        module = R2Plus1DSmall(**options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise refused_options(name, options, error) from error
    return BuiltEncoder(module, IMAGENET_MEAN, IMAGENET_DEVIATION, module)
