"""Probabilities in eight bits: dense where there are few classes, the likeliest of them where there are many.

A probability p is kept as the cube root of its distance to the nearer end, in 127 steps: small probabilities, which a
temperature lifts, keep their size, and what is certain becomes the same byte everywhere, which compresses to nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

EXPONENT = 3
STEPS = 127
LARGEST_ERROR = EXPONENT / (4 * STEPS)  # of one probability as it is rounded: half a step where the curve is steepest
DENSE_CLASSES = 16  # at most; beyond, two planes for each of the likeliest take less
LIKELIEST = 8
SMALLEST_KEPT = 1e-3  # of the likeliest classes; what is less likely compresses badly and teaches nothing


def quantise(probabilities: Tensor) -> Tensor:
    """Return levels 0 to 255 (uint8) of probabilities of any shape; the error is at most `LARGEST_ERROR`."""
    above = probabilities > 0.5
    distance = torch.where(above, 1 - probabilities, probabilities).clamp(0, 0.5)
    steps = (STEPS * (2 * distance) ** (1 / EXPONENT)).round()
    return torch.where(above, 255 - steps, steps).to(torch.uint8)


def dequantise(levels: Tensor) -> Tensor:
    """Return the probabilities (float32) of levels of any shape."""
    return _TABLE.to(levels.device)[levels.long()]


def _table() -> Tensor:
    levels = torch.arange(256, dtype=torch.float64)
    distance = 0.5 * (torch.minimum(levels, 255 - levels) / STEPS) ** EXPONENT
    return torch.where(levels > STEPS, 1 - distance, distance).float()


_TABLE = _table()


@dataclass(frozen=True)
class Layout:
    """How the probabilities of a voxel lie in planes.

    With at most `DENSE_CLASSES` classes, and with regions, each has a plane of levels. With more, the first `LIKELIEST`
    planes name the likeliest classes, from the likeliest on, and as many planes have their levels; classes below
    `SMALLEST_KEPT` are left out, and the rest adds up to 1 again when it is read.

    Attributes:
        classes: K, classes with the background, or regions.
        regions: Each has a probability of its own, and they need not add up to 1.
    """

    classes: int
    regions: bool = False

    @property
    def is_dense(self) -> bool:
        """Whether each class has a plane of its own."""
        return self.regions or self.classes <= DENSE_CLASSES

    @property
    def planes(self) -> int:
        """P, the number of planes."""
        return self.classes if self.is_dense else 2 * LIKELIEST

    @property
    def dtype(self) -> torch.dtype:
        """What a plane's values are."""
        return torch.uint8 if self.is_dense or self.classes <= 256 else torch.int16

    def encode(self, probabilities: Tensor) -> Tensor:
        """Return the planes `(P, *S)` of probabilities `(K, *S)`."""
        if self.is_dense:
            return quantise(probabilities)
        values, names = probabilities.topk(LIKELIEST, dim=0)
        kept = values >= SMALLEST_KEPT
        return torch.cat([names * kept, quantise(values * kept)]).to(self.dtype)

    def decode(self, planes: Tensor) -> Tensor:
        """Return the probabilities `(K, *S)`, float32, of planes `(P, *S)`; of classes they add up to 1.

        A voxel whose planes are all 0 says nothing, and stays 0.
        """
        probabilities = dequantise(planes if self.is_dense else planes[LIKELIEST:])
        if not self.regions:
            probabilities = probabilities / probabilities.sum(0, keepdim=True).clamp_min(1e-6)
        if self.is_dense:
            return probabilities
        empty = torch.zeros((self.classes, *planes.shape[1:]), device=planes.device)
        return empty.scatter_add_(0, planes[:LIKELIEST].long(), probabilities)
