"""Predictions without any voxel of a structure, or of all structures."""

from __future__ import annotations

from nnunet_dsd.common.counting import counted
from nnunet_dsd.evaluation.results import Evaluation

MOST_LISTED = 8


def emptiness_notes(evaluation: Evaluation) -> list[str]:
    """Say if all predictions are empty, or else which structures no prediction holds, and which no reference."""
    cases = len(evaluation.cases)
    if not any(score.prediction_voxels for score in evaluation.scores):
        return [
            f"all predictions are empty: no voxel of any structure in {counted(cases, 'case')}. The network has "
            "learned nothing yet, or these are not its label images"
        ]
    missed, absent = [], absent_structures(evaluation)
    for structure in evaluation.structures:
        scores = evaluation.of(structure.name)
        holding = sum(score.reference_voxels > 0 for score in scores)
        if holding and not any(score.prediction_voxels for score in scores):
            missed.append(f"{structure.name} (in {holding} of {cases} references)")
    notes = [f"never predicted: {_listed(missed)}"] if missed else []
    return notes + ([f"in no reference: {_listed(absent)}"] if absent else [])


def absent_structures(evaluation: Evaluation) -> list[str]:
    """Return the names of the structures that no reference holds."""
    held = {score.structure for score in evaluation.scores if score.reference_voxels}
    return [structure.name for structure in evaluation.structures if structure.name not in held]


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - MOST_LISTED} more" if len(names) > MOST_LISTED else ""
    return ", ".join(names[:MOST_LISTED]) + more
