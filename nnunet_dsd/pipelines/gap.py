"""How much better the teachers are than what the students start from: what there is to be gained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nnunet_dsd.ablation.scoring import EVALUATION
from nnunet_dsd.evaluation.export import read_evaluation_json

LITTLE = 0.01  # of Dice; a student's own spread over seeds is about as large


def gap_lines(teachers: Mapping[str, float], start: tuple[str, float] | None, *, unlabelled: bool) -> list[str]:
    """Return what to say of the teachers before the students are trained.

    Args:
        teachers: Their mean Dice by name, fractions.
        start: What the students start from, and its mean Dice; None: not known.
        unlabelled: Whether there are images without labels.
    """
    best = max(teachers, key=lambda name: teachers[name])
    said = f"the best of the teachers, {best}, has a mean Dice of {100 * teachers[best]:.2f} %"
    if start is None:
        return [said]
    name, dice = start
    gain = teachers[best] - dice
    lines = [f"{said}, and what the students start from, {name}, {100 * dice:.2f} %: {100 * gain:+.2f} points"]
    if gain < LITTLE and not unlabelled:
        lines.append(
            "note: the teachers are hardly better than what the students start from, so little is to be gained but a "
            "cheaper model; more or other teachers, or images without labels (--unlabelled), would give more"
        )
    return lines


def mean_dice(evaluation: Path) -> float:
    """Return the mean over structures of the mean Dice over cases of an evaluation, a fraction."""
    found = read_evaluation_json(evaluation / EVALUATION)
    by_structure: dict[str, list[float]] = {}
    for score in found.scores:
        by_structure.setdefault(score.structure, []).append(score.dice)
    return float(np.nanmean([np.nanmean(values) for values in by_structure.values()]))
