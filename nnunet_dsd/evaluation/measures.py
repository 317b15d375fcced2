"""The measures of an evaluation: their names, titles, units, and which values are better."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal, get_args

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.likeness import listed, sentence

LengthUnit = Literal["mm", "voxels"]


@dataclass(frozen=True)
class Measure:
    """One measure of agreement, or a size, per case and structure.

    Attributes:
        name: as in files, with the unit at its end where it has one.
        title: as in tables and figures.
        unit: `fraction`, `mm`, `ml`, or `voxels` where the files do not say how large one is.
        better: which values are better; `zero`: those near zero; `none`: it is a size and no judgement.
    """

    name: str
    title: str
    unit: str
    better: Literal["higher", "lower", "zero", "none"]

    @property
    def field(self) -> str:
        """Its name in `Score`, whatever the unit."""
        return self.name.removesuffix("_voxels") + "_mm" if self.unit == "voxels" else self.name

    @property
    def is_length(self) -> bool:
        """Whether it is a distance, in whichever unit of lengths."""
        return self.unit in get_args(LengthUnit)


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


def measures_in(length_unit: LengthUnit) -> tuple[Measure, ...]:
    """Return the measures of an evaluation whose lengths are in this unit; without mm there are no volumes in ml."""
    if length_unit == "mm":
        return MEASURES
    kept = (measure for measure in MEASURES if measure.unit != "ml")
    return tuple(
        replace(measure, name=f"{measure.name.removesuffix('_mm')}_voxels", unit="voxels")
        if measure.is_length
        else measure
        for measure in kept
    )


def require_known(names: Iterable[str]) -> None:
    """Check that measures have these names in some unit of lengths, before the unit is known.

    Raises:
        DataError: for the first that has not.
    """
    known = {measure.name for unit in get_args(LengthUnit) for measure in measures_in(unit)}
    for name in names:
        if name not in known:
            find_measure(name)


def find_measure(name: str, length_unit: LengthUnit = "mm") -> Measure:
    """Return the measure of this name in evaluations whose lengths are in this unit.

    Raises:
        DataError: if there is none.
    """
    for measure in measures_in(length_unit):
        if measure.name == name:
            return measure
    known = [measure.name for measure in measures_in(length_unit)]
    other = any(measure.name == name for unit in get_args(LengthUnit) for measure in measures_in(unit))
    why = f" The evaluations have lengths in {length_unit}." if other else ""
    raise DataError(f"There is no measure {name!r}; there are {sentence(listed(name, known))}{why}")
