"""The loss of a student that learns from labels and from soft labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from torch import Tensor, nn

from nnunet_dsd.distillation.kd import Shown, distillation_term, feature_term, soft_dice_term
from nnunet_dsd.distillation.kd_settings import SoftLabelSettings
from nnunet_dsd.distillation.terms import ramped
from nnunet_dsd.trainers.loss import LossOfTerms

LABELS, SOFT_LABELS, SOFT_DICE, FEATURES = "labels", "soft_labels", "soft_dice", "features"


class SoftLabels(NamedTuple):
    """What a batch says beside its images and labels.

    Attributes:
        probabilities: `(B, C, *S)`, the teachers'.
        inside: `(B, 1, *S)`, 1 where a voxel has soft labels.
        labelled: For each row of the batch whether its labels count.
        shown: The bottlenecks of teachers that looked at the batch.
    """

    probabilities: Tensor
    inside: Tensor
    labelled: tuple[bool, ...]
    shown: tuple[Shown, ...] = ()


class LastFeatures:
    """Receives the features of one tap, and holds those of the last forward pass until they are taken."""

    def __init__(self) -> None:
        self._last: Tensor | None = None

    def store(self, name: str, features: Tensor) -> None:
        """Keep features `(B, F, *S)`."""
        self._last = features

    def take(self) -> Tensor:
        """Return the features and forget them."""
        last, self._last = self._last, None
        if last is None:
            raise RuntimeError("the network has made no features since they were taken")
        return last


class SoftLabelLoss(LossOfTerms):
    """nnU-Net's loss on the rows of a batch that have labels, plus the divergence from the teachers on those they know.

    Args:
        supervised: nnU-Net's loss, its deep supervision included.
        settings: Weight and levels.
        temperature: T > 0.
        regions: Channels are independent regions.
        bottleneck: Where the student's deepest features arrive; needed where they count.
    """

    def __init__(
        self,
        supervised: nn.Module,
        settings: SoftLabelSettings,
        *,
        temperature: float,
        regions: bool,
        bottleneck: LastFeatures | None = None,
    ) -> None:
        self.settings, self.temperature, self.regions = settings, temperature, regions
        self.bottleneck = bottleneck
        super().__init__(supervised)
        self._taught: SoftLabels | None = None

    def teach(self, taught: SoftLabels) -> None:
        """Set the soft labels of the batch that comes next; without any the loss is the validation's."""
        self._taught = taught

    def is_training(self, output: Any) -> bool:
        """Return whether the loss is of a training step: soft labels were set for it."""
        return self._taught is not None

    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weight of each term: features have a ramp, and pseudo labels take the teachers' place."""
        settings = self.settings
        weights = {LABELS: 1.0, SOFT_LABELS: 0.0 if self._pseudo_labels else settings.kd_weight}
        if self._has_dice:
            weights[SOFT_DICE] = settings.kd_dice_weight
        features = settings.kd_feature_weight * ramped(progress, over=settings.kd_feature_ramp)
        return weights if self.bottleneck is None else {**weights, FEATURES: features}

    def terms(self, output: Any, target: Any) -> dict[str, Tensor]:
        """Return the terms by name; output and target are lists where the student has deep supervision."""
        taught, self._taught = self._taught, None
        if taught is None:
            raise RuntimeError("a training step needs its soft labels; call teach() first")
        outputs = output if isinstance(output, list | tuple) else [output]
        counting = [True] * len(taught.labelled) if self._pseudo_labels else taught.labelled
        terms = {LABELS: self.supervised(*(rows_of(item, counting) for item in (output, target)))}
        known = (outputs, taught.probabilities, taught.inside)
        options: dict[str, Any] = {"weights": self._output_weights(len(outputs)), "regions": self.regions}
        terms[SOFT_LABELS] = distillation_term(*known, temperature=self.temperature, **options)
        if self._has_dice:
            terms[SOFT_DICE] = soft_dice_term(*known, **options)
        if self.bottleneck is not None:
            terms[FEATURES] = feature_term(self.bottleneck.take(), taught.shown)
        return terms

    @property
    def _has_dice(self) -> bool:
        return self.settings.kd_dice_weight > 0 and not self._pseudo_labels

    @property
    def _pseudo_labels(self) -> bool:
        return self.settings.unlabelled_target == "hard"

    def _output_weights(self, outputs: int) -> Sequence[float]:
        wrapped = isinstance(self.supervised, DeepSupervisionWrapper)
        if not self.settings.kd_levels or not wrapped:
            return [1.0, *[0.0] * (outputs - 1)]
        factors: Sequence[float] = self.supervised.weight_factors  # type: ignore[assignment]
        return [float(factor) for factor in factors]


def rows_of(maps: Any, chosen: Sequence[bool]) -> Any:
    """Return the chosen rows of a tensor `(B, ...)` or of each of several; all rows without a copy."""
    if all(chosen):
        return maps
    if isinstance(maps, list | tuple):
        return [rows_of(item, chosen) for item in maps]
    rows = [row for row, counts in enumerate(chosen) if counts]
    return maps[rows]
