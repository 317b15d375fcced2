"""Colours and small helpers that the figures share. No pyplot, so no global state is touched."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without black and yellow: told apart with any colour vision, and visible on white.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
REFERENCE, OTHER = "#009E73", "#D55E00"
INK, FAINT = "#222222", "#B8B8B8"


def new_figure(width: float, height: float) -> Figure:
    """Return an empty white figure; width and height in inches."""
    from nnunet_dsd.common import drawing  # slow to import, as it loads matplotlib

    return drawing.new_figure(width, height)


def tidy(axis: Axes, *, grid: Literal["x", "y"] = "y") -> None:
    """Take away the frame's upper and right side and draw a faint grid along one axis."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color=FAINT, lw=0.5, alpha=0.6)
    axis.set_axisbelow(True)


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, whole or not at all."""
    from nnunet_dsd.common import drawing

    drawing.save_png(figure, path)


def named_legend(axis: Axes, handles: Sequence[Any], names: Sequence[str], **options: Any) -> None:
    """Draw a legend that holds every name, those too that begin with `_`; options are those of matplotlib's."""
    from nnunet_dsd.common import drawing

    drawing.named_legend(axis, handles, names, **options)


def colour_of(index: int) -> str:
    """Return the colour of the configuration with this place in the list; repeats after six."""
    return PALETTE[index % len(PALETTE)]
