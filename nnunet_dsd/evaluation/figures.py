"""Figures of an evaluation: contours on slices, and scores per case. No pyplot, so no global state is touched."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from numpy.typing import NDArray

from nnunet_dsd.common.drawing import FAINT, INK, ON_IMAGES, colour_of, named_legend, new_figure
from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.evaluation.axis_limits import limit_axis, value_limits
from nnunet_dsd.evaluation.many_structures import MOST_SHOWN, shown_structures
from nnunet_dsd.evaluation.results import Evaluation, Score
from nnunet_dsd.evaluation.structures import Structure

MOST_NAMED = 23
MOST_BESIDE = 4
NAME_WIDTH = 13
COLUMNS = ("image", "reference", "prediction (dotted: reference)")

_Slices = tuple[NDArray[Any], NDArray[np.integer[Any]], NDArray[np.integer[Any]], float]


@dataclass(frozen=True)
class OverlayCase:
    """One row of the overlay figure.

    Attributes:
        name: shown beside the row.
        image: intensities, shape (Z, Y, X), or (Y, X); a colour image has its three colours as a last axis.
        reference: label image of the shape without colours.
        prediction: label image of the same shape.
        spacing_mm: along the axes of the arrays.
        caption: a second line beside the row, for example the case's scores.
    """

    name: str
    image: NDArray[Any]
    reference: NDArray[np.integer[Any]]
    prediction: NDArray[np.integer[Any]]
    spacing_mm: tuple[float, ...]
    caption: str = ""


def structure_colour(index: int) -> str:
    """Return the colour of the structure with this place in the list; repeats after seven."""
    return colour_of(index, ON_IMAGES)


def overlay_figure(cases: Sequence[OverlayCase], structures: Sequence[Structure]) -> Figure:
    """Draw a row per case: a slice through the structures, the same with reference and with predicted contours.

    Raises:
        ShapeError: if there is no case, or a case's arrays differ in shape.
    """
    if not cases:
        raise ShapeError("At least one case is needed for a figure of overlays; got none.")
    figure = new_figure(9.6, 2.95 * len(cases) + 0.7)
    axes = figure.subplots(len(cases), len(COLUMNS), squeeze=False)
    slices = [_slices(case, structures) for case in cases]
    for row, case, one in zip(axes, cases, slices, strict=True):
        _draw_row(row, case, one, structures)
    for axis, title in zip(axes[0], COLUMNS, strict=True):
        axis.set_title(title, fontsize=11, color=INK)
    structure_legend(figure, structures, [labels for one in slices for labels in one[1:3]])
    return figure


def structure_legend(figure: Figure, structures: Sequence[Structure], slices: Sequence[NDArray[Any]]) -> None:
    """Name the structures and their colours below a figure; of many only those that its slices of labels show.

    Args:
        figure: with the slices.
        structures: all of them; their places are their colours.
        slices: label images that are drawn.
    """
    seen = list(range(len(structures)))
    if len(structures) > MOST_SHOWN:
        labels = np.unique(np.concatenate([np.unique(one) for one in slices]))
        seen = [index for index in seen if structures[index].mask(labels).any()]
    handles = [Line2D([], [], color=structure_colour(index), lw=2.5) for index in seen[:MOST_NAMED]]
    names = [structures[index].name for index in seen[:MOST_NAMED]]
    if len(seen) > MOST_NAMED:
        handles.append(Line2D([], [], alpha=0))
        names.append(f"and {len(seen) - MOST_NAMED} more")
    columns = max(1, min(6, len(names)))
    named_legend(figure, handles, names, loc="outside lower center", ncols=columns, frameon=False, fontsize=11)


def best_slice(reference: NDArray[np.integer[Any]], structures: Sequence[Structure]) -> int:
    """Index along the first axis of the slice that shows most of every structure of the reference.

    Each structure's area is taken relative to its largest slice; the slice whose smallest relative area is largest
    wins, and the total decides between equals. Structures absent from the case do not count.
    """
    areas = [structure.mask(reference).sum(axis=(1, 2)) for structure in structures]
    present = np.array([area / area.max() for area in areas if area.any()])
    if not present.size:
        return int(reference.shape[0] // 2)
    return int(np.argmax(present.min(axis=0) + 1e-3 * present.sum(axis=0)))


def scores_figure(evaluation: Evaluation) -> Figure:
    """Draw Dice and HD95 of every case as dots, a column per structure, with the mean as a line.

    Of many structures those of the lowest mean Dice are drawn.
    """
    evaluation = replace(evaluation, structures=shown_structures(evaluation))
    count = len(evaluation.structures)
    rows = 1 if count <= MOST_BESIDE else 2
    figure = new_figure(max(7.5, 2.0 + 1.1 * count), 3.6 * rows)
    dice_axis, distance_axis = figure.subplots(rows, 3 - rows)
    _draw_strip(dice_axis, evaluation, "dice", "{:.3f}")
    dice_axis.set_title("Dice (higher is better)", fontsize=11, color=INK)
    drawn = [score for structure in evaluation.structures for score in evaluation.of(structure.name)]
    lowest = min((score.dice for score in drawn if not math.isnan(score.dice)), default=0.0)
    dice_axis.set_ylim(min(0.7, math.floor(lowest * 10) / 10), 1.0)
    hd95 = next(measure for measure in evaluation.measures if measure.field == "hd95_mm")
    _draw_strip(distance_axis, evaluation, hd95.field, f"{{:.1f}} {hd95.unit}")
    distance_axis.set_title(f"HD95 in {hd95.unit} (lower is better)", fontsize=11, color=INK)
    limit_axis(distance_axis, "y", hd95, value_limits(hd95))
    distance_axis.set_ylim(bottom=0.0)
    return figure


def draw_slice(axis: Axes, image: NDArray[Any], *, aspect: float) -> None:
    """Draw a slice `(Y, X)` in grey, or `(Y, X, 3)` in colours, from its 1st to its 99th percentile.

    `aspect` is a pixel's height over its width. Values that are not finite are left white, in grey slices.
    """
    finite = image[np.isfinite(image)].astype(np.float64)
    low, high = np.percentile(finite, [1.0, 99.0]) if finite.size else (0.0, 1.0)
    high = max(high, low + 1e-6)
    if image.ndim == 3:
        image = np.clip((np.nan_to_num(image.astype(np.float64)) - low) / (high - low), 0.0, 1.0)
    axis.imshow(image, cmap="gray", vmin=low, vmax=high, aspect=aspect, interpolation="nearest")
    axis.set_xticks([])
    axis.set_yticks([])
    axis.spines[:].set_visible(False)


def draw_contours(
    axis: Axes, labels: NDArray[np.integer[Any]], structures: Sequence[Structure], *, dotted: bool = False
) -> None:
    """Draw the outline of every structure in a slice of labels `(Y, X)`, coloured, or dotted white."""
    for index, structure in enumerate(structures):
        mask = structure.mask(labels)
        if not mask.any():
            continue
        padded = np.pad(mask.astype(float), 1)
        across, down = np.arange(-1, mask.shape[1] + 1), np.arange(-1, mask.shape[0] + 1)
        colour, style, thickness = ("white", "dotted", 1.1) if dotted else (structure_colour(index), "solid", 2.0)
        axis.contour(across, down, padded, levels=[0.5], colors=[colour], linestyles=style, linewidths=thickness)


def _draw_row(row: NDArray[Any], case: OverlayCase, slices: _Slices, structures: Sequence[Structure]) -> None:
    image, reference, prediction, aspect = slices
    for axis in row:
        draw_slice(axis, image, aspect=aspect)
    draw_contours(row[1], reference, structures)
    draw_contours(row[2], prediction, structures)
    draw_contours(row[2], reference, structures, dotted=True)
    row[0].set_ylabel(f"{case.name}\n{case.caption}".strip(), fontsize=9, color=INK)


def _slices(case: OverlayCase, structures: Sequence[Structure]) -> _Slices:
    voxels = case.image.shape[: case.reference.ndim]
    in_grey_or_colours = case.image.shape[case.reference.ndim :] in ((), (3,))
    if not (voxels == case.reference.shape == case.prediction.shape and in_grey_or_colours):
        raise ShapeError(
            f"Image, reference and prediction of {case.name} have the shapes {case.image.shape}, "
            f"{case.reference.shape} and {case.prediction.shape}; they must be equal."
        )
    aspect = case.spacing_mm[-2] / case.spacing_mm[-1]
    if case.reference.ndim == 2:
        return case.image, case.reference, case.prediction, aspect
    index = best_slice(case.reference, structures)
    return case.image[index], case.reference[index], case.prediction[index], aspect


def _draw_strip(axis: Axes, evaluation: Evaluation, metric: str, form: str) -> None:
    for index, structure in enumerate(evaluation.structures):
        values = _defined(evaluation.of(structure.name), metric)
        if not values:
            continue
        offsets = np.linspace(-0.18, 0.18, len(values)) if len(values) > 1 else np.zeros(1)
        axis.scatter(
            index + offsets,
            values,
            s=34,
            color=structure_colour(index),
            edgecolor="white",
            lw=0.7,
            zorder=3,
            clip_on=False,
        )
        mean = float(np.mean(values))
        axis.hlines(mean, index - 0.3, index + 0.3, color=INK, lw=1.6, zorder=4)
        axis.annotate(form.format(mean), (index + 0.32, mean), va="center", fontsize=9, color=INK)
    names = ["\n".join(textwrap.wrap(structure.name, NAME_WIDTH)) for structure in evaluation.structures]
    axis.set_xticks(range(len(names)), names)
    axis.set_xlim(-0.5, len(names) - 0.2)
    axis.grid(axis="y", color=FAINT, lw=0.5, alpha=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _defined(scores: Sequence[Score], metric: str) -> list[float]:
    values = [float(getattr(score, metric)) for score in scores]
    return [value for value in values if not math.isnan(value)]
