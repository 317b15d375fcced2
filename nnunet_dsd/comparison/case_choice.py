"""Which cases are drawn: those with the best, the median and the worst change against the baseline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.comparison.scores import Scores

BEST, MEDIAN, WORST = "best", "median", "worst"


@dataclass(frozen=True)
class Prediction:
    """A prediction of one method to draw.

    Attributes:
        folder: with the label images of the run.
        dice: mean Dice over structures of this prediction, a fraction.
        run: how messages name the run.
        voxels: size of every structure, as the run's evaluation counted it.
    """

    folder: Path
    dice: float
    run: str
    voxels: tuple[int, ...]


@dataclass(frozen=True)
class ShownCase:
    """One case of the figure.

    Attributes:
        kind: why it was chosen.
        case: its name.
        gain: difference of the mean Dice, method minus baseline, a fraction; runs of a method are averaged.
        baseline: prediction of the baseline's first run that has the case.
        method: prediction of the method's first run that has the case.
    """

    kind: str
    case: str
    gain: float
    baseline: Prediction
    method: Prediction


def choose_cases(scores: Scores, *, baseline: str, method: str) -> tuple[ShownCase, ...]:
    """Choose the cases by the mean Dice over structures, among those both methods have a prediction to draw of.

    Returns:
        Nothing if there is no such case.
    """
    gains = scores.per_case(method, "dice")[:, -1] - scores.per_case(baseline, "dice")[:, -1]
    found = {}
    for case, gain in zip(scores.cases, gains.tolist(), strict=True):
        before, after = _prediction(scores, baseline, case), _prediction(scores, method, case)
        if before is not None and after is not None:
            found[case] = (gain, before, after)
    chosen = extreme_cases({case: gain for case, (gain, _, _) in found.items()})
    return tuple(ShownCase(kind, case, *found[case]) for kind, case in chosen)


def extreme_cases(gains: Mapping[str, float]) -> tuple[tuple[str, str], ...]:
    """Choose cases by their gain; cases of equal gain go by name, and an even number has the better median.

    Args:
        gains: per case, NaN where undefined; such cases are never chosen.

    Returns:
        Pairs of why and which, from best to worst; with fewer than three cases none is chosen twice.
    """
    known = sorted(
        (case for case, gain in gains.items() if not math.isnan(gain)), key=lambda case: (-gains[case], case)
    )
    kinds: dict[str, str] = {}
    for kind, place in ((BEST, 0), (WORST, len(known) - 1), (MEDIAN, (len(known) - 1) // 2)):
        if known:
            kinds.setdefault(known[place], kind)
    return tuple((kinds[case], case) for case in known if case in kinds)


def _prediction(scores: Scores, method: str, case: str) -> Prediction | None:
    for one in scores.of(method):
        if one.run.predictions is not None and case in one.cases:
            row = one.cases.index(case)
            values = scores.with_mean(one.values["dice"])[row]
            voxels = tuple(one.prediction_voxels[row].tolist())
            return Prediction(one.run.predictions, float(values[-1]), one.run.full_label, voxels)
    return None
