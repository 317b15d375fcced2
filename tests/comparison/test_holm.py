"""Holm's correction against worked examples, its definition by rejections, and Bonferroni."""

import itertools
import math

import numpy as np
import pytest

from nnunet_dsd.comparison.holm import holm


def rejected_by_stepping_down(p_values, level):
    """Holm's procedure as he wrote it: reject in ascending order until one p value exceeds level / (m - k + 1)."""
    rejected = set()
    for left, index in zip(range(len(p_values), 0, -1), np.argsort(p_values, kind="stable"), strict=True):
        if p_values[index] > level / left:
            break
        rejected.add(int(index))
    return rejected


@pytest.mark.parametrize(
    ("given", "adjusted"),
    [
        ([], []),
        ([0.03], [0.03]),
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),  # 4 x .005, 3 x .01, 2 x .03, then 1 x .04 < .06
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02, 0.02], [0.04, 0.04]),
    ],
)
def test_worked_examples(given, adjusted):
    assert holm(given) == pytest.approx(adjusted)


def test_tests_that_were_not_made_stay_so_and_do_not_count():
    assert holm([math.nan, 0.01, math.nan, 0.02]) == pytest.approx((math.nan, 0.02, math.nan, 0.02), nan_ok=True)


def test_an_adjusted_value_below_a_level_is_a_rejection_at_that_level():
    p_values = np.random.default_rng(3).uniform(0, 0.2, size=9)
    for level in (0.01, 0.05, 0.1, 0.3):
        below = {index for index, p in enumerate(holm(p_values)) if p <= level}
        assert below == rejected_by_stepping_down(p_values, level)


def test_the_order_of_the_tests_does_not_matter():
    p_values = (0.001, 0.02, 0.3)
    expected = dict(zip(p_values, holm(p_values), strict=True))
    for order in itertools.permutations(p_values):
        assert holm(order) == tuple(expected[p] for p in order)


def test_it_is_between_the_raw_value_and_bonferroni():
    p_values = np.random.default_rng(4).uniform(0, 1, size=20)
    adjusted = np.array(holm(p_values))
    assert (adjusted >= p_values).all()
    assert (adjusted <= np.minimum(1, 20 * p_values)).all()
