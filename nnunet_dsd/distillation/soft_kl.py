"""Divergence between soft labels: softmax over classes, or one Bernoulli variable per region.

Shapes: `B` batch, `C` classes or regions, `*S` spatial axes (two or three). Everything is computed in float32.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from nnunet_dsd.common.errors import ShapeError


def soft_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    *,
    temperature: float,
    mask: Tensor | None = None,
    regions: bool = False,
) -> Tensor:
    """Return `T^2 * KL(teacher || student)` at temperature T, in nats.

    Summed over classes (or, with `regions`, over independent Bernoulli variables), averaged over voxels and batch.
    No gradient is stopped: detach the teacher's logits where it must not learn from its students.

    Args:
        student_logits: `(B, C, *S)`.
        teacher_logits: `(B, C, *S)`.
        temperature: T > 0; both distributions are softened by it.
        mask: `(B, 1, *S)`, true (or 1) where a voxel counts. With no counting voxel the result is 0.
        regions: Treat channels as independent regions (sigmoid) instead of exclusive classes (softmax).

    Raises:
        ShapeError: if the shapes differ.

    Reference: dual self-distillation (IEEE TBME 2025), Eq. 2 and 4; the factor T^2 as in Hinton et al. 2015.
    """
    return soft_kl_to_teacher([student_logits], teacher_logits, temperature=temperature, mask=mask, regions=regions)[0]


def soft_kl_to_teacher(
    students_logits: Sequence[Tensor],
    teacher_logits: Tensor,
    *,
    temperature: float,
    mask: Tensor | None = None,
    regions: bool = False,
) -> list[Tensor]:
    """Return `soft_kl` of several students with one teacher, whose soft labels are computed once.

    Args:
        students_logits: Each `(B, C, *S)`.
        teacher_logits: `(B, C, *S)`.
        temperature: As for `soft_kl`.
        mask: As for `soft_kl`.
        regions: As for `soft_kl`.

    Raises:
        ShapeError: if the shapes differ.
    """
    for student in students_logits:
        _require_equal_shapes(student, teacher_logits, mask)
    divergence = _bernoulli_divergences if regions else _softmax_divergences
    return divergence(students_logits, teacher_logits, temperature, mask)


def mean_logits(logits: Sequence[Tensor], *, temperature: float, regions: bool = False) -> Tensor:
    """Return logits whose soft labels at temperature T are the mean of the given maps' soft labels.

    Args:
        logits: Maps of equal shape `(B, C, *S)`.
        temperature: T at which the mean is taken, and at which the result must be used.
        regions: As for `soft_kl`.
    """
    stacked = torch.stack([_soften(item, temperature) for item in logits])
    log_count = torch.log(torch.tensor(float(len(logits)), device=stacked.device))
    if not regions:
        return temperature * (torch.logsumexp(functional.log_softmax(stacked, dim=2), dim=0) - log_count)
    log_inside = torch.logsumexp(functional.logsigmoid(stacked), dim=0)
    log_outside = torch.logsumexp(functional.logsigmoid(-stacked), dim=0)
    return temperature * (log_inside - log_outside)


def _soften(logits: Tensor, temperature: float) -> Tensor:
    return logits.float() / temperature if logits.dtype != torch.float64 else logits / temperature


def _softmax_divergences(
    students: Sequence[Tensor], teacher: Tensor, temperature: float, mask: Tensor | None
) -> list[Tensor]:
    log_teacher = functional.log_softmax(_soften(teacher, temperature), dim=1)
    weight = _voxel_weight(log_teacher.exp(), mask)
    factor = temperature**2 / _voxel_count(teacher, mask)
    return [
        factor * (weight * (log_teacher - functional.log_softmax(_soften(student, temperature), dim=1))).sum()
        for student in students
    ]


def _bernoulli_divergences(
    students: Sequence[Tensor], teacher: Tensor, temperature: float, mask: Tensor | None
) -> list[Tensor]:
    soft_teacher = _soften(teacher, temperature)
    log_inside, log_outside = functional.logsigmoid(soft_teacher), functional.logsigmoid(-soft_teacher)
    inside, outside = _voxel_weight(log_inside.exp(), mask), _voxel_weight(log_outside.exp(), mask)
    factor = temperature**2 / _voxel_count(teacher, mask)
    divergences = []
    for student in students:
        soft = _soften(student, temperature)
        both = inside * (log_inside - functional.logsigmoid(soft)) + outside * (
            log_outside - functional.logsigmoid(-soft)
        )
        divergences.append(factor * both.sum())
    return divergences


def _voxel_weight(probabilities: Tensor, mask: Tensor | None) -> Tensor:
    return probabilities if mask is None else probabilities * mask


def _voxel_count(logits: Tensor, mask: Tensor | None) -> Tensor | float:
    if mask is None:
        return float(logits.numel() // logits.shape[1])
    return mask.sum(dtype=torch.float32).clamp_min(1.0)


def _require_equal_shapes(student: Tensor, teacher: Tensor, mask: Tensor | None) -> None:
    if student.shape != teacher.shape:
        raise ShapeError(
            f"student logits {tuple(student.shape)} and teacher logits {tuple(teacher.shape)} must have one shape "
            "(B, C, *S); upsample both to the same resolution and class count first"
        )
    expected = (teacher.shape[0], 1, *teacher.shape[2:])
    if mask is not None and tuple(mask.shape) != expected:
        raise ShapeError(
            f"the mask has shape {tuple(mask.shape)}, expected {expected} for logits {tuple(teacher.shape)}"
        )
