"""When is a teacher neither too uncertain nor over-confident? Measures of one epoch, and the rule each is judged by.

The paper names no measure. These are this package's own, documented, and open to others: a distribution adds criteria
through the entry-point group `video_triplet.criteria`; the value of each entry point is a `Criterion`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torchmetrics.functional.classification import binary_calibration_error

from nnunet_dsd.common.errors import DataError
from video_triplet.analysis.similarity import TOP, component_matches, top_others
from video_triplet.predictions.pooling import SMALLEST
from video_triplet.selection.evidence import EpochEvidence
from video_triplet.selection.plugins import Things, with_plugins

ENTRY_POINT_GROUP = "video_triplet.criteria"
CALIBRATION_BINS = 15
Values = NDArray[np.float64]


class Rule(Protocol):
    """Says which of a run's values are good."""

    def distance(self, values: Values) -> Values:
        """Return `(epochs,)`: how far each is from the best; infinite where a value is not a number."""

    def inside(self, values: Values) -> NDArray[np.bool_]:
        """Return `(epochs,)`: whether each is good enough."""

    def describe(self) -> str:
        """Return the rule in words, after "chosen by"."""


@dataclass(frozen=True)
class Band:
    """Values from `low` to `high` are good, and the nearer to `target` the better."""

    target: float
    low: float
    high: float

    def distance(self, values: Values) -> Values:
        """Return the absolute difference from the target."""
        return np.asarray(np.nan_to_num(np.abs(values - self.target), nan=np.inf))

    def inside(self, values: Values) -> NDArray[np.bool_]:
        """Return whether each value is within the band, ends included."""
        return np.asarray((values >= self.low) & (values <= self.high))

    def describe(self) -> str:
        """Return the rule in words."""
        return f"nearest to {self.target:g}, good from {self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Extremum:
    """The highest (or lowest) value of a run is best; those within a tenth of the run's range from it are good."""

    highest: bool
    tolerance: float = 0.1

    def distance(self, values: Values) -> Values:
        """Return the difference from the best value."""
        known = values[~np.isnan(values)]
        if not known.size:
            return np.full(values.shape, np.inf)
        best = known.max() if self.highest else known.min()
        return np.asarray(np.nan_to_num(np.abs(values - best), nan=np.inf))

    def inside(self, values: Values) -> NDArray[np.bool_]:
        """Return whether each value is near enough to the best."""
        known = values[~np.isnan(values)]
        spread = float(known.max() - known.min()) if known.size else 0.0
        return np.asarray(self.distance(values) <= self.tolerance * spread)

    def describe(self) -> str:
        """Return the rule in words."""
        side = "highest" if self.highest else "lowest"
        return f"the {side}, good within {self.tolerance:.0%} of the run's range from it"


@dataclass(frozen=True, kw_only=True)
class Criterion:
    """A measure of an epoch and the rule it is judged by.

    Attributes:
        name: As given on the command line.
        summary: One line: what is measured.
        rule: Which values are good.
        measure: Returns the value of an epoch; not-a-number where it is not defined. None where the value does not
            follow from the epoch's predictions, as for the sweep of students.
        uses_validation: Whether labels of the inner-validation videos go into it.
    """

    name: str
    summary: str
    rule: Rule
    measure: Callable[[EpochEvidence], float] | None
    uses_validation: bool


def reference_probability(evidence: EpochEvidence) -> float:
    """Return the mean probability that the teacher gives to the labels of its own training frames."""
    return mean_on_labels(evidence.training, evidence.training_labels)


def mean_on_labels(probabilities: NDArray[np.float32], labels: NDArray[np.uint8]) -> float:
    """Return the mean of those probabilities whose label is 1; not-a-number without any. Both `(N, classes)`."""
    given = probabilities[labels == 1]
    return float(given.mean(dtype=np.float64)) if given.size else float("nan")


def entropy_ratio(evidence: EpochEvidence) -> float:
    """Return how uncertain the teacher is over how wrong it is: binary entropy divided by binary cross-entropy.

    Both are means over classes and inner-validation frames, in nats. Calibrated probabilities have 1 in expectation;
    below 1 the teacher is over-confident, above 1 too uncertain.
    """
    probabilities, labels = evidence.all_validation
    p = np.clip(probabilities.astype(np.float64), SMALLEST, 1 - SMALLEST)
    log_p, log_not = np.log(p), np.log1p(-p)
    entropy = -(p * log_p + (1 - p) * log_not).mean()
    return float(entropy / -np.where(labels == 1, log_p, log_not).mean())


def calibration_error(evidence: EpochEvidence) -> float:
    """Return the expected calibration error on inner-validation frames, all classes together, 15 bins of equal width.

    Reference: Guo et al., "On calibration of modern neural networks", ICML 2017, Eq. 3, for binary labels.
    """
    probabilities, labels = (torch.from_numpy(np.ascontiguousarray(part)).flatten() for part in evidence.all_validation)
    return float(binary_calibration_error(probabilities.float(), labels.long(), n_bins=CALIBRATION_BINS, norm="l1"))


def semantic_spread(evidence: EpochEvidence) -> float:
    """Return how many components (0 to 2) the five likeliest other triplets share with the reference, on average.

    Over the training frames with a single label; not-a-number without such frames, with fewer than six triplets, or
    where classes have no components.

    Reference: Yamlahi et al., MICCAI 2023, Sect. 3, "semantic similarity".
    """
    rows = np.flatnonzero(evidence.training_labels.sum(axis=1, dtype=np.int64) == 1)
    vocabulary = evidence.vocabulary
    if not rows.size or len(vocabulary.triplets) <= TOP or not vocabulary.has_components:
        return float("nan")
    references = evidence.training_labels[rows].argmax(axis=1)
    others = top_others(evidence.training[rows], references, TOP)
    return float(component_matches(vocabulary)[references[:, None], others].mean())


def loss_fraction(evidence: EpochEvidence) -> float:
    """Return how much of the fall of the training loss is still to come: 1 in the first epoch, 0 at the lowest.

    Not-a-number where the loss never falls below that of the first epoch.
    """
    first, lowest = evidence.losses[0], min(evidence.losses)
    return (evidence.losses[evidence.epoch - 1] - lowest) / (first - lowest) if first > lowest else float("nan")


def validation_map(evidence: EpochEvidence) -> float:
    """Return the teacher's own video mAP on the inner-validation videos, a fraction: what the paper says not to use."""
    return evidence.validation_map


STUDENT_SWEEP = "student-sweep"
# The band is half-way to what the poster's figure shows: 0.35 under-fitted, 0.75 useful, 0.95 over-fitted.
BUILT_IN = (
    Criterion(
        name="reference-probability",
        summary="mean probability on the labels of the training frames",
        rule=Band(0.75, 0.55, 0.85),
        measure=reference_probability,
        uses_validation=False,
    ),
    Criterion(
        name="entropy",
        summary="entropy over cross-entropy on inner-validation frames",
        rule=Band(1.0, 0.9, 1.1),
        measure=entropy_ratio,
        uses_validation=True,
    ),
    Criterion(
        name="calibration",
        summary="expected calibration error on inner-validation frames",
        rule=Extremum(highest=False),
        measure=calibration_error,
        uses_validation=True,
    ),
    Criterion(
        name="semantic-spread",
        summary="components that the top 5 other triplets share with the label",
        rule=Extremum(highest=True),
        measure=semantic_spread,
        uses_validation=False,
    ),
    Criterion(
        name="loss-fraction",
        summary="part of the training loss's fall that is still to come",
        rule=Band(0.5, 0.25, 0.75),
        measure=loss_fraction,
        uses_validation=False,
    ),
    Criterion(
        name="validation-mAP",
        summary="the teacher's own mAP on inner-validation videos",
        rule=Extremum(highest=True),
        measure=validation_map,
        uses_validation=True,
    ),
    Criterion(
        name=STUDENT_SWEEP,
        summary="inner-validation mAP of short students, one per epoch",
        rule=Extremum(highest=True),
        measure=None,
        uses_validation=True,
    ),
)


def criteria() -> Things[Criterion]:
    """Return every criterion by name, those of other distributions included."""
    return with_plugins(BUILT_IN, ENTRY_POINT_GROUP, Criterion)


def region(values: Values, rule: Rule, *, what: str) -> tuple[int, tuple[int, ...]]:
    """Return the place of the best value, and the places around it, without a gap, whose values are good.

    Args:
        values: `(epochs,)`, in the order of the epochs.
        rule: Which are good. The best one belongs to the region even where it is not good.
        what: Of what the values are, for the message.

    Raises:
        DataError: if no value is a number.
    """
    distance, inside = rule.distance(values), rule.inside(values)
    if not np.isfinite(distance).any():
        raise DataError(f"{what} is not defined for any epoch; choose another --criterion")
    best = int(distance.argmin())
    first = last = best
    while first > 0 and inside[first - 1]:
        first -= 1
    while last + 1 < len(values) and inside[last + 1]:
        last += 1
    return best, tuple(range(first, last + 1))
