"""Box plots: the distribution of a measure over the cases, per method and structure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cbook import boxplot_stats
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import INK
from nnunet_dsd.comparison.formats import DIRECTIONS, format_of
from nnunet_dsd.comparison.panels import BETTER, NEUTRAL, label_below, method_panels, say_no_value
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.evaluation.axis_limits import limit_axis, value_limits
from nnunet_dsd.evaluation.measures import Measure

GOLDEN = (5**0.5 - 1) / 2


def box_figure(scores: Scores, measure: Measure, *, baseline: str, columns: Sequence[str] | None = None) -> Figure:
    """Draw a panel per structure and one for their mean: box, median, mean (diamond) and a point per case.

    Whiskers reach to the last case within 1.5 times the box. Runs of a method are averaged per case. The baseline is
    grey.

    Args:
        scores: of all methods.
        measure: which one.
        baseline: a method's name.
        columns: which structures, and whether their mean; None: all.
    """
    printed = format_of(measure)
    columns = columns or scores.columns
    places = [scores.columns.index(column) for column in columns]
    figure, axes = method_panels(columns, scores.methods)
    known = np.zeros(len(columns), bool)
    for place, method in enumerate(scores.methods):
        values = scores.per_case(method, measure.name)[:, places] * printed.factor
        known |= ~np.isnan(values).all(axis=0)
        colour = NEUTRAL if method == baseline else BETTER
        for axis, column in zip(axes, values.T, strict=True):
            _draw_box(axis, column[~np.isnan(column)], place, colour)
    for axis, has_values in zip(axes, known, strict=True):
        limit_axis(axis, "x", measure, value_limits(measure), factor=printed.factor)
        if not has_values:
            say_no_value(axis)
    label_below(figure, f"{printed.title}, {DIRECTIONS[measure.better]}")
    return figure


def _draw_box(axis: Axes, values: NDArray[np.float64], place: int, colour: str) -> None:
    if not values.size:
        return
    box = boxplot_stats(values)[0]
    left, right = box["q1"], box["q3"]
    axis.add_patch(
        Rectangle((left, place - 0.31), right - left, 0.62, fc=to_rgba(colour, 0.22), ec=colour, clip_on=False)
    )
    axis.hlines([place, place], [box["whislo"], right], [left, box["whishi"]], color=colour, lw=1.2, clip_on=False)
    axis.vlines([box["whislo"], box["whishi"]], place - 0.15, place + 0.15, color=colour, lw=1.2, clip_on=False)
    axis.vlines(box["med"], place - 0.31, place + 0.31, color=INK, lw=1.4, zorder=4, clip_on=False)
    axis.plot(box["mean"], place, "D", mfc="white", mec=INK, ms=4, zorder=5, clip_on=False)
    spread = (
        np.arange(values.size) * GOLDEN
    ) % 1.0 - 0.5  # evenly filled at any number of cases, and the same every time
    axis.scatter(values, place + 0.5 * spread, s=7, color=colour, alpha=0.65, lw=0, zorder=4, clip_on=False)
