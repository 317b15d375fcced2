"""How much of a map's heat lies in the structure, per case, model and level."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.attribution.looking import LookedCase, Sight
from nnunet_dsd.evaluation.structures import Structure

NOT_PREDICTED = "no voxel is predicted as the structure"
NO_HEAT = "the map is zero: the weighted sum of the features is nowhere positive"


@dataclass(frozen=True)
class HeatRow:
    """One map in numbers; undefined values are not-a-number.

    Attributes:
        case: name.
        model: name.
        level: as asked for.
        module: its path in the network.
        structure: name.
        centred_on: what the patch was put around.
        predicted_voxels: of the structure, in the patch.
        reference_voxels: of the structure, in the patch.
        reference_share: their fraction of the patch: what a map that is equal everywhere has inside.
        inside_reference: fraction of the heat that lies in the reference structure.
        inside_prediction: fraction of the heat that lies in the predicted structure.
        largest_heat: the map's largest value, in the network's own scale.
        note: why there is no heat, where there is none.
    """

    case: str
    model: str
    level: str
    module: str
    structure: str
    centred_on: str
    predicted_voxels: int
    reference_voxels: float
    reference_share: float
    inside_reference: float
    inside_prediction: float
    largest_heat: float
    note: str


def heat_inside(heat: NDArray[np.floating[Any]], mask: NDArray[np.bool_] | None) -> float:
    """Return the fraction of a map's sum that lies in a mask of its shape.

    The energy-based pointing game of Wang et al., Score-CAM, CVPR Workshops 2020, with the structure itself in
    place of a bounding box. Not-a-number without a mask, or where the map is zero everywhere.

    Args:
        heat: No value below zero.
        mask: Of the structure.
    """
    total = float(heat.sum(dtype=np.float64))
    if mask is None or total == 0.0:
        return math.nan
    return float(heat[mask].sum(dtype=np.float64)) / total


def heat_rows(case: LookedCase, structure: Structure, levels: Sequence[str]) -> list[HeatRow]:
    """Return a row per model and level of a case."""
    return [_row(case, sight, structure, level, index) for sight in case.sights for index, level in enumerate(levels)]


def _row(case: LookedCase, sight: Sight, structure: Structure, level: str, index: int) -> HeatRow:
    heat = np.zeros(sight.patch.size, np.float32) if sight.heat.maps is None else sight.heat.maps[index]
    reference = sight.reference
    return HeatRow(
        case=case.name,
        model=sight.name,
        level=level,
        module=sight.modules[index],
        structure=structure.name,
        centred_on=case.centred_on,
        predicted_voxels=int(sight.heat.predicted.sum()),
        reference_voxels=math.nan if reference is None else int(reference.sum()),
        reference_share=math.nan if reference is None else float(reference.mean()),
        inside_reference=heat_inside(heat, reference),
        inside_prediction=heat_inside(heat, sight.heat.predicted),
        largest_heat=math.nan if sight.heat.maps is None else float(heat.max()),
        note=heat_note(sight, index),
    )


def heat_note(sight: Sight, index: int) -> str:
    """Say why a level of a model has no heat; nothing where it has."""
    if sight.heat.maps is None:
        return NOT_PREDICTED
    return "" if sight.heat.maps[index].any() else NO_HEAT
