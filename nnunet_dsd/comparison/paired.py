"""Paired statistics of one method against another on the same cases."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap, rankdata, wilcoxon

# Below six pairs no result of the signed-rank test can reach 0.05: with five, the smallest two-sided p is 2 / 2^5.
LEAST_PAIRS = 6
CONFIDENCE = 0.95
RESAMPLES = 9999
MOST_EXACT = 50
DECIMALS = 12


@dataclass(frozen=True)
class PairedResult:
    """Differences of paired values: method minus baseline, in the unit of the values.

    Attributes:
        pairs: cases with a value of both.
        lost: cases without a value of one or both.
        higher: pairs where the method's value is the higher one.
        lower: pairs where it is the lower one; the remaining pairs are equal.
        mean: mean difference; NaN without pairs.
        median: median difference; NaN without pairs.
        low: lower end of the bootstrap interval of the mean difference; NaN if there is none.
        high: its upper end.
        p_value: two-sided, of the Wilcoxon signed-rank test; NaN if there is none.
        note: why the interval or the p value is missing, or how the p value was computed.
    """

    pairs: int
    lost: int
    higher: int
    lower: int
    mean: float
    median: float
    low: float
    high: float
    p_value: float
    note: str

    @property
    def equal(self) -> int:
        """Pairs without a difference."""
        return self.pairs - self.higher - self.lower


def compare_pairs(method: NDArray[np.float64], baseline: NDArray[np.float64], *, seed: int) -> PairedResult:
    """Compare the values of two methods, paired by place.

    Differences are rounded to twelve decimals before they are counted and ranked, so that rounding errors of floating
    point neither hide ties nor make them.

    Args:
        method: shape (cases,); NaN where undefined.
        baseline: the same cases in the same order.
        seed: of the bootstrap.
    """
    every = np.asarray(method, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)
    differences = np.round(every[~np.isnan(every)], DECIMALS)
    low, high = bootstrap_interval(differences, seed=seed)
    p_value, note = signed_rank(differences)
    return PairedResult(
        pairs=differences.size,
        lost=every.size - differences.size,
        higher=int((differences > 0).sum()),
        lower=int((differences < 0).sum()),
        mean=float(differences.mean()) if differences.size else math.nan,
        median=float(np.median(differences)) if differences.size else math.nan,
        low=low,
        high=high,
        p_value=p_value,
        note=note,
    )


def bootstrap_interval(differences: NDArray[np.float64], *, seed: int) -> tuple[float, float]:
    """Bias-corrected and accelerated bootstrap interval of the mean; cases are what is drawn again.

    Args:
        differences: shape (pairs,), without NaN.
        seed: of the draws.

    Returns:
        Its ends; NaN below `LEAST_PAIRS` pairs, and where all differences are equal, which leaves nothing to draw.
    """
    if differences.size < LEAST_PAIRS or np.ptp(differences) == 0:
        return math.nan, math.nan
    result = bootstrap(
        (differences,),
        np.mean,
        confidence_level=CONFIDENCE,
        n_resamples=RESAMPLES,
        method="BCa",
        random_state=np.random.default_rng(seed),
    )
    return float(result.confidence_interval.low), float(result.confidence_interval.high)


def signed_rank(differences: NDArray[np.float64]) -> tuple[float, str]:
    """Two-sided p value of the Wilcoxon signed-rank test, and a note on how it came about or why there is none.

    Pairs without a difference are left out, as Wilcoxon did. The distribution is exact up to `MOST_EXACT` differing
    pairs, with ties too, and normal beyond.

    Args:
        differences: shape (pairs,), without NaN.
    """
    differing = differences[differences != 0]
    if differences.size < LEAST_PAIRS:
        return math.nan, f"no test: {differences.size} pairs, {LEAST_PAIRS} needed"
    if not differing.size:
        return math.nan, "no test: all differences are zero"
    if differing.size < LEAST_PAIRS:
        return math.nan, f"no test: only {differing.size} pairs differ, {LEAST_PAIRS} needed"
    if differing.size <= MOST_EXACT:
        return exact_p_value(differing), "exact"
    return float(wilcoxon(differing, zero_method="wilcox", method="approx").pvalue), "normal approximation"


def exact_p_value(differing: NDArray[np.float64]) -> float:
    """Two-sided p value of the signed-rank sum: the share of all signs whose sum is as far from the middle, or farther.

    Tied differences share the mean of their ranks. Twice the ranks are whole numbers, so the signs that lead to each
    sum can be counted rank by rank. The counts are whole numbers below 2^53 and therefore exact.

    Args:
        differing: shape (pairs,), none of them zero, at most `MOST_EXACT`.
    """
    doubled = np.rint(2 * rankdata(np.abs(differing))).astype(np.int64)
    ways = np.zeros(doubled.sum() + 1)
    ways[0] = 1
    for rank in doubled:
        ways[rank:] += ways[:-rank].copy()
    # Both are twice the distance from the middle, which keeps them whole.
    distances = np.abs(2 * np.arange(ways.size) - doubled.sum())
    seen = abs(2 * doubled[differing > 0].sum() - doubled.sum())
    return float(ways[distances >= seen].sum() / ways.sum())
