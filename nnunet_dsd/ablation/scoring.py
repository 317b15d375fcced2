"""Predictions and scores of a run: where they are, and whether they are of the present model."""

from __future__ import annotations

import shutil
from pathlib import Path

from nnunet_dsd.ablation.checks import cases, fold_cases, image_cases
from nnunet_dsd.ablation.places import FINAL, Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import training_stage
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_file

EVALUATION = "evaluation.json"


def predictions_folder(study: Study, run: Run, places: Places) -> Path:
    """Return where a run's predictions are: nnU-Net's own of the validation cases, or the study's of the test cases."""
    if study.evaluate_on == "validation":
        return places.fold(run) / "validation"
    return places.test_predictions(run)


def is_trained(run: Run, places: Places) -> bool:
    """Tell whether nnU-Net has trained and validated a run."""
    return training_stage(places.fold(run)) == "trained"


def is_predicted(study: Study, run: Run, places: Places) -> bool:
    """Tell whether all cases to be scored are predicted, by the present model."""
    if study.evaluate_on == "validation":
        return is_trained(run, places)
    folder, ending = places.test_predictions(run), places.file_ending()
    if not is_trained(run, places) or not folder.is_dir() or missing_test_cases(folder, places):
        return False
    return _newest(folder, ending) >= (places.fold(run) / FINAL).stat().st_mtime


def missing_test_cases(predictions: Path, places: Places) -> list[str]:
    """Return the test cases that a folder holds no prediction of."""
    ending = places.file_ending()
    return sorted(image_cases(places.test_images, ending) - cases(predictions, ending))


def is_scored(study: Study, run: Run, places: Places) -> bool:
    """Tell whether the present predictions of a run are scored."""
    scores = places.evaluation(run) / EVALUATION
    if not is_predicted(study, run, places) or not scores.is_file():
        return False
    return scores.stat().st_mtime >= _newest(predictions_folder(study, run, places), places.file_ending())


def references_for(study: Study, run: Run, places: Places) -> Path:
    """Return the folder of the references of a run's cases; for validation cases they are copied into the study.

    Raises:
        DataError: if a reference is missing.
    """
    if study.evaluate_on == "test":
        return places.test_labels
    folder, ending = places.references(run.fold), places.file_ending()
    names = {f"{case}{ending}" for case in fold_cases(places, run.fold)}
    for name in names:
        source, copy = places.training_references / name, folder / name
        if not source.is_file():
            raise DataError(f"{source} is missing, the reference of a validation case; preprocess the data set again")
        if not copy.is_file() or copy.stat().st_mtime != source.stat().st_mtime:
            with whole_file(copy) as temporary:
                shutil.copy2(source, temporary)
    for copy in folder.glob(f"[!.]*{ending}"):
        if copy.name not in names:  # the folds were changed
            copy.unlink(missing_ok=True)
    return folder


def _newest(folder: Path, ending: str) -> float:
    """Return the time of the last change of a label image in a folder."""
    return max((path.stat().st_mtime for path in folder.glob(f"*{ending}")), default=0.0)
