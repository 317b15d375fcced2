"""Cases to look at: contours of reference, baseline and method on a slice, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import INK, new_figure
from nnunet_dsd.comparison.case_choice import ShownCase
from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.comparison.panels import wrapped
from nnunet_dsd.evaluation.figures import best_slice, draw_contours, draw_slice, structure_legend
from nnunet_dsd.evaluation.images import read_picture_on
from nnunet_dsd.evaluation.measures import find_measure
from nnunet_dsd.evaluation.structures import Structure

LabelSlice = NDArray[np.integer[Any]]


def contour_figure(
    shown: Sequence[ShownCase], structures: Sequence[Structure], files: ImageFiles, *, baseline: str, method: str
) -> Figure:
    """Draw a row per case: the image, then the contours of reference, baseline and method.

    The slice is the one that shows most of the reference's structures; it does not depend on any prediction.

    Raises:
        DataError: if an image is missing or cannot be read.
        ShapeError: if an image has other voxels than its reference.
    """
    figure = new_figure(11.2, 2.9 * len(shown) + 0.8)
    grid = figure.subplots(len(shown), 4, squeeze=False)
    slices = [_read_slices(case, structures, files) for case in shown]
    for row, case, one in zip(grid, shown, slices, strict=True):
        _draw_case(row, case, one, structures)
    for axis, title in zip(grid[0], ("image", "reference", baseline, method), strict=True):
        axis.set_title(wrapped(title, 28), fontsize=11, color=INK)
    structure_legend(figure, structures, [labels for one in slices for labels in (one.reference, *one.predictions)])
    return figure


@dataclass(frozen=True)
class _Slices:
    """One slice of a case: the image is grey (Y, X), or in colours (Y, X, 3); aspect is a pixel's height by width."""

    image: NDArray[Any]
    reference: LabelSlice
    predictions: tuple[LabelSlice, LabelSlice]
    aspect: float


def _read_slices(case: ShownCase, structures: Sequence[Structure], files: ImageFiles) -> _Slices:
    folders = (files.references, case.baseline.folder, case.method.folder)
    reference, before, after = (files.read(each, case.case) for each in folders)
    picture = read_picture_on(reference, files.labels.image_path(files.images, case.case), files.labels.reader)
    spacing = reference.geometry.array_spacing_mm
    place = best_slice(reference.array, structures) if reference.array.ndim == 3 else ...
    return _Slices(
        image=picture[place],
        reference=reference.array[place],
        predictions=(before.array[place], after.array[place]),
        aspect=spacing[-2] / spacing[-1],
    )


def _draw_case(row: NDArray[Any], case: ShownCase, slices: _Slices, structures: Sequence[Structure]) -> None:
    for axis in row:
        draw_slice(axis, slices.image, aspect=slices.aspect)
    dice = format_of(find_measure("dice"))
    draw_contours(row[1], slices.reference, structures)
    for axis, labels, prediction in zip(row[2:], slices.predictions, (case.baseline, case.method), strict=True):
        draw_contours(axis, labels, structures)
        draw_contours(axis, slices.reference, structures, dotted=True)
        axis.set_xlabel(f"mean Dice {dice.value(prediction.dice)} %", fontsize=9, color=INK)
    gain = f"{dice.value(case.gain, signed=True)} points"
    row[0].set_ylabel(f"{case.kind}: {gain}\n{wrapped(case.case, 28)}", fontsize=9, color=INK)
