"""Results of an evaluation: one score per case and structure, and their summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_dsd.evaluation.structures import Structure


@dataclass(frozen=True)
class Score:
    """Agreement of one structure in one case.

    Attributes:
        case: name of the case.
        structure: name of the structure.
        dice: fraction; NaN if the structure is absent in both prediction and reference.
        hd95_mm: 95th percentile of the Hausdorff distance in mm; NaN if it is absent in either.
        prediction_voxels: size of the predicted structure.
        reference_voxels: size of the reference structure.
    """

    case: str
    structure: str
    dice: float
    hd95_mm: float
    prediction_voxels: int
    reference_voxels: int


@dataclass(frozen=True)
class Summary:
    """Distribution of a metric over the cases where it is defined; all values NaN if there is none.

    Attributes:
        defined: cases with a value.
        undefined: cases without one.
        deviation: sample standard deviation; NaN below two cases.
    """

    mean: float
    deviation: float
    median: float
    defined: int
    undefined: int


@dataclass(frozen=True)
class Evaluation:
    """Scores of all cases and structures, cases in the order of their names."""

    structures: tuple[Structure, ...]
    scores: tuple[Score, ...]

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases in order."""
        return tuple(dict.fromkeys(score.case for score in self.scores))

    def of(self, structure: str) -> tuple[Score, ...]:
        """Scores of one structure over all cases."""
        return tuple(score for score in self.scores if score.structure == structure)

    def dice_summary(self, structure: str) -> Summary:
        """Summary of a structure's Dice (fractions)."""
        return summarise([score.dice for score in self.of(structure)])

    def hd95_summary(self, structure: str) -> Summary:
        """Summary of a structure's HD95 (mm)."""
        return summarise([score.hd95_mm for score in self.of(structure)])


def summarise(values: Sequence[float]) -> Summary:
    """Summarise values, leaving out and counting NaN."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Summary(math.nan, math.nan, math.nan, 0, len(values))
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    return Summary(float(np.mean(known)), deviation, float(np.median(known)), len(known), len(values) - len(known))
