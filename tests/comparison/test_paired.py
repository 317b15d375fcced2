"""Paired statistics against closed forms, all sign flips, SciPy called directly, and a simulation of the coverage."""

import itertools
import math

import numpy as np
import pytest
from scipy.stats import bootstrap, rankdata, wilcoxon

from nnunet_dsd.comparison.paired import MOST_EXACT, bootstrap_interval, compare_pairs, signed_rank


def p_by_all_sign_flips(differences):
    """Two-sided p of the signed-rank sum over all 2^n signs, from the definition."""
    ranks = rankdata(np.abs(differences))
    centre = ranks.sum() / 2
    seen = abs(ranks[differences > 0].sum() - centre)
    flips = [abs(np.dot(ranks, signs) - centre) for signs in itertools.product((0, 1), repeat=differences.size)]
    return float(np.mean([flip >= seen - 1e-9 for flip in flips]))


def differences_of(pairs, *, seed=0, shift=0.4):
    return np.random.default_rng(seed).normal(shift, 1.0, size=pairs)


@pytest.mark.parametrize("pairs", [6, 7, 9, 12])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_p_value_is_the_share_of_sign_flips_at_least_as_extreme(pairs, seed):
    differences = differences_of(pairs, seed=seed)
    p_value, note = signed_rank(differences)
    assert p_value == pytest.approx(p_by_all_sign_flips(differences))
    assert note == "exact"


def test_six_pairs_of_one_sign_give_the_smallest_p_value_that_six_can():
    assert signed_rank(np.arange(1.0, 7.0))[0] == pytest.approx(2 / 2**6)


@pytest.mark.parametrize(
    "tied",
    [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 1, 2],
        [1, 1, -1, 2, 3, 4, 5],
        [1, -1, 1, -1, 1, -1],
        [0.5, 0.5, 0.5, 1, 1, -1],
        [1, 1, -1, 2, 3, 4, 5, -2, 3, 6, 7, 7, -8, 9],
    ],
)
def test_with_ties_too_the_p_value_is_the_share_of_sign_flips(tied):
    differences = np.array(tied, dtype=float)
    p_value, note = signed_rank(differences)
    assert p_value == pytest.approx(p_by_all_sign_flips(differences), rel=1e-12)
    assert note == "exact"


@pytest.mark.parametrize("pairs", [6, 8, 10])
def test_random_ties_never_go_below_the_least_possible_p_value(pairs):
    rng = np.random.default_rng(pairs)
    for _ in range(30):
        differences = rng.choice([1.0, 1.0, 0.414, 0.732], size=pairs) * rng.choice([-1, 1, 1], size=pairs)
        p_value = signed_rank(differences)[0]
        assert p_value == pytest.approx(p_by_all_sign_flips(differences), rel=1e-12)
        assert 2 / 2**pairs <= p_value <= 1


@pytest.mark.parametrize("pairs", [30, MOST_EXACT])
def test_without_ties_the_p_value_is_scipys_exact_one_up_to_the_most_pairs(pairs):
    differences = differences_of(pairs)
    assert signed_rank(differences) == (pytest.approx(wilcoxon(differences, method="exact").pvalue), "exact")


def test_many_pairs_use_the_normal_approximation():
    many = differences_of(MOST_EXACT + 1)
    assert signed_rank(many) == (pytest.approx(wilcoxon(many, method="approx").pvalue), "normal approximation")


def test_where_the_normal_approximation_begins_it_is_close_to_the_exact_distribution():
    tied = np.round(differences_of(MOST_EXACT, shift=0.2), 1)
    tied = tied[tied != 0]
    assert signed_rank(tied)[0] == pytest.approx(wilcoxon(tied, method="approx").pvalue, abs=0.005)


def test_equal_pairs_leave_the_test_but_not_the_mean():
    differences = np.concatenate([np.zeros(4), np.arange(1.0, 9.0)])
    result = compare_pairs(differences, np.zeros(12), seed=0)
    assert result.p_value == pytest.approx(p_by_all_sign_flips(np.arange(1.0, 9.0)))
    assert result.mean == pytest.approx(36 / 12)
    assert (result.pairs, result.higher, result.lower, result.equal) == (12, 8, 0, 4)


def test_rounding_errors_are_no_differences():
    method, baseline = np.full(8, 0.1 + 0.2), np.full(8, 0.3)
    result = compare_pairs(method, baseline, seed=0)
    assert result.equal == 8
    assert result.note == "no test: all differences are zero"


@pytest.mark.parametrize(
    ("differences", "note"),
    [
        ([], "no test: 0 pairs, 6 needed"),
        ([1.0, 2.0, 3.0, 4.0, 5.0], "no test: 5 pairs, 6 needed"),
        ([0.0] * 7, "no test: all differences are zero"),
        ([0.0] * 7 + [1.0], "no test: only 1 pairs differ, 6 needed"),
    ],
)
def test_no_p_value_is_invented(differences, note):
    result = compare_pairs(np.array(differences), np.zeros(len(differences)), seed=0)
    assert math.isnan(result.p_value)
    assert result.note == note


def test_undefined_values_of_either_side_are_lost_and_counted():
    method = np.array([1.0, math.nan, 3.0, 4.0, math.nan])
    baseline = np.array([0.0, 0.0, math.nan, 1.0, math.nan])
    result = compare_pairs(method, baseline, seed=0)
    assert (result.pairs, result.lost) == (2, 3)
    assert (result.mean, result.median) == (2.0, 2.0)


def test_without_pairs_everything_is_undefined():
    result = compare_pairs(np.full(3, math.nan), np.zeros(3), seed=0)
    assert (result.pairs, result.lost) == (0, 3)
    assert all(math.isnan(value) for value in (result.mean, result.median, result.low, result.high, result.p_value))


def test_swapping_the_methods_mirrors_everything():
    method, baseline = differences_of(15, seed=1), differences_of(15, seed=2)
    one, other = compare_pairs(method, baseline, seed=0), compare_pairs(baseline, method, seed=0)
    assert (one.mean, one.median) == (-other.mean, -other.median)
    assert one.p_value == other.p_value
    assert (one.higher, one.lower) == (other.lower, other.higher)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low), abs=0.02)


def test_the_interval_is_scipys_and_the_seed_decides():
    differences = differences_of(20)
    expected = bootstrap((differences,), np.mean, method="BCa", random_state=np.random.default_rng(5))
    assert bootstrap_interval(differences, seed=5) == tuple(expected.confidence_interval)
    assert bootstrap_interval(differences, seed=5) != bootstrap_interval(differences, seed=6)


def test_the_interval_of_many_symmetric_differences_is_students():
    """For the mean of many normal values the interval must come close to mean ± 1.96 s / sqrt(n)."""
    differences = differences_of(400)
    half = 1.96 * differences.std(ddof=1) / 20
    expected = (differences.mean() - half, differences.mean() + half)
    assert bootstrap_interval(differences, seed=0) == pytest.approx(expected, abs=0.05 * half)


@pytest.mark.parametrize("differences", [np.arange(5.0), np.full(9, 0.25), np.zeros(9)])
def test_no_interval_from_few_pairs_or_from_equal_differences(differences):
    assert all(math.isnan(end) for end in bootstrap_interval(differences, seed=0))


@pytest.mark.filterwarnings("error")
def test_one_pair_that_differs_among_many_gives_an_interval_without_warnings():
    low, high = bootstrap_interval(np.array([0.0] * 19 + [1.0]), seed=0)
    assert 0 <= low < 0.05 < high


@pytest.mark.slow
@pytest.mark.parametrize(("pairs", "least"), [(6, 0.82), (10, 0.88), (20, 0.90), (40, 0.92)])
def test_the_interval_covers_the_true_mean_about_as_often_as_it_says(pairs, least):
    """Skewed differences, as Dice has; 95 % is reached only with many pairs, see the page on the statistics."""
    rng = np.random.default_rng(0)
    trials = 2000
    covered = 0
    for trial in range(trials):
        low, high = bootstrap_interval(rng.gamma(4.0, 1.0, size=pairs) - 4.0, seed=trial)
        covered += low <= 0 <= high
    print(f"{pairs} pairs: {covered / trials:.1%} of {trials}")
    assert least <= covered / trials <= 0.975
