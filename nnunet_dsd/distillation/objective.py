"""The whole training loss: ground truth on the output and every decoder, distillation on both sides (Eq. 3 to 5)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from torch import Tensor

from nnunet_dsd.distillation.dual import Side, side_divergences, student_indices
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.features import feature_distances
from nnunet_dsd.distillation.terms import ramped

SupervisedLoss = Callable[[Tensor, Tensor], Tensor]


class TrainingOutput(Protocol):
    """What a network with distillation heads returns while it trains (`networks.heads.DistillationOutput`)."""

    @property
    def main(self) -> Tensor: ...  # noqa: D102
    @property
    def encoders(self) -> Sequence[Tensor]: ...  # noqa: D102
    @property
    def decoders(self) -> Sequence[Tensor]: ...  # noqa: D102
    @property
    def encoder_vectors(self) -> Sequence[Tensor]: ...  # noqa: D102
    @property
    def decoder_vectors(self) -> Sequence[Tensor]: ...  # noqa: D102


def dual_distillation_terms(
    output: TrainingOutput,
    target: Tensor,
    *,
    settings: DualSettings,
    supervised_loss: SupervisedLoss,
    mask: Tensor | None = None,
    regions: bool = False,
) -> dict[str, Tensor]:
    """Return the unweighted terms of the loss by name.

    Args:
        output: Logits of the output and of all levels, at full resolution.
        target: Full-resolution reference, in the form `supervised_loss` takes.
        settings: Temperature, who teaches, whether the teacher is detached; which terms exist.
        supervised_loss: Takes logits and target, returns a scalar (Eq. 1 or nnU-Net's own).
        mask: `(B, 1, *S)`, true where a voxel counts for the divergences.
        regions: Channels are independent regions instead of exclusive classes.

    Reference: dual self-distillation (IEEE TBME 2025), Eq. 3 to 5.
    """
    terms = {"output": supervised_loss(output.main, target)}
    if settings.eta > 0:
        terms |= {f"decoder_{i}": supervised_loss(m, target) for i, m in enumerate(output.decoders, start=1)}
    if _supervises_encoder(settings):
        terms[f"encoder_{len(output.encoders)}"] = supervised_loss(output.encoders[-1], target)
    sides: tuple[tuple[Side, float, Sequence[Tensor], Sequence[Tensor]], ...] = (
        ("encoder", settings.alpha, output.encoders, output.encoder_vectors),
        ("decoder", settings.beta, output.decoders, output.decoder_vectors),
    )
    for side, weight, maps, vectors in sides:
        if weight > 0:
            values = side_divergences(
                maps,
                side=side,
                teacher=settings.teacher,
                temperature=settings.temperature,
                detach_teacher=settings.detach_teacher,
                mask=mask,
                regions=regions,
            )
            terms |= {f"{side}_kl_{level}": value for level, value in values.items()}
        if settings.feature_l2 > 0:
            distances = feature_distances(
                vectors, side=side, teacher=settings.teacher, detach_teacher=settings.detach_teacher
            )
            terms |= {f"{side}_l2_{level}": value for level, value in distances.items()}
    return terms


def _supervises_encoder(settings: DualSettings) -> bool:
    """Tell whether the deepest encoder meets the ground truth, an addition to the paper that keeps it from collapsing.

    Without it the encoder side is trained by divergences alone, which are zero whenever all encoders agree.
    """
    return settings.alpha > 0 and settings.encoder_supervision > 0


def term_weights(settings: DualSettings, *, levels: int, progress: float = 1.0) -> dict[str, float]:
    """Return the weight of each term of the loss, in the order in which `dual_distillation_terms` names them.

    With `reduction="sum"` these are Eq. 5's: 1, eta, alpha, beta. With "mean" the supervised weights are divided by
    their sum, and each side's divergences are averaged over its students.

    Args:
        settings: The weights and who teaches.
        levels: Z, the number of encoder levels, which equals that of decoder levels.
        progress: Fraction of the training done, at the end of the current epoch; drives `distillation_ramp`.
    """
    weights = {"output": 1.0}
    if settings.eta > 0:
        weights |= {f"decoder_{i}": settings.eta * settings.eta_decay**i for i in range(1, levels + 1)}
    if _supervises_encoder(settings):
        weights[f"encoder_{levels}"] = settings.encoder_supervision
    if settings.reduction == "mean":
        total = sum(weights.values())
        weights = {name: weight / total for name, weight in weights.items()}
    sides: tuple[tuple[Side, float], ...] = (("encoder", settings.alpha), ("decoder", settings.beta))
    for side, side_weight in sides:
        if side_weight == settings.feature_l2 == 0:
            continue
        students = [index + 1 for index in student_indices(side, settings.teacher, levels)]
        share = 1.0 / len(students) if settings.reduction == "mean" else 1.0
        if side_weight > 0:
            ramp = ramped(progress, over=settings.distillation_ramp)
            weights |= {f"{side}_kl_{level}": ramp * share * side_weight for level in students}
        if settings.feature_l2 > 0:
            weights |= {f"{side}_l2_{level}": share * settings.feature_l2 for level in students}
    return weights
