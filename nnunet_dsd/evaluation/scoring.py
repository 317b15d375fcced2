"""Evaluation of one case from its arrays."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.evaluation.cropping import common_box, label_boxes
from nnunet_dsd.evaluation.distances import require_one_shape, surface_distances
from nnunet_dsd.evaluation.overlap import dice, relative_volume_difference, volume_ml
from nnunet_dsd.evaluation.results import Score
from nnunet_dsd.evaluation.settings import EvaluationSettings
from nnunet_dsd.evaluation.structures import Structure

DEFAULT = EvaluationSettings()


def evaluate_arrays(
    prediction: NDArray[np.integer[Any]],
    reference: NDArray[np.integer[Any]],
    structures: Sequence[Structure],
    *,
    spacing_mm: Sequence[float],
    case: str,
    is_physical: bool = True,
    ignore_label: int | None = None,
    settings: EvaluationSettings = DEFAULT,
) -> tuple[Score, ...]:
    """Evaluate every structure of one case, each within the box that holds it.

    Along an axis of one voxel there is no distance to measure, and every voxel would be at the border: an image of
    shape (1, Y, X) has the surfaces and distances of one of shape (Y, X), and unlike that one a volume.

    Args:
        prediction: label image of shape (Z, Y, X), or (Y, X); values from 0 on, memory grows with the largest.
        reference: label image of the same shape.
        structures: what to evaluate.
        spacing_mm: along the axes of the arrays.
        case: name of the case.
        is_physical: whether the spacing is one in mm; otherwise it is in voxels, and there are no volumes in ml.
        ignore_label: voxels with this value in the reference belong to no structure, in prediction and reference.
        settings: of the evaluation.

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    if prediction.shape != reference.shape:
        raise ShapeError(f"Label images of one shape are compared; got {prediction.shape} and {reference.shape}.")
    boxes = label_boxes(prediction), label_boxes(reference)
    axes = extended_axes(prediction.shape)
    scores = []
    for structure in structures:
        box = common_box(structure, boxes, prediction.ndim)
        predicted, expected = _masks(structure, prediction[box], reference[box], ignore_label)
        scores.append(
            evaluate_masks(
                predicted,
                expected,
                spacing_mm=spacing_mm,
                case=case,
                structure=structure.name,
                axes=axes,
                is_physical=is_physical,
                settings=settings,
            )
        )
    return tuple(scores)


def _masks(
    structure: Structure,
    prediction: NDArray[np.integer[Any]],
    reference: NDArray[np.integer[Any]],
    ignore_label: int | None,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return a structure's masks in prediction and reference, without the voxels that the reference ignores."""
    predicted, expected = structure.mask(prediction), structure.mask(reference)
    if ignore_label is None:
        return predicted, expected
    considered = reference != ignore_label
    return predicted & considered, expected & considered


def evaluate_masks(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    case: str,
    structure: str,
    axes: Sequence[int] | None = None,
    is_physical: bool = True,
    settings: EvaluationSettings = DEFAULT,
) -> Score:
    """Evaluate one structure from its two masks.

    Args:
        prediction: mask of shape (Z, Y, X), or (Y, X).
        reference: mask of the same shape.
        spacing_mm: along the axes of the masks.
        case: name of the case.
        structure: name of the structure.
        axes: along which the image has more than one voxel; None: all. Surfaces and distances are those along them.
        is_physical: whether the spacing is one in mm; otherwise it is in voxels, and there are no volumes in ml.
        settings: of the evaluation.

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    require_one_shape(prediction, reference, spacing_mm)
    axes = range(prediction.ndim) if axes is None else axes
    spacing = [spacing_mm[axis] for axis in axes]
    distances = surface_distances(_along(axes, prediction), _along(axes, reference), spacing_mm=spacing)
    sizes = int(np.count_nonzero(prediction)), int(np.count_nonzero(reference))
    difference = relative_volume_difference(*sizes)
    agree = settings.both_empty == "one" and not any(sizes)
    return Score(
        case=case,
        structure=structure,
        dice=1.0 if agree else dice(prediction, reference),
        hd95_mm=distances.hausdorff_mm(),
        asd_mm=distances.average_mm(),
        surface_dice=1.0 if agree else distances.surface_dice(settings.surface_tolerance_mm),
        rvd=difference,
        abs_rvd=abs(difference),
        prediction_ml=volume_ml(sizes[0], spacing_mm) if is_physical else math.nan,
        reference_ml=volume_ml(sizes[1], spacing_mm) if is_physical else math.nan,
        prediction_voxels=sizes[0],
        reference_voxels=sizes[1],
    )


def extended_axes(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes with more than one voxel; the last one where there is none."""
    return tuple(axis for axis, length in enumerate(shape) if length > 1) or (len(shape) - 1,)


def _along(axes: Sequence[int], mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    return mask.reshape([mask.shape[axis] for axis in axes])
