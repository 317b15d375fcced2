"""Runs that predicted nothing at all, and structures that a run never predicted."""

from __future__ import annotations

from nnunet_dsd.comparison.case_sets import listed
from nnunet_dsd.comparison.scores import RunScores, Scores


def empty_notes(scores: Scores) -> tuple[str, ...]:
    """Say which runs' predictions are all empty, and which structures the others never predicted.

    A structure that no reference of the compared cases holds is nothing that a run could have missed.
    """
    names = scores.run_names
    empty = [one for one in scores.runs if not one.prediction_voxels.any()]
    notes = []
    if empty:
        which = ", ".join(names[one.run] for one in empty)
        notes.append(
            f"All predictions are empty, of every structure in every case: {which}. Such a network has learned "
            "nothing yet, or its predictions were made or copied wrongly; that runs agree in this says nothing."
        )
    for one in scores.runs:
        missed = _never_predicted(scores, one)
        if missed and one.prediction_voxels.any():
            notes.append(f"{names[one.run]} never predicted, although references hold it: {listed(missed)}.")
    return tuple(notes)


def _never_predicted(scores: Scores, one: RunScores) -> list[str]:
    places = zip(scores.structure_names, one.prediction_voxels.T, one.reference_voxels.T, strict=True)
    return [name for name, predicted, expected in places if expected.any() and not predicted.any()]
