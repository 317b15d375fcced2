"""Axes show no value that a measure cannot have, and no rounding error as a difference."""

import math

import pytest

from nnunet_dsd.common.drawing import new_figure
from nnunet_dsd.evaluation.axis_limits import difference_limits, limit_axis, value_limits
from nnunet_dsd.evaluation.measures import find_measure


def limits_after(values, measure, limits, factor):
    figure = new_figure(3, 3)
    axis = figure.subplots()
    axis.plot(range(len(values)), values)
    limit_axis(axis, "y", find_measure(measure), limits(find_measure(measure)), factor=factor)
    return axis.get_ylim()


@pytest.mark.parametrize(
    ("measure", "values", "expected"),
    [
        ("dice", [0.0, 0.0], (0, 1)),
        ("dice", [100.0], (99, 100)),
        ("dice", [30.0, 30.0 + 4e-15], (29.5, 30.5)),
        ("dice", [0.0, 100.0], (0, 100)),
        ("hd95_mm", [0.0], (0, 0.1)),
        ("hd95_mm", [1.0, 21.0], (0, 22)),
        ("prediction_ml", [0.0], (0, 0.1)),
        ("rvd", [-100.0, 100.0], (-100, 110)),
        ("abs_rvd", [0.0, 200.0], (0, 210)),
        ("surface_dice", [], (0, 1)),
    ],
)
def test_values_stay_within_what_the_measure_can_be(measure, values, expected):
    factor = 100.0 if find_measure(measure).unit == "fraction" else 1.0
    low, high = limits_after(values, measure, value_limits, factor)
    assert high - low >= 0.099
    if values and max(values) - min(values) > 1:  # matplotlib's own margin of a twentieth, cut off at the limits
        assert (low, high) == pytest.approx(expected)
    elif values:
        assert low == pytest.approx(expected[0], abs=5)
        assert low >= (0 if measure != "rvd" else -100)
        assert high <= (100 if "dice" in measure else math.inf)


def test_equal_values_get_a_span_of_their_own_beside_the_limit():
    assert limits_after([0.0, 0.0], "dice", value_limits, 100.0)[0] == 0
    assert limits_after([100.0, 100.0], "dice", value_limits, 100.0)[1] == 100
    assert limits_after([0.3, 0.3 + 4e-17], "dice", value_limits, 1.0) == pytest.approx((0.285, 0.315), abs=0.02)


@pytest.mark.parametrize("values", [[0.0], [1e-17, -1e-17], []])
def test_differences_of_nothing_are_drawn_around_zero(values):
    low, high = limits_after(values, "dice", difference_limits, 100.0)
    if values:
        assert low == pytest.approx(-high, rel=0.2)
    assert high - low >= 1


def test_differences_cannot_be_beyond_those_of_the_extremes():
    assert difference_limits(find_measure("dice")) == (-1, 1)
    assert difference_limits(find_measure("hd95_mm")) == (-math.inf, math.inf)
    assert limits_after([-100.0, 100.0], "dice", difference_limits, 100.0) == (-100, 100)
