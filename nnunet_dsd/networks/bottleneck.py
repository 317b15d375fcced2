"""The bottleneck module: 1x1 convolution to the classes, then learned deconvolutions up to full resolution."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.dual_settings import BottleneckInit

CONVOLUTIONS: dict[int, type[nn.Module]] = {2: nn.Conv2d, 3: nn.Conv3d}
_DECONVOLUTIONS: dict[int, type[nn.Module]] = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}


class BottleneckModule(nn.Module):
    """Turn features `(B, channels, *S / scale)` into logits `(B, classes, *S)`.

    A 1x1(x1) convolution from the level's channels to the classes is followed by deconvolutions whose kernel equals
    their stride. Deconvolutions of the same stride share their weights, as in the authors' code: isotropic scale 8 is
    one kernel-2 stride-2 deconvolution applied three times. Full resolution gets a kernel-1 deconvolution.

    Args:
        channels: Feature channels of the level.
        classes: Output channels of the network.
        scale: Upsampling factor per spatial axis (two or three axes).
        init: "nearest" starts each deconvolution as nearest-neighbour upsampling; "random" keeps torch's weights.

    Raises:
        NetworkStructureError: for other than two or three axes.

    Reference: dual self-distillation (IEEE TBME 2025), Section 2.3.
    """

    def __init__(self, channels: int, classes: int, scale: Sequence[int], *, init: BottleneckInit = "nearest") -> None:
        super().__init__()
        dimensions = len(scale)
        if dimensions not in CONVOLUTIONS:
            raise NetworkStructureError(f"bottleneck modules exist for 2 and 3 spatial axes, got scale {tuple(scale)}")
        self.steps = upsampling_steps(scale)
        self.project = CONVOLUTIONS[dimensions](channels, classes, kernel_size=1)
        self.deconvolve = nn.ModuleDict()
        for step in dict.fromkeys(self.steps):
            self.deconvolve[_key(step)] = _DECONVOLUTIONS[dimensions](classes, classes, kernel_size=step, stride=step)
        if init == "nearest":
            for layer in self.deconvolve.values():
                _start_as_nearest_upsampling(layer)

    def forward(self, features: Tensor) -> Tensor:
        """Return full-resolution logits `(B, classes, *S)` of features `(B, channels, *S / scale)`."""
        if math.prod(self.steps[0]) == 1:
            return self._forward_at_full_resolution(features)
        logits: Tensor = self.project(features)
        for step in self.steps:
            logits = self.deconvolve[_key(step)](logits)
        return logits

    def _forward_at_full_resolution(self, features: Tensor) -> Tensor:
        """Apply both 1x1 layers as the one they amount to, which saves a pass over full-resolution maps."""
        deconvolution = self.deconvolve[_key(self.steps[0])]
        mixing = deconvolution.get_parameter("weight").flatten(1).t()
        projection, bias = self.project.get_parameter("weight"), self.project.get_parameter("bias")
        weight = (mixing @ projection.flatten(1)).view_as(projection)
        convolve = functional.conv2d if projection.ndim == 4 else functional.conv3d
        return convolve(features, weight, mixing @ bias + deconvolution.get_parameter("bias"))


def upsampling_steps(scale: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Split an upsampling factor per axis into steps of prime strides; at least one step.

    Axes with fewer steps take part in the first ones (the coarse end), as where anisotropic images are pooled:
    `(2, 4, 4)` becomes `(2, 2, 2), (1, 2, 2)`.
    """
    factors = [_prime_factors(axis) for axis in scale]
    count = max(1, *(len(axis) for axis in factors))
    padded = [axis + [1] * (count - len(axis)) for axis in factors]
    return tuple(zip(*padded, strict=True))


def _prime_factors(number: int) -> list[int]:
    factors, divisor = [], 2
    while number > 1:
        while number % divisor == 0:
            factors.append(divisor)
            number //= divisor
        divisor += 1
    return factors


def _key(step: Sequence[int]) -> str:
    return "x".join(str(axis) for axis in step)


@torch.no_grad()
def _start_as_nearest_upsampling(layer: nn.Module) -> None:
    weight, bias = layer.get_parameter("weight"), layer.get_parameter("bias")
    bias.zero_()
    weight.zero_()
    for channel in range(weight.shape[0]):
        weight[channel, channel] = 1.0
