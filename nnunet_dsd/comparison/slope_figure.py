"""Slopes: a line per case from its value with the baseline to its value with the method."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import FAINT, INK, new_figure
from nnunet_dsd.comparison.against_baseline import PairedComparison
from nnunet_dsd.comparison.formats import DIRECTIONS, format_of
from nnunet_dsd.comparison.panels import BETTER, NEUTRAL, WORSE, label_below, say_no_value, wrapped
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.evaluation.axis_limits import limit_axis, value_limits
from nnunet_dsd.evaluation.measures import Measure

COLUMNS_PER_BLOCK = 8
ROUNDING = 1e-12


def slope_figure(scores: Scores, comparisons: Sequence[PairedComparison], measure: Measure, *, baseline: str) -> Figure:
    """Draw a row of panels per method, a panel per structure and one for their mean.

    Blue lines are cases where the method is better, orange ones where it is worse; all are grey where a difference is
    no judgement. The thick line joins the means. With more than eight columns, the rows continue below. The columns
    are those of the comparisons.
    """
    columns = tuple(dict.fromkeys(one.column for one in comparisons))
    methods = tuple(method for method in scores.methods if method != baseline)
    printed = format_of(measure)
    figure, grid = _grid(columns, methods)
    before = scores.per_case(baseline, measure.name) * printed.factor
    found = {(one.method, one.column): one for one in comparisons}
    for row, method in enumerate(methods):
        after = scores.per_case(method, measure.name) * printed.factor
        for axis, name in zip(grid[row], columns, strict=True):
            column = scores.columns.index(name)
            _draw(axis, before[:, column], after[:, column], found[method, name])
    for axis in (axis for line in grid for axis in line):
        limit_axis(axis, "y", measure, value_limits(measure), factor=printed.factor)
    side = f"left {baseline}, right the method beside the row"
    label_below(figure, f"{printed.title}, {DIRECTIONS[measure.better]}: {side}")
    return figure


def _grid(columns: Sequence[str], methods: Sequence[str]) -> tuple[Figure, list[list[Axes]]]:
    """Axes by method and column; the panels of a column share their heights."""
    across = min(COLUMNS_PER_BLOCK, len(columns))
    blocks = math.ceil(len(columns) / across)
    width = min(2.6, max(1.4, 8.0 / across))
    size = (0.9 + width * across, (1.1 + 0.5 * width) * blocks * len(methods) + 0.55)
    figure = new_figure(*size)
    grid = figure.subplots(blocks * len(methods), across, squeeze=False)
    result = []
    for row, method in enumerate(methods):
        lines = [grid[block * len(methods) + row] for block in range(blocks)]
        for line in lines:
            line[0].set_ylabel(wrapped(method, 26), fontsize=8, color=INK)
        panels = [axis for line in lines for axis in line]
        for spare in panels[len(columns) :]:
            spare.remove()
        result.append(panels[: len(columns)])
        for column, axis in enumerate(result[-1]):
            if row:
                axis.sharey(result[0][column])
            else:
                axis.set_title(wrapped(columns[column], 16), fontsize=9.5, color=INK)
    return figure, result


def _draw(axis: Axes, before: NDArray[np.float64], after: NDArray[np.float64], comparison: PairedComparison) -> None:
    for left, right in zip(before, after, strict=True):
        axis.plot(
            (0, 1),
            (left, right),
            color=_colour((right - left) * comparison.direction),
            lw=0.9,
            alpha=0.75,
            clip_on=False,
        )
    known = ~np.isnan(before + after)
    if known.any():
        means = (before[known].mean(), after[known].mean())
        axis.plot((0, 1), means, color=INK, lw=2.0, marker="o", ms=4, zorder=4, clip_on=False)
    else:
        say_no_value(axis)
    axis.set_xlim(-0.15, 1.15)
    axis.set_xticks([])
    counts = f"{comparison.better} better, {comparison.worse} worse" if comparison.direction else ""
    axis.set_xlabel(counts, fontsize=8, color=INK)
    axis.tick_params(labelsize=8)
    axis.locator_params(axis="y", nbins=4)
    axis.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _colour(gain: float) -> str:
    if abs(gain) < ROUNDING or math.isnan(gain):
        return NEUTRAL
    return BETTER if gain > 0 else WORSE
