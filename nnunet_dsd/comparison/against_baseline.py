"""Every method against the baseline: per structure, and for the mean over structures."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_dsd.comparison.holm import holm
from nnunet_dsd.comparison.paired import PairedResult, compare_pairs
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.evaluation.measures import Measure


@dataclass(frozen=True)
class PairedComparison:
    """One method against the baseline in one column of one measure.

    Attributes:
        method: its name.
        column: a structure, or the mean over structures.
        result: the paired statistics, method minus baseline.
        adjusted: the p value after Holm's correction over all tests of the measure; NaN without a test.
        direction: 1 if higher values are better, -1 if lower ones are, 0 if a difference is no judgement.
    """

    method: str
    column: str
    result: PairedResult
    adjusted: float
    direction: int

    @property
    def better(self) -> int:
        """Pairs where the method is better; 0 where a difference is no judgement."""
        return {1: self.result.higher, -1: self.result.lower, 0: 0}[self.direction]

    @property
    def worse(self) -> int:
        """Pairs where the method is worse; 0 where a difference is no judgement."""
        return {1: self.result.lower, -1: self.result.higher, 0: 0}[self.direction]


def direction_of(measure: Measure) -> int:
    """Return 1 if higher values are better, -1 if lower ones are, 0 if the sign of a difference is no judgement."""
    return {"higher": 1, "lower": -1}.get(measure.better, 0)


def compare_with_baseline(
    scores: Scores, measure: Measure, *, baseline: str, seed: int
) -> tuple[PairedComparison, ...]:
    """Compare every other method with the baseline, cases paired by name, runs of a method averaged per case first.

    Args:
        scores: of all methods.
        measure: which one.
        baseline: name of the method that the others are compared with.
        seed: of the bootstrap; every comparison starts from it, so none depends on which others are made.

    Returns:
        A comparison per method and column, in their order.
    """
    reference = scores.per_case(baseline, measure.name)
    keys: list[tuple[str, str]] = []
    results: list[PairedResult] = []
    for method in scores.methods:
        if method != baseline:
            values = scores.per_case(method, measure.name)
            keys += [(method, column) for column in scores.columns]
            results += [compare_pairs(one, other, seed=seed) for one, other in zip(values.T, reference.T, strict=True)]
    adjusted = holm([result.p_value for result in results])
    return tuple(
        PairedComparison(method, column, result, p_value, direction_of(measure))
        for (method, column), result, p_value in zip(keys, results, adjusted, strict=True)
    )
