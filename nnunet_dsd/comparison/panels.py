"""What the figures of a comparison share: a grid of panels, their look, and their files."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from nnunet_dsd.common.drawing import FAINT, INK, new_figure, save_png

BETTER, WORSE, NEUTRAL = "#0072B2", "#D55E00", "#8A8A8A"
PANELS_PER_ROW = 4
SIGNS_PER_INCH = 12
PAPER_ENDINGS = (".svg", ".pdf")


def wrapped(name: str, width: int) -> str:
    """Break a long name into lines."""
    return "\n".join(textwrap.wrap(name, width, break_on_hyphens=True)) or name


def method_panels(columns: Sequence[str], methods: Sequence[str]) -> tuple[Figure, list[Axes]]:
    """Make a panel per column, at most four beside each other, with a line per method from top to bottom.

    Args:
        columns: titles of the panels.
        methods: names of the lines, written at the left of each row of panels.
    """
    across = min(PANELS_PER_ROW, len(columns))
    down = math.ceil(len(columns) / across)
    labels = [wrapped(method, 26) for method in methods]
    lines = sum(label.count("\n") + 1 for label in labels)
    size = (1.9 + 2.45 * across, down * (0.85 + 0.27 * max(lines, 2)) + 0.3)
    layout = ConstrainedLayoutEngine(w_pad=0.1)  # tick labels of neighbours stay apart
    figure = new_figure(*size, layout=layout)
    grid = figure.subplots(down, across, squeeze=False)
    axes = list(grid.flat)
    for spare in axes[len(columns) :]:
        spare.remove()
    for place, (axis, column) in enumerate(zip(axes, columns, strict=False)):
        axis.set_title(wrapped(column, 30), fontsize=10, color=INK)
        axis.set_yticks(range(len(methods)), labels if place % across == 0 else [])
        axis.set_ylim(len(methods) - 0.5, -0.5)
        axis.tick_params(labelsize=9)
        axis.tick_params(axis="y", length=0)
        axis.grid(axis="x", color=FAINT, lw=0.5, alpha=0.6)
        axis.spines[["top", "right", "left"]].set_visible(False)
        axis.locator_params(axis="x", nbins=5)
    return figure, axes[: len(columns)]


def label_below(figure: Figure, text: str) -> None:
    """Write what the axes show below all panels, in as many lines as the figure's width asks for."""
    signs = int(figure.get_size_inches()[0] * SIGNS_PER_INCH)
    figure.supxlabel(wrapped(text, signs), fontsize=9.5, color=INK)


def say_no_value(axis: Axes) -> None:
    """Write into a panel that it has no value."""
    axis.text(0.5, 0.5, "no value", transform=axis.transAxes, ha="center", va="center", fontsize=9, color=INK)


def save_figure(figure: Figure, folder: Path, name: str) -> None:
    """Write a figure as PNG, and as SVG and PDF for papers; without dates, so that the same figure is the same file.

    The PNG's layout stays: to lay a figure out costs as much as to draw it.
    """
    save_png(figure, folder / f"{name}.png", dpi=160)
    with matplotlib.rc_context({"figure.autolayout": False, "figure.constrained_layout.use": False}):
        figure.set_layout_engine(None)
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with matplotlib.rc_context({"pdf.fonttype": 42, "svg.hashsalt": name}):
        for ending in PAPER_ENDINGS:
            figure.savefig(folder / f"{name}{ending}", metadata=dates[ending], dpi=300)
