"""Attention maps of features, and the distance between two of them (attention transfer).

Shapes: `B` batch, `F` feature channels, `*S` spatial axes (two or three). Everything is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nnunet_dsd.errors import ShapeError

POWER = 4
_LINEAR = {2: "bilinear", 3: "trilinear"}


def attention_map(features: Tensor) -> Tensor:
    """Return where features `(B, F, *S)` are strong: `vec(mean over channels of x^4)`, `(B, voxels)`, of L2 norm 1.

    In float32, because fourth powers overflow half precision. Features are scaled by their largest magnitude first,
    which the norm takes out again and which keeps fourth powers of any features finite.

    Reference: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017, with the power of
    "Rethinking intermediate layers design in knowledge distillation" (ISBI 2024).
    """
    features = features.float()
    largest = features.detach().abs().amax(dim=tuple(range(1, features.ndim)), keepdim=True)
    scaled = features / largest.clamp_min(torch.finfo(torch.float32).tiny)
    return functional.normalize(scaled.pow(POWER).mean(dim=1).flatten(1), dim=1)


def attention_distance(student: Tensor, teacher: Tensor) -> Tensor:
    """Return `AT(student, teacher)`: the batch mean of the squared L2 distance of two attention maps, from 0 to 2.

    The channels may differ, the spatial sizes may not (see `resize`).

    Args:
        student: `(B, F, *S)`.
        teacher: `(B, G, *S)`.

    Raises:
        ShapeError: if batch or spatial sizes differ.
    """
    if student.shape[0] != teacher.shape[0] or student.shape[2:] != teacher.shape[2:]:
        raise ShapeError(
            f"attention maps of one batch and size are compared, got features {tuple(student.shape)} of the student "
            f"and {tuple(teacher.shape)} of the teacher; resize one of them first"
        )
    difference = attention_map(student) - attention_map(teacher)
    return difference.square().sum(dim=1).mean()


def resize(features: Tensor, size: Sequence[int]) -> Tensor:
    """Return features `(B, F, *S)` at another spatial size, by linear interpolation; as they are where it is theirs."""
    if tuple(features.shape[2:]) == tuple(size):
        return features
    return functional.interpolate(features, size=list(size), mode=_LINEAR[len(size)], align_corners=False)


def unify(features: Sequence[Tensor]) -> Tensor:
    """Return several levels as one: resized to the smallest of them, and joined along the channels.

    Args:
        features: Each `(B, F_i, *S_i)`, at least one; the smallest is the one with the fewest voxels.
    """
    smallest = min((tuple(item.shape[2:]) for item in features), key=lambda size: torch.Size(size).numel())
    return torch.cat([resize(item, smallest) for item in features], dim=1)
