"""Colours and helpers that the figures of both packages share; matplotlib is loaded when a figure is made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from nnunet_dsd.common.files import whole_file

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

# Okabe and Ito's palette without black, told apart with any colour vision: visible on images, and on white.
ON_IMAGES = ("#E69F00", "#56B4E9", "#CC79A7", "#009E73", "#F0E442", "#D55E00", "#0072B2")
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")
REFERENCE, OTHER = "#009E73", "#D55E00"
INK, FAINT = "#222222", "#B8B8B8"


def colour_of(index: int, palette: Sequence[str] = PALETTE) -> str:
    """Return the colour of what has this place in a list; repeats after the last."""
    return palette[index % len(palette)]


def new_figure(width: float, height: float, *, layout: Any = "constrained") -> Figure:
    """Return an empty white figure whose texts are drawn as they are written.

    Args:
        width: in inches.
        height: in inches.
        layout: the name of a layout engine of matplotlib's, or such an engine.
    """
    from nnunet_dsd.common.plain_figures import PlainFigure

    return PlainFigure(figsize=(width, height), layout=layout, facecolor="white")


def tidy(axis: Axes, *, grid: Literal["x", "y"] = "y") -> None:
    """Take away the frame's upper and right side and draw a faint grid along one axis."""
    axis.spines[["top", "right"]].set_visible(False)
    axis.grid(axis=grid, color=FAINT, lw=0.5, alpha=0.6)
    axis.set_axisbelow(True)


def named_legend(target: Axes | Figure, handles: Sequence[Any], names: Sequence[str], **options: Any) -> Legend:
    """Draw a legend that holds every name, those too that begin with `_`.

    Args:
        target: axes or figure to draw it in.
        handles: what is explained.
        names: of the handles, in their order.
        options: of matplotlib's `legend`.
    """
    legend = target.legend(handles, [str(place) for place in range(len(names))], **options)
    for text, name in zip(legend.get_texts(), names, strict=True):
        text.set_text(name)
    return legend


def save_png(figure: Figure, path: Path, *, dpi: int = 130) -> None:
    """Write a figure as PNG, whole or not at all."""
    with whole_file(path) as temporary:
        figure.savefig(temporary, format="png", dpi=dpi)
