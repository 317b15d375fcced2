"""Figures as both packages draw them: names stay as they are written. No pyplot, so no global state is touched.

Matplotlib sets what stands between two `$` as mathematics, and leaves legend entries out that begin with `_`.
Structures, classes, methods, data sets and cases are named by users, so that both print another name, or end with a
traceback.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Text
from matplotlib.ticker import ScalarFormatter

from nnunet_dsd.files import whole_file

PLAIN = {"text.parse_math": False, "text.usetex": False}


class PlainFigure(Figure):
    """A figure whose texts are drawn sign by sign, those too that matplotlib makes only while it draws.

    Labels of logarithmic axes are mathematics by default; such an axis needs a formatter of its own.
    """

    def draw(self, renderer: Any) -> None:
        """Draw everything, and no text as mathematics."""
        for axes in self.axes:
            for axis in (axes.xaxis, axes.yaxis):
                if isinstance(formatter := axis.get_major_formatter(), ScalarFormatter):
                    formatter.set_useMathText(False)
                    if hasattr(formatter, "set_usetex"):  # since matplotlib 3.10
                        formatter.set_usetex(False)
        with rc_context(PLAIN):
            for text in self.findobj(Text):
                text.set_parse_math(False)
                text.set_usetex(False)
            super().draw(renderer)


def new_figure(width: float, height: float, *, layout: Any = "constrained") -> Figure:
    """Return an empty white figure.

    Args:
        width: in inches.
        height: in inches.
        layout: the name of a layout engine of matplotlib's, or such an engine.
    """
    return PlainFigure(figsize=(width, height), layout=layout, facecolor="white")


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
