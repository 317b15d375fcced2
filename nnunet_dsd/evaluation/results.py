"""Results of an evaluation: one score per case and structure, and their summaries."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_dsd.evaluation.measures import LengthUnit, Measure, find_measure, measures_in
from nnunet_dsd.evaluation.settings import BothEmpty, EvaluationSettings
from nnunet_dsd.evaluation.structures import Structure


@dataclass(frozen=True)
class Score:
    """Agreement of one structure in one case; NaN where a measure is undefined.

    Where the files do not say how large a voxel is, lengths are in voxels (`Evaluation.length_unit`), and there are no
    volumes in ml.

    Attributes:
        case: name of the case.
        structure: name of the structure.
        dice: fraction; undefined if the structure is absent in both prediction and reference.
        hd95_mm: 95th percentile of the Hausdorff distance in mm; undefined if it is absent in either.
        asd_mm: average symmetric surface distance in mm; undefined if it is absent in either.
        surface_dice: fraction of both surfaces within the tolerance; undefined if it is absent in both.
        rvd: relative volume difference, prediction / reference - 1; undefined if the reference lacks it.
        abs_rvd: its magnitude.
        prediction_ml: volume of the predicted structure; undefined for two-dimensional images.
        reference_ml: volume of the reference structure.
        prediction_voxels: size of the predicted structure.
        reference_voxels: size of the reference structure.
    """

    case: str
    structure: str
    dice: float
    hd95_mm: float
    asd_mm: float
    surface_dice: float
    rvd: float
    abs_rvd: float
    prediction_ml: float
    reference_ml: float
    prediction_voxels: int
    reference_voxels: int


@dataclass(frozen=True)
class Summary:
    """Distribution of a measure over the cases where it is defined; all values NaN if there is none.

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
    """Scores of all cases and structures, cases in the order of their names.

    Attributes:
        structures: what was evaluated.
        scores: per case and structure.
        surface_tolerance_mm: the tolerance of the surface Dice, in the unit of lengths.
        both_empty: what Dice and surface Dice are where a structure is absent in both prediction and reference.
        missing: references without a prediction, which were left out.
        length_unit: of HD95, ASD and the tolerance: mm, or voxels where the files do not say how large one is.
        reader: nnU-Net's name of the reader that read the files; None: not known, as of earlier versions.
    """

    structures: tuple[Structure, ...]
    scores: tuple[Score, ...]
    surface_tolerance_mm: float = EvaluationSettings.surface_tolerance_mm
    both_empty: BothEmpty = EvaluationSettings.both_empty
    missing: tuple[str, ...] = ()
    length_unit: LengthUnit = "mm"
    reader: str | None = None

    @property
    def measures(self) -> tuple[Measure, ...]:
        """The measures, in the evaluation's unit of lengths."""
        return measures_in(self.length_unit)

    @property
    def cases(self) -> tuple[str, ...]:
        """Names of the cases in order."""
        return tuple(dict.fromkeys(score.case for score in self.scores))

    def of(self, structure: str) -> tuple[Score, ...]:
        """Scores of one structure over all cases."""
        return tuple(score for score in self.scores if score.structure == structure)

    def summary(self, structure: str, measure: str) -> Summary:
        """Summary of one measure of a structure over all cases.

        Raises:
            DataError: if there is no such measure.
        """
        field = find_measure(measure, self.length_unit).field
        return summarise([getattr(score, field) for score in self.of(structure)])

    def dice_summary(self, structure: str) -> Summary:
        """Summary of a structure's Dice (fractions)."""
        return self.summary(structure, "dice")

    def hd95_summary(self, structure: str) -> Summary:
        """Summary of a structure's HD95, in the unit of lengths."""
        return summarise([score.hd95_mm for score in self.of(structure)])


def summarise(values: Sequence[float]) -> Summary:
    """Summarise values, leaving out and counting NaN."""
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return Summary(math.nan, math.nan, math.nan, 0, len(values))
    deviation = float(np.std(known, ddof=1)) if len(known) > 1 else math.nan
    return Summary(float(np.mean(known)), deviation, float(np.median(known)), len(known), len(values) - len(known))
