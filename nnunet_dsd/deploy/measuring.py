"""How far a graph in fewer bits moves label maps and scores from the same graph in float32."""

from __future__ import annotations

import io
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK

from nnunet_dsd.common.counting import some
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.deploy.runtime.command import predict_folder
from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.deploy.runtime.images import Case
from nnunet_dsd.deploy.runtime.predictor import Predictor
from nnunet_dsd.evaluation.cases import evaluate_folders
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import read_label_set

MEASURES = ("dice", "hd95_mm")


def predicted(folder: Path, cases: list[Case], output: Path) -> float:
    """Predict cases with the model of a folder; returns the seconds that a case took.

    Raises:
        DataError: if a case fails.
    """
    output.mkdir()
    predictor = Predictor(folder)
    start = time.perf_counter()
    if failed := predict_folder(predictor, cases, output, io.StringIO()):
        raise DataError(f"calibration images cannot be predicted: {'; '.join(failed.values())}")
    return (time.perf_counter() - start) / len(cases)


def agreement(exact: Path, moved: Path, ending: str) -> dict[str, float]:
    """Return how alike two folders of label maps are: the share of equal voxels, and the mean Dice of structures.

    Args:
        exact: Label maps of the graph in float32.
        moved: Of the other.
        ending: Of both.
    """
    equal = voxels = 0
    dice = []
    for path in sorted(exact.glob(f"*{ending}")):
        maps = (SimpleITK.ReadImage(str(place)) for place in (path, moved / path.name))
        one, other = (SimpleITK.GetArrayFromImage(labels) for labels in maps)
        equal, voxels = equal + int((one == other).sum()), voxels + one.size
        for label in np.union1d(np.unique(one), np.unique(other)):
            if label > 0:
                both = np.logical_and(one == label, other == label).sum()
                dice.append(2 * both / ((one == label).sum() + (other == label).sum()))
    return {"equal_voxels": equal / voxels, "dice_with_f32": float(np.mean(dice)) if dice else 1.0}


def scores(
    predictions: Path, references: Path, dataset_json: Mapping[str, Any], scratch: Path
) -> dict[str, float | None]:
    """Return mean Dice and HD95 over cases and structures of a folder of label maps.

    Args:
        predictions: The label maps.
        references: Theirs; more are left aside.
        dataset_json: nnU-Net's description of the labels.
        scratch: Folder for it.

    Raises:
        DataError: if a reference is missing, or does not fit.
    """
    described = scratch / "dataset.json"
    write_json(described, dict(dataset_json))
    evaluation = evaluate_folders(predictions, references, read_label_set(described), allow_missing=True)
    return {measure: _mean(evaluation, measure) for measure in MEASURES}


def _mean(evaluation: Evaluation, measure: str) -> float | None:
    means = [evaluation.summary(one.name, measure).mean for one in evaluation.structures]
    known = [value for value in means if value is not None and np.isfinite(value)]
    return float(np.mean(known)) if known else None


def measured(
    asked_labels: Path | None,
    cases: list[Case],
    description: Description,
    folders: tuple[Path, Path],
    dataset_json: Mapping[str, Any],
    scratch: Path,
) -> dict[str, Any]:
    """Return what is measured of a graph in fewer bits, for its description.

    Args:
        asked_labels: References of the images; None: label maps alone are compared.
        cases: The images.
        description: Of the model.
        folders: Of the model in float32, and in fewer bits.
        dataset_json: Of the labels.
        scratch: Folder for predictions.
    """
    outputs = scratch / "exact", scratch / "moved"
    seconds = [predicted(folder, cases, output) for folder, output in zip(folders, outputs, strict=True)]
    found: dict[str, Any] = {"cases": len(cases), **agreement(*outputs, description.file_ending)}
    found["seconds_a_case"] = {"f32": round(seconds[0], 3), description.precision: round(seconds[1], 3)}
    if asked_labels is not None:
        for name, output in zip(("f32", description.precision), outputs, strict=True):
            found[name] = scores(output, asked_labels, dataset_json, scratch)
    return found


def require_references(cases: list[Case], references: Path, ending: str) -> None:
    """Check that every image has its reference.

    Raises:
        DataError: naming those that have none.
    """
    missing = [case.name for case in cases if not (references / f"{case.name}{ending}").is_file()]
    if missing:
        raise DataError(f"{references} lacks {some(missing)}, which --calibration has images of; add them")


def lost_dice(found: Mapping[str, Any], precision: str) -> float | None:
    """Return the points of Dice (percent) that a precision loses, negative where it gains; None: not measured.

    Raises:
        DataError: if no structure of the images could be scored.
    """
    if "f32" not in found:
        return None
    before, after = found["f32"]["dice"], found[precision]["dice"]
    if before is None or after is None:
        raise DataError("no structure of the calibration images could be scored; take images that show some")
    return 100 * float(before - after)
