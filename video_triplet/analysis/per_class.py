"""Average precision of each class as bars."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import INK, PALETTE, new_figure, save_png, tidy
from nnunet_dsd.common.errors import DataError


def order_classes(classes: tuple[str, ...], class_ap: NDArray[np.float64]) -> tuple[tuple[str, ...], list[float]]:
    """Return names and AP from the highest to the lowest; absent classes (NaN) are left out, ties keep their order."""
    known = [index for index in np.argsort(-class_ap, kind="stable").tolist() if not np.isnan(class_ap[index])]
    return tuple(classes[index] for index in known), [float(class_ap[index]) for index in known]


def draw_per_class(classes: tuple[str, ...], class_ap: NDArray[np.float64], title: str, path: Path) -> None:
    """Write a figure of the AP in percent of every class that occurs, highest first.

    Raises:
        DataError: if no class occurs.
    """
    names, values = order_classes(classes, class_ap)
    if not names:
        raise DataError("no class occurs in these videos, so there is nothing to draw")
    figure = new_figure(7.5, 1.2 + 0.17 * len(names))
    axis = figure.subplots()
    axis.barh(names, [100 * value for value in values], color=PALETTE[0], height=0.75)
    for place, value in enumerate(values):
        axis.annotate(
            f"{100 * value:.1f}", (100 * value, place), (3, 0), textcoords="offset points", va="center", fontsize=7
        )
    axis.invert_yaxis()
    axis.margins(y=0.01)
    axis.set_xlim(0, 108)
    axis.tick_params(axis="y", labelsize=8)
    axis.set_xlabel("average precision (%)", color=INK)
    axis.set_title(title, fontsize=11, color=INK)
    tidy(axis, grid="x")
    save_png(figure, path)
