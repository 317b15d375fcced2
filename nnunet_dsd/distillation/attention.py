"""Attention maps of features, and the distance between two of them (attention transfer).

Shapes: `B` batch, `F` feature channels, `*S` spatial axes (two or three). Everything is computed in float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nnunet_dsd.common.errors import ShapeError

LINEAR = {2: "bilinear", 3: "trilinear"}
CHUNK_VALUES = {"cpu": 2**20}  # about what a processor's cache holds; GPUs take larger ones
CHUNK_VALUES_ELSEWHERE = 2**26


def attention_map(features: Tensor, size: Sequence[int] | None = None) -> Tensor:
    """Return where features `(B, F, *S)` are strong: `vec(mean over channels of x^4)`, `(B, voxels)`, of L2 norm 1.

    In float32 also within autocast, because fourth powers overflow half precision. Features are scaled by their
    largest magnitude first, which the norm takes out again and which keeps fourth powers of any features finite.

    Args:
        features: Features of any magnitude.
        size: Spatial size to resize them to first (see `resize`). Without gradient, enlarged features are never held
            as a whole.

    Reference: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017, with the power of
    "Rethinking intermediate layers design in knowledge distillation" (ISBI 2024).
    """
    with torch.autocast(features.device.type, enabled=False):
        return _attention_map(features.float(), tuple(features.shape[2:]) if size is None else tuple(size))


def _attention_map(features: Tensor, size: tuple[int, ...]) -> Tensor:
    if math.prod(size) < features.shape[2:].numel():
        features = resize(features, size)
    largest = features.detach().abs().amax(dim=tuple(range(1, features.ndim)), keepdim=True)
    scaled = features / largest.clamp_min(torch.finfo(torch.float32).tiny)
    strength = _strength(scaled) if size == tuple(features.shape[2:]) else _strength_enlarged(scaled, size)
    return functional.normalize(strength.flatten(1), dim=1)


def attention_distance(student: Tensor, teacher: Tensor, *, size: Sequence[int] | None = None) -> Tensor:
    """Return `AT(student, teacher)`: the batch mean of the squared L2 distance of two attention maps, from 0 to 2.

    Args:
        student: `(B, F, *S)`.
        teacher: `(B, G, *T)`; the channels may differ.
        size: Spatial size to resize both to. None: they must have the same.

    Raises:
        ShapeError: if batch or spatial sizes differ.
    """
    if student.shape[0] != teacher.shape[0] or (size is None and student.shape[2:] != teacher.shape[2:]):
        raise ShapeError(
            f"attention maps of one batch and size are compared, got features {tuple(student.shape)} of the student "
            f"and {tuple(teacher.shape)} of the teacher; resize one of them first"
        )
    difference = attention_map(student, size) - attention_map(teacher, size)
    return difference.square().sum(dim=1).mean()


def _strength(features: Tensor) -> Tensor:
    return features.square().square().mean(dim=1)


def _strength_enlarged(features: Tensor, size: tuple[int, ...]) -> Tensor:
    """Return the strength of features at a larger size, a few channels at a time.

    Linear interpolation is one matrix per axis; products with them are several times faster on a CPU than
    `interpolate` on all axes at once.
    """
    matrices = [_interpolation_matrix(features, axis, count) for axis, count in enumerate(size, start=2)]
    most = CHUNK_VALUES.get(features.device.type, CHUNK_VALUES_ELSEWHERE)
    channels = max(1, most // (features.shape[0] * math.prod(size)))
    total = features.new_zeros(features.shape[0], *size)
    for part in features.split(channels, dim=1):
        for squares in _enlarge(part, matrices).square().unbind(dim=1):
            total = torch.addcmul(total, squares, squares)
    return total / features.shape[1]


def _enlarge(features: Tensor, matrices: Sequence[Tensor]) -> Tensor:
    """Multiply the spatial axes of features `(B, F, *S)` with one matrix each; contiguous, as products like it."""
    shape = list(features.shape)
    for axis, matrix in enumerate(matrices, start=2):
        rows = features.reshape(-1, shape[axis], math.prod(shape[axis + 1 :]))
        shape[axis] = matrix.shape[1]
        features = matrix.t() @ rows if axis < len(shape) - 1 else rows.squeeze(-1) @ matrix
    return features.reshape(shape)


def _interpolation_matrix(features: Tensor, axis: int, count: int) -> Tensor:
    """Return what linear interpolation of one axis multiplies with, `(voxels, count)`."""
    unit = torch.eye(features.shape[axis], device=features.device)
    return functional.interpolate(unit[None], size=count, mode="linear", align_corners=False)[0]


def resize(features: Tensor, size: Sequence[int]) -> Tensor:
    """Return features `(B, F, *S)` at another spatial size, by linear interpolation; as they are where it is theirs."""
    if tuple(features.shape[2:]) == tuple(size):
        return features
    return functional.interpolate(features, size=list(size), mode=LINEAR[len(size)], align_corners=False)


def unify(features: Sequence[Tensor]) -> Tensor:
    """Return several levels as one: resized to the smallest of them, and joined along the channels.

    Args:
        features: Each `(B, F_i, *S_i)`, at least one; the smallest is the one with the fewest voxels.
    """
    smallest = min((tuple(item.shape[2:]) for item in features), key=lambda size: torch.Size(size).numel())
    return torch.cat([resize(item, smallest) for item in features], dim=1)
