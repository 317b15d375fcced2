"""Runs with the same scores in every case: most often one evaluation is a copy of the other."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.scores import RunScores, Scores


def twins(runs: Sequence[RunScores]) -> list[tuple[RunScores, RunScores]]:
    """Return the pairs of runs that agree in cases and all scores; of several equal ones, each with the first."""
    seen: dict[tuple[object, ...], RunScores] = {}
    found = []
    for one in runs:
        content = (one.cases, one.prediction_voxels.tobytes(), *(values.tobytes() for values in one.values.values()))
        if content in seen:
            found.append((seen[content], one))
        seen.setdefault(content, one)
    return found


def require_own_scores(scores: Scores) -> None:
    """Check that no two runs of a method have the same scores.

    Two trainings never agree to the last digit in every case, unless they found nothing or everything: runs whose Dice
    is nowhere between 0 and 1 are accepted.

    Raises:
        DataError: with every such pair and its files.
    """
    problems = [
        f"{one.run.label} and {other.run.label}: {one.run.evaluation} and {other.run.evaluation}"
        for one, other in twins(scores.runs)
        if one.run.method == other.run.method and _tells_trainings_apart(one)
    ]
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise DataError(
            f"Runs of one method have the same scores in every case:\n{listed}\n"
            "Two trainings never agree to the last digit, so one file is probably a copy of the other, or both were "
            "made from the same predictions. Give each training once, with its own evaluation."
        )


def twin_notes(scores: Scores) -> tuple[str, ...]:
    """Say which runs have the same scores in every case, and what is likely; nothing of runs that are all empty."""
    names = scores.run_names
    notes = []
    for one, other in twins(scores.runs):
        if one.prediction_voxels.any():
            likely = (
                "One of the two evaluations is probably a copy of the other, or both were made from the same "
                "predictions."
                if _tells_trainings_apart(one)
                else "Every Dice is 0, 1 or undefined, which two trainings can share."
            )
            notes.append(f"{names[one.run]} and {names[other.run]} have the same scores in every case. {likely}")
    return tuple(notes)


def _tells_trainings_apart(one: RunScores) -> bool:
    dice = one.values["dice"]
    return bool(np.any((dice > 0) & (dice < 1)))
