"""Criteria and validation mAP over the epochs, the chosen region shaded, and what each strategy picked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.drawing import FAINT, INK, colour_of, new_figure, save_png, tidy
from video_triplet.selection.criteria import Band, Criterion
from video_triplet.selection.selecting import Measured, Picked

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLUMN_INCHES, ROW_INCHES = 4.2, 1.75
SHADE = "#009E73"


def draw_selection(
    measured: Measured, criterion: Criterion, others: Sequence[Criterion], picked: Sequence[Picked], path: Path
) -> None:
    """Draw one column per teacher: the criterion that decides, validation mAP, the other criteria, the picks.

    Args:
        measured: Values to draw.
        criterion: The one that decides; its region is shaded in every row.
        others: Further criteria, one row each.
        picked: What each strategy picked; the bottom row.
        path: PNG to write.
    """
    curves = measured.curves(criterion)
    shown = [criterion, *(other for other in others if other.name not in (criterion.name, "validation-mAP"))]
    rows = [*(shown[:1]), None, *shown[1:]]  # None is the row of the teachers' own mAP
    heights = [1.0] * len(rows) + [0.28 * len(picked) + 0.3]
    figure = new_figure(COLUMN_INCHES * len(curves) + 1.6, ROW_INCHES * sum(heights))
    axes = figure.subplots(
        len(heights), len(curves), sharex="col", sharey="row", squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    nearest = False
    for column, curve in enumerate(curves):
        first, last = curve.epochs[curve.region[0]], curve.epochs[curve.region[-1]]
        good = criterion.rule.inside(measured.values[criterion.name][column])[list(curve.region)].all()
        shade = {"color": SHADE if good else FAINT, "alpha": 0.13 if good else 0.35, "lw": 0}
        nearest = nearest or not good
        axes[0][column].set_title(f"teacher of seed {measured.runs[column].seed}", fontsize=10)
        for row, one in enumerate(rows):
            values = measured.values[one.name][column] if one else 100 * measured.validation_map[column]
            axis = axes[row][column]
            axis.axvspan(first - 0.5, last + 0.5, **shade)
            axis.plot(curve.epochs, values, color=INK if one is None else colour_of(0), marker="o", ms=3, lw=1.3)
            if one is not None and isinstance(one.rule, Band):
                axis.axhline(one.rule.target, color=FAINT, lw=1, ls="--")
                for end in (one.rule.low, one.rule.high):
                    axis.axhline(end, color=FAINT, lw=1, ls=":")
            if column == 0:
                axis.set_ylabel("validation\nmAP (%)" if one is None else one.name.replace("-", "-\n", 1), fontsize=8)
            tidy(axis)
        axes[-1][column].axvspan(first - 0.5, last + 0.5, **shade)
        _draw_picks(axes[-1][column], column, picked)
    note = "; grey: none is good, only the nearest" if nearest else ""
    figure.suptitle(f"shaded: {criterion.name}, {criterion.rule.describe()}{note}", fontsize=9)
    save_png(figure, path)


def _draw_picks(axis: Axes, column: int, picked: Sequence[Picked]) -> None:
    from matplotlib.ticker import MaxNLocator

    for place, found in enumerate(picked):
        epochs = [member.epoch for member in found.members if member.run == column]
        axis.plot(epochs, [place] * len(epochs), "s", color=colour_of(1), ms=6)
    axis.set_yticks(range(len(picked)), [found.strategy.name for found in picked])
    axis.set_ylim(len(picked) - 0.5, -0.5)
    axis.tick_params(axis="y", labelsize=8)
    axis.set_xlabel("epoch of the teacher", fontsize=9)
    axis.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axis, grid="x")
