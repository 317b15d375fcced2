"""Figures as both packages draw them: names stay as they are written. No pyplot, so no global state is touched.

Matplotlib sets what stands between two `$` as mathematics, and leaves legend entries out that begin with `_`.
Structures, classes, methods, data sets and cases are named by users, so that both print another name, or end with a
traceback.
"""

from __future__ import annotations

from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import ScalarFormatter

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
