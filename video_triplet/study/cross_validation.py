"""A cross-validation: teacher, soft labels, student and ensemble of every configuration and fold, and its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.steps.step import Step, Words
from video_triplet.models.run_files import MODEL_FILE, SOFT_LABELS_FILE, TEST_FILE
from video_triplet.study.configurations import CONFIGURATIONS, Configuration
from video_triplet.study.steps import Options, command_step, words_of

if TYPE_CHECKING:
    from video_triplet.data.split import Split
    from video_triplet.data.videos import TripletDataset


@dataclass(frozen=True)
class CommonOptions:
    """Options that every step of a kind gets.

    Attributes:
        training: Of each `train`: data, split, machine.
        labelling: Of each `soft-labels`: data, device.
        settings: Of each `train`, for all trainers (key `""`), by role (`"teacher"`, `"student"`) or by trainer.
    """

    training: Options = field(default_factory=dict)
    labelling: Options = field(default_factory=dict)
    settings: Mapping[str, Options] = field(default_factory=dict)


def run_folder(runs: Path, trainer: str, fold: int) -> Path:
    """Return the folder of one training."""
    return runs / trainer / f"fold_{fold}"


def plan_steps(
    configurations: Sequence[Configuration], folds: Sequence[int], runs: Path, options: CommonOptions
) -> list[Step]:
    """Return what has to be done, in order; a teacher that several configurations share is trained once.

    Args:
        configurations: Members of an ensemble before it.
        folds: Numbers of folds, from 1.
        runs: Folder of all runs.
        options: For the commands.
    """
    steps: dict[Words, Step] = {}
    for fold in folds:
        for configuration in configurations:
            for step in _configuration_steps(configuration, fold, runs, options):
                steps.setdefault(step.command, step)
    return list(steps.values())


def predictions_file(configuration: Configuration, fold: int, runs: Path) -> Path:
    """Return where the predictions of a configuration for the test videos of a fold are."""
    return run_folder(runs, configuration.scored_trainer or configuration.name, fold) / TEST_FILE


def make_table(
    configurations: Sequence[Configuration],
    folds: Sequence[int],
    runs: Path,
    dataset: TripletDataset,
    *,
    splits: Sequence[Split],
) -> str:
    """Score every configuration on its test videos, write the table beside the runs and return it as text."""
    from video_triplet.predictions.file import load_predictions
    from video_triplet.predictions.metrics import evaluate_dataset
    from video_triplet.study.table import as_markdown, summarise, write_table

    rows = []
    for configuration in configurations:
        files = [predictions_file(configuration, fold, runs) for fold in folds]
        # every step has refused or left out the frames that cannot be read; what is left is predicted
        scored = [evaluate_dataset(load_predictions(path), dataset, predicted_only=True) for path in files]
        rows.append(summarise(configuration.name, scored))
    write_table(rows, runs, folds=len(splits), split=splits[0].name)
    return as_markdown(rows, folds=len(splits), split=splits[0].name)


def _configuration_steps(configuration: Configuration, fold: int, runs: Path, options: CommonOptions) -> list[Step]:
    if configuration.members:
        output = predictions_file(configuration, fold, runs)
        members = [str(predictions_file(CONFIGURATIONS[name], fold, runs)) for name in configuration.members]
        return [command_step(f"fold {fold}: ensemble", ("ensemble", *members, "-o", str(output)), (output,))]
    steps = [_training(configuration.teacher, "teacher", fold, runs, options)]
    if configuration.student:
        teacher = run_folder(runs, configuration.teacher, fold)
        labels = teacher / SOFT_LABELS_FILE
        words = ("soft-labels", str(teacher / MODEL_FILE), "-o", str(labels), *words_of(options.labelling))
        steps.append(command_step(f"fold {fold}: soft labels of {configuration.teacher}", words, (labels,)))
        learned = {"--soft-labels": (str(labels),)}
        steps.append(_training(configuration.student, "student", fold, runs, options, learned))
    return steps


def _training(
    trainer: str, role: str, fold: int, runs: Path, options: CommonOptions, more: Options | None = None
) -> Step:
    folder = run_folder(runs, trainer, fold)
    settings = [options.settings.get(key, {}) for key in ("", role, trainer)]
    every = words_of(more or {}, options.training, *settings)
    words = ("train", "-tr", trainer, "-f", str(fold), "-o", str(folder), *every)
    return command_step(f"fold {fold}: train {trainer}", words, (folder / MODEL_FILE, folder / TEST_FILE))
