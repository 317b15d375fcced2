"""The models that label: found, checked, and what each of them was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_dsd.common.counting import repeated
from nnunet_dsd.common.errors import CheckpointError, DataError, TeacherError
from nnunet_dsd.common.hashes import weights_hash
from nnunet_dsd.labelling.request import Request
from nnunet_dsd.soft_labels.manifest import TeacherRecord
from nnunet_dsd.trainers.checkpoint import plain_weights, read_checkpoint
from nnunet_dsd.trainers.finished import require_loadable
from nnunet_dsd.trainers.teacher import (
    TeacherModel,
    dataset_problems,
    find_model,
    fold_problems,
    has_validation_results,
    held_out_cases,
    preparation_problems,
)

OPTION = "--{}"


@dataclass(frozen=True)
class Teacher:
    """One fold of a finished model.

    Attributes:
        model: The model, with one fold.
        record: What the manifest says of it.
        takes_these_images: Whether images preprocessed for the student are what it takes.
        split_is_newer: Whether what it was trained on is known from `splits_final.json` alone, which was written after
            the training ended, and may not be the split that it was trained with.
    """

    model: TeacherModel
    record: TeacherRecord
    takes_these_images: bool
    split_is_newer: bool


def find_teachers(
    request: Request,
    *,
    plans: PlansManager,
    manager: ConfigurationManager,
    dataset_json: Mapping[str, Any],
    cases: Sequence[str],
    splits: Path,
) -> list[Teacher]:
    """Return every fold of every model that is to label, checked.

    Args:
        request: Which models, folds, checkpoint.
        plans: The student's.
        manager: The student's configuration.
        dataset_json: Of the data set.
        cases: All labelled cases of the data set.
        splits: nnU-Net's `splits_final.json`.

    Raises:
        TeacherError: if a model is missing, unfinished or of other data; all reasons at once.
    """
    problems: list[str] = []
    models = _models(request, plans.dataset_name, problems)
    problems += _problems_of_name(models)
    for model in models:
        found = [problem for fold in model.folds for problem in fold_problems(model, fold, option=OPTION)]
        found += dataset_problems(model, dataset_json, plans, manager)
        problems += [f"{model.folder.name}: {problem}" for problem in found]
    if problems:
        raise TeacherError.listing(_called(request), problems)
    teachers = []
    for model, fold in [(one, fold) for one in models for fold in one.folds]:
        try:
            teachers.append(_teacher(model, fold, plans=plans, manager=manager, cases=cases, splits=splits))
        except (CheckpointError, DataError) as error:
            problems.append(str(error))
    if problems:
        raise TeacherError.listing(_called(request), problems)
    return teachers


def _called(request: Request) -> str:
    return "these models" if len(request.teachers) > 1 else request.teachers[0]


def _models(request: Request, dataset: str, problems: list[str]) -> list[TeacherModel]:
    """Return the models that are there, and note why others are not."""
    models = []
    for name in request.teachers:
        try:
            models.append(find_model(name, dataset=dataset, folds=request.folds, checkpoint=request.checkpoint))
        except TeacherError as error:
            problems.append(str(error))
    return models


def _problems_of_name(models: Sequence[TeacherModel]) -> list[str]:
    """Say which models are one and the same, however they are spelled: it would count twice in the mean."""
    folders = [str(model.folder.resolve()) for model in models]
    return [f"{folder} is named twice" for folder in repeated(folders)]


def _teacher(
    model: TeacherModel,
    fold: str,
    *,
    plans: PlansManager,
    manager: ConfigurationManager,
    cases: Sequence[str],
    splits: Path,
) -> Teacher:
    path = model.path(fold)
    checkpoint = read_checkpoint(path)
    require_loadable(model.folder, path, checkpoint)
    trained = checkpoint["init_args"].get("fold", fold)
    if str(trained) != fold:
        raise CheckpointError(
            f"{path} was trained as fold {trained}, and its folder says fold {fold}, so that it would label cases it "
            f"has seen; rename the folder to fold_{trained}"
        )
    held_out = held_out_cases(model, fold, splits)
    record = TeacherRecord(
        model=model.folder.resolve().name,
        fold=fold,
        checkpoint=model.checkpoint,
        weights=weights_hash(plain_weights(checkpoint)),
        trained_on=tuple(case for case in cases if case not in held_out),
    )
    return Teacher(
        model,
        record,
        takes_these_images=not preparation_problems(model, plans, manager),
        split_is_newer=_relies_on_newer_splits(model, fold, splits),
    )


def _relies_on_newer_splits(model: TeacherModel, fold: str, splits: Path) -> bool:
    if fold == "all" or has_validation_results(model, fold) or not splits.is_file():
        return False
    return splits.stat().st_mtime > model.path(fold).stat().st_mtime


def who_labels_what(
    teachers: Sequence[Teacher], cases: Sequence[str], *, in_sample: bool
) -> dict[str, tuple[int, ...]]:
    """Return for each case the positions of the teachers that may label it, without the cases that none may.

    Args:
        teachers: All of them.
        cases: The labelled cases.
        in_sample: Let models label what they were trained on.
    """
    allowed = {
        case: tuple(
            position for position, teacher in enumerate(teachers) if in_sample or case not in teacher.record.trained_on
        )
        for case in cases
    }
    return {case: positions for case, positions in allowed.items() if positions}
