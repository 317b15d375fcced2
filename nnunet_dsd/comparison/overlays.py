"""Cases to look at: contours of reference, baseline and method on a slice, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import new_figure
from nnunet_dsd.comparison.case_choice import ShownCase
from nnunet_dsd.comparison.drawn_predictions import require_evaluated_images
from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.comparison.panels import wrapped
from nnunet_dsd.errors import ShapeError
from nnunet_dsd.evaluation.figures import INK, best_slice, colour_of, structure_legend
from nnunet_dsd.evaluation.images import read_labels, read_volume
from nnunet_dsd.evaluation.measures import find_measure
from nnunet_dsd.evaluation.structures import Structure

LabelSlice = NDArray[np.integer[Any]]


def contour_figure(
    shown: Sequence[ShownCase], structures: Sequence[Structure], files: ImageFiles, *, baseline: str, method: str
) -> Figure:
    """Draw a row per case: the image, then the contours of reference, baseline and method.

    The slice is the one that shows most of the reference's structures; it does not depend on any prediction.

    Raises:
        DataError: if an image is missing, or a prediction is not the one that was evaluated.
        ShapeError: if an image has other axes than its reference, such as a colour image.
    """
    require_evaluated_images(shown, structures, files)
    figure = new_figure(11.2, 2.9 * len(shown) + 0.8)
    grid = figure.subplots(len(shown), 4, squeeze=False)
    for row, case in zip(grid, shown, strict=True):
        _draw_case(row, case, _read_slices(case, structures, files), structures)
    for axis, title in zip(grid[0], ("image", "reference", baseline, method), strict=True):
        axis.set_title(wrapped(title, 28), fontsize=11, color=INK)
    structure_legend(figure, structures)
    return figure


@dataclass(frozen=True)
class _Slices:
    """One slice of a case; aspect is the height of a pixel by its width."""

    image: NDArray[Any]
    reference: LabelSlice
    predictions: tuple[LabelSlice, LabelSlice]
    aspect: float


def _read_slices(case: ShownCase, structures: Sequence[Structure], files: ImageFiles) -> _Slices:
    name = f"{case.case}{files.file_ending}"
    image = read_volume(files.images / f"{case.case}_0000{files.file_ending}")
    reference = read_labels(files.references / name)
    before, after = read_labels(case.baseline.folder / name), read_labels(case.method.folder / name)
    if image.array.shape != reference.array.shape:
        raise ShapeError(
            f"{image.path} has the shape {image.array.shape} and its reference {reference.array.shape}; they must be "
            "equal. Leave `images` out of the list of runs to compare without pictures."
        )
    spacing = reference.geometry.array_spacing_mm
    place = best_slice(reference.array, structures) if reference.array.ndim == 3 else ...
    return _Slices(
        image=image.array[place],
        reference=reference.array[place],
        predictions=(before.array[place], after.array[place]),
        aspect=spacing[-2] / spacing[-1],
    )


def _draw_case(row: NDArray[Any], case: ShownCase, slices: _Slices, structures: Sequence[Structure]) -> None:
    low, high = np.percentile(slices.image, [1.0, 99.0])
    for axis in row:
        axis.imshow(slices.image, cmap="gray", vmin=low, vmax=max(high, low + 1e-6), aspect=slices.aspect)
        axis.set_xticks([])
        axis.set_yticks([])
        axis.spines[:].set_visible(False)
    dice = format_of(find_measure("dice"))
    _draw_contours(row[1], slices.reference, structures)
    for axis, labels, prediction in zip(row[2:], slices.predictions, (case.baseline, case.method), strict=True):
        _draw_contours(axis, labels, structures)
        _draw_contours(axis, slices.reference, structures, dotted=True)
        axis.set_xlabel(f"mean Dice {dice.value(prediction.dice)} %", fontsize=9, color=INK)
    gain = f"{dice.value(case.gain, signed=True)} points"
    row[0].set_ylabel(f"{case.kind}: {gain}\n{wrapped(case.case, 28)}", fontsize=9, color=INK)


def _draw_contours(axis: Axes, labels: LabelSlice, structures: Sequence[Structure], *, dotted: bool = False) -> None:
    for place, structure in enumerate(structures):
        mask = structure.mask(labels)
        if mask.any():
            padded = np.pad(mask.astype(float), 1)  # so that contours close at the image's border
            across, down = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
            colour, style, width = ("white", "dotted", 1.0) if dotted else (colour_of(place), "solid", 1.8)
            axis.contour(across, down, padded, levels=[0.5], colors=[colour], linestyles=style, linewidths=width)
