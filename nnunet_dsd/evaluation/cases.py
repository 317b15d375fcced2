"""Evaluation of a folder of predictions against a folder of references, case by case."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.distances import surface_distances
from nnunet_dsd.evaluation.images import read_labels, require_equal_geometry
from nnunet_dsd.evaluation.overlap import dice, relative_volume_difference, volume_ml
from nnunet_dsd.evaluation.results import SURFACE_TOLERANCE_MM, BothEmpty, Evaluation, Score
from nnunet_dsd.evaluation.structures import LabelSet, Structure


def evaluate_folders(predictions: Path, references: Path, label_set: LabelSet) -> Evaluation:
    """Evaluate every reference's prediction; predictions without a reference are left aside.

    Args:
        predictions: folder with label images named like their references, as `nnUNetv2_predict` writes them.
        references: folder with reference label images, for example `labelsTs`.
        label_set: what to evaluate and how the files end.

    Raises:
        DataError: if a folder holds no reference, predictions are missing (all are listed), or a geometry differs.
    """
    cases = paired_cases(predictions, references, label_set.file_ending)
    scores: list[Score] = []
    for case in cases:
        name = f"{case}{label_set.file_ending}"
        scores.extend(evaluate_files(predictions / name, references / name, label_set, case=case))
    return Evaluation(label_set.structures, tuple(scores))


def paired_cases(predictions: Path, references: Path, file_ending: str) -> tuple[str, ...]:
    """Names of the cases that have a reference, sorted; every one must have a prediction."""
    found = references.glob(f"*{file_ending}") if references.is_dir() else ()
    names = sorted(path.name for path in found if not path.name.startswith("."))
    if not names:
        raise DataError(f"{references} holds no reference ending in {file_ending}; give the folder with the labels.")
    missing = [name for name in names if not (predictions / name).is_file()]
    if missing:
        listed = "\n".join(f"  - {name}" for name in missing)
        raise DataError(
            f"{len(missing)} of {len(names)} references in {references} have no prediction in {predictions}:\n"
            f"{listed}\n"
            "Predict these cases, or evaluate against a folder with the references of the predicted cases only."
        )
    return tuple(name[: -len(file_ending)] for name in names)


def evaluate_files(prediction: Path, reference: Path, label_set: LabelSet, *, case: str) -> tuple[Score, ...]:
    """Evaluate one case from its two label images.

    Raises:
        DataError: if a file cannot be read or the two do not lie on the same voxels.
    """
    predicted, expected = read_labels(prediction), read_labels(reference)
    require_equal_geometry(predicted, expected)
    return evaluate_arrays(
        predicted.array,
        expected.array,
        label_set.structures,
        spacing_mm=expected.geometry.array_spacing_mm,
        case=case,
        ignore_label=label_set.ignore_label,
    )


def evaluate_arrays(
    prediction: NDArray[np.integer[Any]],
    reference: NDArray[np.integer[Any]],
    structures: Sequence[Structure],
    *,
    spacing_mm: Sequence[float],
    case: str,
    ignore_label: int | None = None,
    surface_tolerance_mm: float = SURFACE_TOLERANCE_MM,
    both_empty: BothEmpty = "nan",
) -> tuple[Score, ...]:
    """Evaluate every structure of one case.

    Args:
        prediction: label image of shape (Z, Y, X), or (Y, X).
        reference: label image of the same shape.
        structures: what to evaluate.
        spacing_mm: along the axes of the arrays.
        case: name of the case.
        ignore_label: voxels with this value in the reference belong to no structure, in prediction and reference.
        surface_tolerance_mm: of the surface Dice.
        both_empty: what Dice and surface Dice are for a structure that is absent in both.
    """
    considered = np.ones(reference.shape, dtype=bool) if ignore_label is None else reference != ignore_label
    scores = []
    for structure in structures:
        predicted, expected = structure.mask(prediction) & considered, structure.mask(reference) & considered
        sizes = int(np.count_nonzero(predicted)), int(np.count_nonzero(expected))
        distances = surface_distances(predicted, expected, spacing_mm=spacing_mm)
        difference = relative_volume_difference(*sizes)
        agree = both_empty == "one" and not any(sizes)
        scores.append(
            Score(
                case=case,
                structure=structure.name,
                dice=1.0 if agree else dice(predicted, expected),
                hd95_mm=distances.hausdorff_mm(),
                asd_mm=distances.average_mm(),
                surface_dice=1.0 if agree else distances.surface_dice(surface_tolerance_mm),
                rvd=difference,
                abs_rvd=abs(difference),
                prediction_ml=volume_ml(sizes[0], spacing_mm),
                reference_ml=volume_ml(sizes[1], spacing_mm),
                prediction_voxels=sizes[0],
                reference_voxels=sizes[1],
            )
        )
    return tuple(scores)
