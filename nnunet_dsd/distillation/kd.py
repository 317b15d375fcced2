"""Knowledge distillation on the output: a student follows stored probabilities of other models.

Shapes: `B` batch, `C` classes or regions, `*S` spatial axes (two or three).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from nnunet_dsd.distillation.attention import attention_distance
from nnunet_dsd.distillation.soft_kl import soft_kl

SMOOTHING = 1e-5
SMALLEST_PROBABILITY = 1e-7  # what is stored as 0 has a logarithm too; a temperature would lift anything smaller


def logits_of(probabilities: Tensor, *, regions: bool = False) -> Tensor:
    """Return logits `(B, C, *S)` whose softmax, or sigmoid with `regions`, are the probabilities, in float32."""
    clamped = probabilities.float().clamp(SMALLEST_PROBABILITY, 1.0)
    if not regions:
        return clamped.log()
    return clamped.log() - (1 - probabilities.float()).clamp_min(SMALLEST_PROBABILITY).log()


def distillation_term(
    students: Sequence[Tensor],
    probabilities: Tensor,
    inside: Tensor,
    *,
    weights: Sequence[float],
    temperature: float,
    regions: bool = False,
) -> Tensor:
    """Return the weighted sum over outputs of `T^2 * KL(teacher || student)`, each summed over classes.

    Each divergence is the mean over the voxels that have soft labels; 0 where none has. At a coarser output the
    teacher is the mean probability of the voxels that it stands for, over those that have soft labels.

    Args:
        students: Logits `(B, C, *S_i)` of the outputs, full resolution first.
        probabilities: The teachers' `(B, C, *S)`.
        inside: `(B, 1, *S)`, 1 where a voxel has soft labels, else 0.
        weights: One for each output; an output of weight 0 is not looked at.
        temperature: T > 0.
        regions: Channels are independent regions.

    Reference: Hinton et al., Distilling the knowledge in a neural network, 2015, Eq. 1 and the factor T^2 of its
    section 2, with the mean of several teachers' probabilities as the target.
    """
    total = students[0].new_zeros((), dtype=torch.float32)
    for student, weight in zip(students, weights, strict=True):
        if weight == 0:
            continue
        taught, counting = _at_size(probabilities, inside, student.shape[2:])
        total = total + weight * soft_kl(
            student, logits_of(taught, regions=regions), temperature=temperature, mask=counting, regions=regions
        )
    return total


def soft_dice_term(
    students: Sequence[Tensor],
    probabilities: Tensor,
    inside: Tensor,
    *,
    weights: Sequence[float],
    regions: bool = False,
) -> Tensor:
    """Return the weighted sum over outputs of one minus the mean Dice of a student's probabilities and its teachers'.

    `1 - mean_c (2 sum(p q) + s) / (sum(p^2) + sum(q^2) + s)` over the batch's voxels that have soft labels, without
    the background; 0 exactly where p equals q, as of soft labels it is not with sums of p and q. Large and small
    structures count alike, which in the mean of divergences over voxels they do not.

    Args:
        students: Logits `(B, C, *S_i)` of the outputs, full resolution first.
        probabilities: The teachers' `(B, C, *S)`.
        inside: `(B, 1, *S)`, 1 where a voxel has soft labels, else 0.
        weights: One for each output; an output of weight 0 is not looked at.
        regions: Channels are independent regions, and none is the background.

    Reference: Milletari et al., V-Net, 2016 (squares in the denominator); smoothing as in nnU-Net.
    """
    total = students[0].new_zeros((), dtype=torch.float32)
    for student, weight in zip(students, weights, strict=True):
        if weight == 0:
            continue
        taught, counting = _at_size(probabilities, inside, student.shape[2:])
        own = student.float().sigmoid() if regions else student.float().softmax(1)[:, 1:]
        theirs = taught.float() if regions else taught[:, 1:].float()
        axes = (0, *range(2, own.ndim))
        both = (own * theirs * counting).sum(axes)
        sizes = ((own.square() + theirs.square()) * counting).sum(axes)
        total = total + weight * (1 - ((2 * both + SMOOTHING) / (sizes + SMOOTHING)).mean())
    return total


class Shown(NamedTuple):
    """Features `(R, F, *T)` that a teacher shows of R rows of a batch, and which rows these are."""

    rows: tuple[int, ...]
    features: Tensor


def feature_term(student: Tensor, shown: Sequence[Shown]) -> Tensor:
    """Return the attention distance of a student's features from those of its teachers, resized to theirs.

    It is the mean over every row and every teacher that looked at it; 0 where none did.

    Args:
        student: `(B, G, *S)`.
        shown: What each teacher shows.

    Reference: Zagoruyko and Komodakis, "Paying more attention to attention", ICLR 2017 (see `attention_map`).
    """
    total, looks = student.new_zeros((), dtype=torch.float32), 0
    for rows, features in shown:
        distance = attention_distance(student[list(rows)], features, size=features.shape[2:])
        total, looks = total + len(rows) * distance, looks + len(rows)
    return total / max(looks, 1)


def _at_size(probabilities: Tensor, inside: Tensor, size: torch.Size) -> tuple[Tensor, Tensor]:
    """Return probabilities and mask at an output's resolution."""
    if probabilities.shape[2:] == size:
        return probabilities, inside
    pool: Callable[..., Tensor] = functional.adaptive_avg_pool2d if len(size) == 2 else functional.adaptive_avg_pool3d
    share = pool(inside.float(), tuple(size))
    pooled = pool(probabilities.float() * inside, tuple(size)) / share.clamp_min(1e-6)
    return pooled, (share > 0.5).float()
