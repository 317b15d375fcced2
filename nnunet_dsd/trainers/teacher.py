"""Finding, checking and loading the teacher of a student: a finished nnU-Net model of the same data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.paths import nnUNet_results
from nnunetv2.utilities.label_handling.label_handling import determine_num_input_channels
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from torch import nn

from nnunet_dsd.common.errors import DataError, TeacherError
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.distillation.feedback_settings import FeedbackSettings, named_by_path
from nnunet_dsd.trainers.checkpoint import check_weights_fit, plain_weights, read_checkpoint, require_parts
from nnunet_dsd.trainers.model_folder import read_model_folder, trainer_and_configuration
from nnunet_dsd.trainers.plain_network import build_plain_network

FINAL = "checkpoint_final.pth"
VALIDATED = "summary.json"  # nnU-Net writes it when every validation case is predicted
PREPARATION = (
    "preprocessor_name",
    "normalization_schemes",
    "use_mask_for_norm",
    "resampling_fn_data",
    "resampling_fn_data_kwargs",
)
# These normalisations look at the image alone; others also at the intensities of the data set.
OF_ONE_IMAGE = ("ZScoreNormalization", "NoNormalization", "RescaleTo01Normalization", "RGBTo01Normalization")

CURE = "train a teacher on this data set"


@dataclass(frozen=True)
class TeacherModel:
    """A model folder `TRAINER__PLANS__CONFIGURATION` and the folds of it that teach."""

    folder: Path
    configuration: str
    folds: tuple[str, ...]
    checkpoint: str
    plans: dict[str, Any]
    dataset_json: dict[str, Any]

    @cached_property
    def plans_manager(self) -> PlansManager:
        """The teacher's plans."""
        return PlansManager(self.plans)

    @property
    def manager(self) -> ConfigurationManager:
        """The teacher's configuration."""
        return self.plans_manager.get_configuration(self.configuration)

    def path(self, fold: str) -> Path:
        """Return the checkpoint of a fold."""
        return self.folder / f"fold_{fold}" / self.checkpoint


def find_teacher(settings: FeedbackSettings, *, dataset: str, fold: int | str) -> TeacherModel:
    """Return the teacher that the settings name, found but not checked.

    Args:
        settings: Which teacher, folds and checkpoint.
        dataset: The student's data set, `DatasetNNN_NAME`.
        fold: The student's fold, which is the teacher's where the settings name none.

    Raises:
        TeacherError: if none is named, or it is no sound model folder; lists those there are.
    """
    name = settings.feedback_teacher
    if name is None:
        results = Path(nnUNet_results or ".") / dataset
        raise TeacherError(
            "a student needs a teacher: name one with `nnunet-dsd plan --feedback-teacher "
            f"TRAINER__PLANS__CONFIGURATION`. Among {results} are: {_model_folders(results)}"
        )
    folds = tuple((settings.feedback_teacher_folds or str(fold)).replace(" ", "").split(","))
    return find_model(name, dataset=dataset, folds=folds, checkpoint=settings.feedback_teacher_checkpoint)


def find_model(name: str, *, dataset: str, folds: Sequence[str] | None, checkpoint: str) -> TeacherModel:
    """Return a finished model, found but not checked.

    Args:
        name: `TRAINER__PLANS__CONFIGURATION` among the data set's results, or a model folder's path.
        dataset: `DatasetNNN_NAME`.
        folds: Which of its folds; None: all that have the checkpoint.
        checkpoint: Which of each fold's checkpoints.

    Raises:
        TeacherError: if it is no sound model folder; lists those there are.
    """
    results = Path(nnUNet_results or ".") / dataset
    folder = Path(name).expanduser() if named_by_path(name) else results / name
    try:
        plans, dataset_json = read_model_folder(folder)
        _, configuration = trainer_and_configuration(folder, plans)
    except DataError as error:
        raise TeacherError(f"{error}. Among {results} are: {_model_folders(results)}") from error
    if folds is None:
        folds = sorted(path.parent.name.removeprefix("fold_") for path in folder.glob(f"fold_*/{checkpoint}"))
        if not folds:
            raise TeacherError(f"no fold of {folder} has a {checkpoint}; finish one, or name another checkpoint")
    return TeacherModel(folder, configuration, tuple(folds), checkpoint, plans, dataset_json)


def _model_folders(results: Path) -> str:
    found = sorted(path.parent.name for path in results.glob("*/plans.json")) if results.is_dir() else []
    return ", ".join(found) or "none"


def teacher_problems(
    teacher: TeacherModel, *, dataset_json: Mapping[str, Any], plans: PlansManager, manager: ConfigurationManager
) -> list[str]:
    """Return why a model cannot teach a student on these data and plans; nothing where it can."""
    problems = [problem for fold in teacher.folds for problem in fold_problems(teacher, fold)]
    of_data = dataset_problems(teacher, dataset_json, plans, manager)
    return problems + of_data + preparation_problems(teacher, plans, manager, of_one_data_set=not of_data)


def preparation_problems(
    teacher: TeacherModel, plans: PlansManager, manager: ConfigurationManager, *, of_one_data_set: bool = True
) -> list[str]:
    """Return why a model cannot take images that were preprocessed by these plans; nothing where it can."""
    problems, other = [], teacher.manager
    if of_one_data_set and not set(manager.normalization_schemes) <= set(OF_ONE_IMAGE):
        theirs, ours = (
            one.plans["foreground_intensity_properties_per_channel"] for one in (teacher.plans_manager, plans)
        )
        if not _close(theirs, ours):
            problems.append(f"its normalisation knows intensities {theirs}, the student's {ours}: {CURE}")
    if len(other.spacing) != len(manager.spacing) or not np.allclose(other.spacing, manager.spacing, rtol=1e-4):
        problems.append(
            f"it works at a spacing of {list(other.spacing)} mm, the student at {list(manager.spacing)} mm: plan the "
            "student from the teacher's plans (`nnunet-dsd plan -p`)"
        )
    for name in PREPARATION:
        theirs, ours = other.configuration.get(name), manager.configuration.get(name)
        if theirs != ours:
            problems.append(f"its {name} is {theirs}, the student's {ours}")
    theirs, ours = teacher.plans_manager.transpose_forward, plans.transpose_forward
    if list(theirs) != list(ours):
        problems.append(f"its axes are ordered {list(theirs)}, the student's {list(ours)}")
    return problems


def dataset_problems(
    teacher: TeacherModel, dataset_json: Mapping[str, Any], plans: PlansManager, manager: ConfigurationManager
) -> list[str]:
    """Return what of the data is not the same: the set, its labels and channels, what the networks are given."""
    problems = []
    theirs, ours = teacher.plans_manager.dataset_name, plans.dataset_name
    if theirs != ours:
        problems.append(f"it was trained on {theirs}, the student is on {ours}: {CURE}")
    for entry, what in (("labels", "labels"), ("channel_names", "image channels")):
        theirs, ours = teacher.dataset_json.get(entry), dataset_json.get(entry)
        if theirs != ours:
            problems.append(f"its {what} are {theirs}, the student's {ours}: {CURE}")
    if problems:
        return problems
    theirs, ours = list(teacher.dataset_json["labels"]), list(dataset_json["labels"])
    if theirs != ours and plans.get_label_manager(dict(dataset_json)).has_regions:  # their order is the outputs' order
        problems.append(f"its regions come in the order {theirs}, the student's in the order {ours}: {CURE}")
    theirs = determine_num_input_channels(teacher.plans_manager, teacher.manager, teacher.dataset_json)
    ours = determine_num_input_channels(plans, manager, dict(dataset_json))
    if theirs != ours:
        problems.append(
            f"it takes {theirs} input channels, the student {ours}: one of them is the second stage of a cascade. Take "
            "a teacher of a configuration of the same kind"
        )
    return problems


def _close(first: Mapping[str, Mapping[str, float]], second: Mapping[str, Mapping[str, float]]) -> bool:
    """Return whether intensity properties of channels are the same up to a hundredth."""
    if first.keys() != second.keys():
        return False
    pairs = [(values[name], second[channel].get(name, np.nan)) for channel, values in first.items() for name in values]
    return all(np.allclose(one, other, rtol=1e-2) for one, other in pairs)


def fold_problems(teacher: TeacherModel, fold: str, *, option: str = "--feedback-teacher-{}") -> list[str]:
    """Return why a fold of a model cannot teach: at most one sentence.

    Args:
        teacher: The model.
        fold: One of its folds.
        option: How the options are called that name folds and checkpoint, `{}` in the place of that word.
    """
    path = teacher.path(fold)
    if path.is_file():
        return []
    present = sorted(path.parent.glob("checkpoint_*.pth"))
    another = option.format("checkpoint")
    if present and teacher.checkpoint == FINAL:
        names = ", ".join(item.name for item in present)
        return [
            f"the training of its fold {fold} is not finished: there is {names}, but no {FINAL}. Finish it with "
            f"nnUNetv2_train ... --c, or name another with {another}"
        ]
    if present:
        names = ", ".join(item.name for item in present)
        return [f"its fold {fold} has no {teacher.checkpoint}, but {names}: name one with {another}"]
    folds = ", ".join(item.name for item in sorted(teacher.folder.glob("fold_*"))) or "none"
    others = option.format("folds")
    return [f"there is no {path}; its folds are: {folds}. Train that fold, or name others with {others}"]


def known_validation_cases(teacher: TeacherModel, validation: Sequence[str], splits: Path) -> dict[str, list[str]]:
    """Return, by fold of the teacher that is there, which of the student's validation cases it was trained on.

    What a fold held out is read from its own validation results, where they are complete; else from the data set's
    splits.

    Args:
        teacher: The model.
        validation: The student's validation cases.
        splits: nnU-Net's `splits_final.json`.
    """
    known = {}
    for fold in (fold for fold in teacher.folds if teacher.path(fold).is_file()):
        held_out = held_out_cases(teacher, fold, splits)
        seen = [case for case in validation if case not in held_out]
        if seen:
            known[fold] = seen
    return known


def held_out_cases(teacher: TeacherModel, fold: str, splits: Path) -> set[str]:
    """Return the cases that a fold of a model is known not to have been trained on."""
    if fold == "all":
        return set()
    ending = teacher.dataset_json["file_ending"]
    if has_validation_results(teacher, fold):
        results = teacher.folder / f"fold_{fold}" / "validation"
        return {path.name.removesuffix(ending) for path in results.glob(f"*{ending}")}
    damaged = f"{splits} is damaged, so that it is not known which cases the teacher has seen"
    folds = read_json(splits, broken=lambda reason: f"{damaged} ({reason}); copy it again") if splits.is_file() else []
    return set(folds[int(fold)]["val"]) if fold.isdecimal() and int(fold) < len(folds) else set()


def has_validation_results(teacher: TeacherModel, fold: str) -> bool:
    """Return whether nnU-Net has predicted every validation case of a fold of a model."""
    return (teacher.folder / f"fold_{fold}" / "validation" / VALIDATED).is_file()


def load_networks(teacher: TeacherModel) -> list[nn.Module]:
    """Build the teacher's network once per fold, with its weights.

    Raises:
        CheckpointError: if a checkpoint is broken or belongs to another architecture.
    """
    return [_load_network(teacher, fold) for fold in teacher.folds]


def _load_network(teacher: TeacherModel, fold: str) -> nn.Module:
    path = teacher.path(fold)
    checkpoint = read_checkpoint(path)
    require_parts(checkpoint, ("trainer_name",), source=str(path))
    network = build_plain_network(
        checkpoint["trainer_name"], teacher.plans_manager, teacher.manager, teacher.dataset_json
    )
    weights = plain_weights(checkpoint)
    check_weights_fit(weights, network.state_dict(), source=str(path))
    network.load_state_dict(weights)
    return network
