"""MISSU-style terms: decoder features follow refined encoder features, whose fusion blocks learn from the labels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from nnunet_dsd.distillation.dual import stop_gradient
from nnunet_dsd.distillation.dual_settings import Reduction
from nnunet_dsd.distillation.soft_kl import soft_kl


class MissuTrainingOutput(Protocol):
    """What a network with MISSU-style heads returns while it trains (`networks.missu.MissuOutput`)."""

    @property
    def main(self) -> Tensor: ...  # noqa: D102
    @property
    def teachers(self) -> Sequence[Tensor]: ...  # noqa: D102
    @property
    def student_features(self) -> Sequence[Tensor]: ...  # noqa: D102
    @property
    def teacher_features(self) -> Sequence[Tensor]: ...  # noqa: D102


def missu_terms(
    output: MissuTrainingOutput,
    target: Tensor,
    *,
    detach_teacher: bool,
    supervised_loss: Callable[[Tensor, Tensor], Tensor],
) -> dict[str, Tensor]:
    """Return the unweighted terms by name.

    `missu_kl_i` is `KL(softmax(teacher) || softmax(student))` over the feature channels of pair i (from 1, fine to
    coarse), averaged over voxels and batch, without temperature. `fusion_i` is the supervised loss of the fusion
    block's own head, the only thing that teaches the block where its output is detached.

    Args:
        output: Logits and pairs of features.
        target: Full-resolution reference, in the form `supervised_loss` takes.
        detach_teacher: Stop the gradient into the teacher.
        supervised_loss: Takes logits and target, returns a scalar.

    Reference: MISSU (Wang et al. 2023), known in part; see `networks.missu`.
    """
    terms = {"output": supervised_loss(output.main, target)}
    terms |= {f"fusion_{i}": supervised_loss(logits, target) for i, logits in enumerate(output.teachers, start=1)}
    pairs = zip(output.student_features, output.teacher_features, strict=True)
    for i, (student, teacher) in enumerate(pairs, start=1):
        fixed = stop_gradient(teacher) if detach_teacher else teacher
        terms[f"missu_kl_{i}"] = soft_kl(student, fixed, temperature=1.0)
    return terms


def missu_weights(*, pairs: int, weight: float, eta: float, reduction: Reduction) -> dict[str, float]:
    """Return the weight of each term.

    Args:
        pairs: Number of pairs of decoder and encoder levels.
        weight: Of the divergences.
        eta: Weight of the labels on the fusion blocks' own heads.
        reduction: With "mean" the supervised weights are divided by their sum and the divergences averaged.
    """
    weights = {"output": 1.0, **{f"fusion_{i}": eta for i in range(1, pairs + 1)}}
    share = 1.0
    if reduction == "mean":
        total = sum(weights.values())
        weights = {name: weight / total for name, weight in weights.items()}
        share = 1.0 / pairs
    return weights | {f"missu_kl_{i}": share * weight for i in range(1, pairs + 1)}
