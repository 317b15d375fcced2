"""Of many structures tables and figures show the worst few; all are in the files of values."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from nnunet_dsd.evaluation.measures import Measure, find_measure
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import Structure

MOST_SHOWN = 16
WORST = 8


def shown_names(means: Sequence[tuple[str, float]], measure: Measure) -> tuple[str, ...]:
    """Return which structures are shown: all in their order, or of more than `MOST_SHOWN` the worst, worst first.

    Args:
        means: name and mean of every structure; NaN where there is none, which is never among the worst.
        measure: what was measured; of sizes, which are neither good nor bad, the largest are shown.
    """
    if len(means) <= MOST_SHOWN:
        return tuple(name for name, _ in means)
    known = [(name, mean) for name, mean in means if not math.isnan(mean)]
    ordered = sorted(known, key=lambda one: -_badness(one[1], measure)) or list(means)
    return tuple(name for name, _ in ordered[:WORST])


def shown_structures(evaluation: Evaluation) -> tuple[Structure, ...]:
    """Return the structures of an evaluation that are shown: all, or of many those of the lowest mean Dice."""
    means = [(structure.name, evaluation.dice_summary(structure.name).mean) for structure in evaluation.structures]
    found = {structure.name: structure for structure in evaluation.structures}
    return tuple(found[name] for name in shown_names(means, find_measure("dice")))


def listed_in_order(names: Iterable[str]) -> str:
    """List names in their order, the first of many."""
    every = list(names)
    more = f" and {len(every) - WORST} more" if len(every) > MOST_SHOWN else ""
    return ", ".join(every[:WORST] if more else every) + more


def _badness(mean: float, measure: Measure) -> float:
    if measure.better == "higher":
        return -mean
    return abs(mean) if measure.better == "zero" else mean
