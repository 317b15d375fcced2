"""The measures of an evaluation: their names, titles, units, and which values are better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from nnunet_dsd.common.likeness import listed
from nnunet_dsd.errors import DataError


@dataclass(frozen=True)
class Measure:
    """One measure of agreement, or a size, per case and structure.

    Attributes:
        name: as in files and in `Score`, with the unit at its end where it has one.
        title: as in tables and figures.
        unit: `fraction`, `mm` or `ml`.
        better: which values are better; `zero`: those near zero; `none`: it is a size and no judgement.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "zero", "none"]


MEASURES = (
    Measure("dice", "Dice", "fraction", "higher"),
    Measure("hd95_mm", "HD95", "mm", "lower"),
    Measure("asd_mm", "ASD", "mm", "lower"),
    Measure("surface_dice", "Surface Dice", "fraction", "higher"),
    Measure("rvd", "RVD", "fraction", "zero"),
    Measure("abs_rvd", "|RVD|", "fraction", "lower"),
    Measure("prediction_ml", "Predicted volume", "ml", "none"),
    Measure("reference_ml", "Reference volume", "ml", "none"),
)


def find_measure(name: str) -> Measure:
    """Return the measure of this name.

    Raises:
        DataError: if there is none.
    """
    for measure in MEASURES:
        if measure.name == name:
            return measure
    known = [measure.name for measure in MEASURES]
    raise DataError(f"There is no measure {name!r}; there are {listed(name, known)}")
