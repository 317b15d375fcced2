"""Whether a study can run here: data set, plans, folds, test cases, disk. Nothing is written."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.derived_plans import derive, plans_problems
from nnunet_dsd.ablation.disk import needed_bytes, prediction_bytes
from nnunet_dsd.ablation.places import Places, read_json
from nnunet_dsd.ablation.runs import Run, plan_runs
from nnunet_dsd.ablation.study import ALL_CASES, Study
from nnunet_dsd.ablation.training_state import training_stage
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.machine import free_bytes
from nnunet_dsd.plans import read_plans

DEFAULT_FOLDS = 5  # what nnU-Net makes where there is no splits_final.json
SHOWN = 5


def machine_problems(study: Study, places: Places) -> list[str]:
    """Return everything in the data that keeps a study from running."""
    problems = _dataset_problems(places)
    problems += plans_problems(study, places)
    problems += _preprocessing_problems(study, places)
    problems += _fold_problems(study, places)
    if study.evaluate_on == "test" and not problems:
        problems += _test_problems(places)
    return problems


def device_note(study: Study) -> str | None:
    """Return a note where nnU-Net would look for a GPU, its default, and this machine has no driver of one."""
    drivers = [Path(place) for place in ("/proc/driver/nvidia", "/dev/kfd")]  # NVIDIA's, and AMD's
    if study.device or sys.platform != "linux" or any(path.exists() for path in drivers):
        return None
    return "note: the study names no device and this machine has no GPU driver; if so, give --device cpu"


def disk_problems(study: Study, places: Places) -> list[str]:
    """Return what is wrong with the free space, for a study that can run otherwise."""
    to_train = unfinished(plan_runs(study), places)
    original = read_plans(places.preprocessed, study.from_plans)
    plans = {
        study.plans_name(choice.name, seed): derive(study, choice, seed, original)
        for choice in study.plans
        for seed in study.seeds
    }
    needed = needed_bytes(to_train, plans, prediction_bytes(places, test=study.evaluate_on == "test"))
    free = free_bytes(places.results)
    if needed <= free:
        return []
    return [
        f"{counted(len(to_train), 'training needs', 'trainings need')} about {needed / 1e9:.1f} GB "
        "for checkpoints and predictions (an estimate from "
        f"the plans), {free / 1e9:.1f} GB are free at {places.results}; free some space, or shorten the study"
    ]


def unfinished(runs: Sequence[Run], places: Places) -> list[Run]:
    """Return the runs whose training or validation is not finished."""
    return [run for run in runs if training_stage(places.fold(run)) != "trained"]


def cases(folder: Path, ending: str) -> set[str]:
    """Return the names of the label images in a folder."""
    return {
        path.name.removesuffix(ending)
        for path in folder.iterdir()
        if path.name.endswith(ending) and not path.name.startswith(".")
    }


def image_cases(folder: Path, ending: str) -> set[str]:
    """Return the names of the cases in a folder of images, without the number of the channel."""
    return {name.rpartition("_")[0] for name in cases(folder, ending)}


def _dataset_problems(places: Places) -> list[str]:
    try:
        places.file_ending()
    except (DataError, KeyError, TypeError) as error:
        return [f"{places.dataset_json} is no dataset.json with file_ending: {error}; preprocess the data set again"]
    return []


def _preprocessing_problems(study: Study, places: Places) -> list[str]:
    try:
        configurations = read_plans(places.preprocessed, study.from_plans)["configurations"]
    except DataError:
        return []  # said by plans_problems
    configuration = configurations.get(study.configuration, {})
    while "data_identifier" not in configuration and "inherits_from" in configuration:
        configuration = configurations[configuration["inherits_from"]]
    identifier = configuration.get("data_identifier")
    if identifier is None or (places.preprocessed / identifier).is_dir():
        return []
    return [
        f"{places.preprocessed / identifier} is missing: the data are not preprocessed for {study.configuration}; "
        f"run nnUNetv2_preprocess -d {study.dataset} -plans_name {study.from_plans} -c {study.configuration}"
    ]


def _fold_problems(study: Study, places: Places) -> list[str]:
    numbers = [fold for fold in study.folds if fold != ALL_CASES]
    if not places.splits.is_file():
        count, source = DEFAULT_FOLDS, "nnU-Net will make"
    else:
        try:
            count, source = len(read_json(places.splits)), f"{places.splits} has"
        except (DataError, TypeError) as error:
            return [f"{places.splits} is no list of folds: {error}"]
    return [
        f"there is no fold {fold}: {source} {count}, counted from 0 (nnU-Net would make up a random split)"
        for fold in numbers
        if isinstance(fold, int) and fold >= count
    ]


def _test_problems(places: Places) -> list[str]:
    images, labels = places.test_images, places.test_labels
    ending = places.file_ending()
    missing = [str(folder) for folder in (images, labels) if not folder.is_dir() or not cases(folder, ending)]
    if missing:
        return [
            f"evaluate_on is test, but there are no files {ending} in {' and in '.join(missing)}; "
            "put the test cases there, or use evaluate_on validation"
        ]
    predicted, referenced = image_cases(images, ending), cases(labels, ending)
    return _listed(predicted - referenced, f"test images have no reference in {labels}") + _listed(
        referenced - predicted, f"references have no test image in {images}"
    )


def _listed(names: set[str], what: str) -> list[str]:
    shown = ", ".join(sorted(names)[:SHOWN]) + (", …" if len(names) > SHOWN else "")
    return [f"{len(names)} {what}: {shown}"] if names else []


def fold_cases(places: Places, fold: Any) -> list[str]:
    """Return the validation cases of a fold, from nnU-Net's splits."""
    return sorted(read_json(places.splits)[fold]["val"])
