"""Difference plots: the mean difference of every method from the baseline with its interval."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.figure import Figure

from nnunet_dsd.common.drawing import INK
from nnunet_dsd.comparison.against_baseline import PairedComparison
from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.panels import BETTER, NEUTRAL, WORSE, label_below, method_panels, say_no_value
from nnunet_dsd.evaluation.axis_limits import difference_limits, limit_axis
from nnunet_dsd.evaluation.measures import Measure

SIDES = {1: "right is better", -1: "left is better", 0: "no side is better"}


def forest_figure(comparisons: Sequence[PairedComparison], measure: Measure, *, baseline: str) -> Figure:
    """Draw a panel per structure and one for their mean: a point per method with the bootstrap interval.

    Blue: the interval lies on the better side of zero; orange: on the worse side; grey: it holds zero, or there is
    none.
    """
    printed = format_of(measure)
    columns = tuple(dict.fromkeys(one.column for one in comparisons))
    methods = tuple(dict.fromkeys(one.method for one in comparisons))
    figure, axes = method_panels(columns, methods)
    for axis in axes:
        axis.axvline(0.0, color=INK, lw=0.9, zorder=1)
    for axis, column in zip(axes, columns, strict=True):
        if not any(one.result.pairs for one in comparisons if one.column == column):
            say_no_value(axis)
    for one in comparisons:
        axis, place, result = axes[columns.index(one.column)], methods.index(one.method), one.result
        colour = _colour(one)
        if not math.isnan(result.low):
            axis.hlines(
                place, result.low * printed.factor, result.high * printed.factor, color=colour, lw=2.2, zorder=2
            )
        if result.pairs:
            axis.plot(
                result.mean * printed.factor,
                place,
                "o",
                color=colour,
                ms=5.5,
                mec="white",
                mew=0.7,
                zorder=3,
                clip_on=False,
            )
    for axis in axes:
        limit_axis(axis, "x", measure, difference_limits(measure), factor=printed.factor)
    side = SIDES[comparisons[0].direction]
    label = f"{measure.title}: mean difference from {baseline} in {printed.difference_unit}, {side}"
    label_below(figure, label)
    return figure


def _colour(comparison: PairedComparison) -> str:
    result, direction = comparison.result, comparison.direction
    if direction == 0 or math.isnan(result.low) or result.low <= 0 <= result.high:
        return NEUTRAL
    return BETTER if direction * result.mean > 0 else WORSE
