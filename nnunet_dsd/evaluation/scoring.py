"""Evaluation of one case from its arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import ShapeError
from nnunet_dsd.evaluation.cropping import common_box, label_boxes
from nnunet_dsd.evaluation.distances import surface_distances
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
    ignore_label: int | None = None,
    settings: EvaluationSettings = DEFAULT,
) -> tuple[Score, ...]:
    """Evaluate every structure of one case, each within the box that holds it.

    Args:
        prediction: label image of shape (Z, Y, X), or (Y, X).
        reference: label image of the same shape.
        structures: what to evaluate.
        spacing_mm: along the axes of the arrays.
        case: name of the case.
        ignore_label: voxels with this value in the reference belong to no structure, in prediction and reference.
        settings: of the evaluation.

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    if prediction.shape != reference.shape:
        raise ShapeError(f"Label images of one shape are compared; got {prediction.shape} and {reference.shape}.")
    boxes = label_boxes(prediction), label_boxes(reference)
    scores = []
    for structure in structures:
        box = common_box(structure, boxes, prediction.ndim)
        predicted, expected = structure.mask(prediction[box]), structure.mask(reference[box])
        if ignore_label is not None:
            considered = reference[box] != ignore_label
            predicted, expected = predicted & considered, expected & considered
        scores.append(
            evaluate_masks(
                predicted, expected, spacing_mm=spacing_mm, case=case, structure=structure.name, settings=settings
            )
        )
    return tuple(scores)


def evaluate_masks(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    case: str,
    structure: str,
    settings: EvaluationSettings = DEFAULT,
) -> Score:
    """Evaluate one structure from its two masks of shape (Z, Y, X), or (Y, X).

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    distances = surface_distances(prediction, reference, spacing_mm=spacing_mm)
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
        prediction_ml=volume_ml(sizes[0], spacing_mm),
        reference_ml=volume_ml(sizes[1], spacing_mm),
        prediction_voxels=sizes[0],
        reference_voxels=sizes[1],
    )
