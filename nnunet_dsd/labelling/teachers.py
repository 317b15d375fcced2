"""The models that label: found, checked, and what each of them was trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_dsd.common.errors import TeacherError
from nnunet_dsd.common.hashes import weights_hash
from nnunet_dsd.labelling.request import Request
from nnunet_dsd.soft_labels.manifest import TeacherRecord
from nnunet_dsd.trainers.checkpoint import plain_weights, read_checkpoint
from nnunet_dsd.trainers.teacher import (
    TeacherModel,
    dataset_problems,
    find_model,
    fold_problems,
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
    """

    model: TeacherModel
    record: TeacherRecord
    takes_these_images: bool


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
    models = [
        find_model(name, dataset=plans.dataset_name, folds=request.folds, checkpoint=request.checkpoint)
        for name in request.teachers
    ]
    problems = []
    for model in models:
        found = [problem for fold in model.folds for problem in fold_problems(model, fold, option=OPTION)]
        found += dataset_problems(model, dataset_json, plans, manager)
        problems += [f"{model.folder.name}: {problem}" for problem in found]
    if problems:
        raise TeacherError.listing("these models" if len(models) > 1 else str(models[0].folder), problems)
    return [
        _teacher(model, fold, plans=plans, manager=manager, cases=cases, splits=splits)
        for model in models
        for fold in model.folds
    ]


def _teacher(
    model: TeacherModel,
    fold: str,
    *,
    plans: PlansManager,
    manager: ConfigurationManager,
    cases: Sequence[str],
    splits: Path,
) -> Teacher:
    held_out = held_out_cases(model, fold, splits)
    weights = plain_weights(read_checkpoint(model.path(fold)))
    record = TeacherRecord(
        model=model.folder.resolve().name,
        fold=fold,
        checkpoint=model.checkpoint,
        weights=weights_hash(weights),
        trained_on=tuple(case for case in cases if case not in held_out),
    )
    return Teacher(model, record, not preparation_problems(model, plans, manager))


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
