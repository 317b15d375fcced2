"""The figure of a case: a row per model; image, heat at every level, prediction."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from numpy.typing import NDArray

from nnunet_dsd.attribution.looking import LookedCase, Sight
from nnunet_dsd.attribution.patch import model_spacing_mm
from nnunet_dsd.attribution.table import heat_inside, heat_note
from nnunet_dsd.common.drawing import INK, new_figure
from nnunet_dsd.evaluation.figures import draw_contours, draw_slice
from nnunet_dsd.evaluation.structures import Structure

# Of even steps in brightness, so that it reads with any colour vision and in grey.
COLOURS = "inferno"
STRONGEST = 0.85
SCALE = "Grad-CAM, as a fraction of the map's largest value in the patch"
NAME_WIDTH, NOTE_WIDTH = 26, 24


def heat_figure(case: LookedCase, structure: Structure, levels: Sequence[str]) -> Figure:
    """Draw the slice through the centre of every model's patch.

    Args:
        case: What was seen.
        structure: What was looked for.
        levels: As asked for; the titles of the columns.
    """
    columns = 2 + len(levels)
    figure = new_figure(2.7 * columns + 0.9, 2.8 * len(case.sights) + 1.0)
    grid = figure.subplots(len(case.sights), columns, squeeze=False)
    for row, sight in zip(grid, case.sights, strict=True):
        _draw_row(row, case, sight, structure)
    has_reference = case.sights[0].reference is not None
    titles = ["image and reference" if has_reference else "image", *levels, "prediction"]
    if has_reference:
        titles[-1] += " (dotted: reference)"
    for axis, title in zip(grid[0], titles, strict=True):
        axis.set_title("\n".join(textwrap.wrap(title, NAME_WIDTH)), fontsize=10, color=INK)
    figure.suptitle(
        f"{case.name}: Grad-CAM of {structure.name}, patches around the {case.centred_on}", fontsize=11, color=INK
    )
    bar = figure.colorbar(ScalarMappable(cmap=COLOURS), ax=grid, location="right", shrink=0.8, aspect=30)
    bar.set_label("\n".join(textwrap.wrap(SCALE, 40)), fontsize=9, color=INK)
    return figure


def _draw_row(row: NDArray[Any], case: LookedCase, sight: Sight, structure: Structure) -> None:
    index = sight.patch.slice_through(case.centre)
    spacing = model_spacing_mm(sight.patch.prepared, case.geometry)
    one = [Structure(structure.name, (1,))]
    for axis in row:
        draw_slice(axis, sight.image[index], aspect=spacing[1] / spacing[2])
    reference = None if sight.reference is None else sight.reference[index].astype(np.uint8)
    if reference is not None:
        draw_contours(row[0], reference, one)
    for level, axis in enumerate(row[1:-1]):
        _draw_heat(axis, sight, level, index)
        if reference is not None:
            draw_contours(axis, reference, one, dotted=True)
    draw_contours(row[-1], sight.heat.predicted[index].astype(np.uint8), one)
    if reference is not None:
        draw_contours(row[-1], reference, one, dotted=True)
    row[-1].set_xlabel(f"{int(sight.heat.predicted.sum())} voxels in the patch", fontsize=9, color=INK)
    row[0].set_ylabel("\n".join(textwrap.wrap(sight.name, NAME_WIDTH)), fontsize=9, color=INK)


def _draw_heat(axis: Axes, sight: Sight, level: int, index: int) -> None:
    axis.set_xlabel(f"{sight.modules[level]}\n{_shares(sight, level, index)}", fontsize=9, color=INK)
    if note := heat_note(sight, level):
        text = "\n".join(textwrap.wrap(note, NOTE_WIDTH))
        box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85}
        axis.text(0.5, 0.5, text, transform=axis.transAxes, ha="center", va="center", fontsize=9, color=INK, bbox=box)
    elif sight.heat.maps is not None:
        heat = sight.heat.maps[level]
        shown = heat[index] / heat.max()
        opacity = STRONGEST * np.sqrt(shown)
        aspect = axis.get_aspect()
        axis.imshow(shown, cmap=COLOURS, vmin=0.0, vmax=1.0, alpha=opacity, aspect=aspect, interpolation="nearest")


def _shares(sight: Sight, level: int, index: int) -> str:
    """Say how much of the heat lies in the reference, and in the slice that is shown."""
    if sight.heat.maps is None or heat_note(sight, level):
        return ""
    heat = sight.heat.maps[level]
    in_slice = np.zeros(heat.shape, bool)
    in_slice[index] = True
    shares = {"in the reference": heat_inside(heat, sight.reference)}
    if len(heat) > 1:
        shares["in this slice"] = heat_inside(heat, in_slice)
    return "\n".join(
        f"{100 * share:.0f} % of the heat {where}" for where, share in shares.items() if not math.isnan(share)
    )
