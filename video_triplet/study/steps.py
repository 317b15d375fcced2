"""The steps of a cross-validation, each a command that can be run alone, resumed, or sent to another machine."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_dsd.common.command_line import NEGATIVE_NUMBER
from video_triplet.models.run_files import MODEL_FILE, SOFT_LABELS_FILE, TEST_FILE
from video_triplet.study.configurations import Configuration


@dataclass(frozen=True)
class Step:
    """One command.

    Attributes:
        title: What it does, for people.
        command: Arguments of `video-triplet`.
        outputs: Files that it writes.
    """

    title: str
    command: tuple[str, ...]
    outputs: tuple[Path, ...]

    @property
    def shell_line(self) -> str:
        """The command as a line of a shell script."""
        return shlex.join(["video-triplet", *self.command])


@dataclass(frozen=True)
class CommonOptions:
    """Options that every step of a kind gets, as command-line arguments.

    Attributes:
        training: Of each `train`: data, split, machine.
        labelling: Of each `soft-labels`: data, device.
        settings: Of each `train`, for all trainers (key `""`), by role (`"teacher"`, `"student"`) or by trainer.
    """

    training: tuple[str, ...] = ()
    labelling: tuple[str, ...] = ()
    settings: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def last_of_each(words: Sequence[str]) -> tuple[str, ...]:
    """Return options with their values, without those that the same option further on replaces.

    What holds for one trainer so replaces what holds for all, where options of several words would add up.
    """
    options: dict[str, list[str]] = {}
    name = ""
    for word in words:
        if word.startswith("-") and not NEGATIVE_NUMBER.match(word):
            name = word.partition("=")[0].replace("--no-", "--", 1)
            options.pop(name, None)
        options.setdefault(name, []).append(word)
    return tuple(word for group in options.values() for word in group)


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
    steps: dict[tuple[str, ...], Step] = {}
    for fold in folds:
        for configuration in configurations:
            for step in _configuration_steps(configuration, fold, runs, options):
                steps.setdefault(step.command, step)
    return list(steps.values())


def predictions_file(configuration: Configuration, fold: int, runs: Path) -> Path:
    """Return where the predictions of a configuration for the test videos of a fold are."""
    return run_folder(runs, configuration.scored_trainer or configuration.name, fold) / TEST_FILE


def _configuration_steps(configuration: Configuration, fold: int, runs: Path, options: CommonOptions) -> list[Step]:
    from video_triplet.study.configurations import CONFIGURATIONS

    if configuration.members:
        output = predictions_file(configuration, fold, runs)
        members = [str(predictions_file(CONFIGURATIONS[name], fold, runs)) for name in configuration.members]
        return [Step(f"fold {fold}: ensemble", ("ensemble", *members, "-o", str(output)), (output,))]
    steps = [_training(configuration.teacher, "teacher", fold, runs, options)]
    if configuration.student:
        teacher = run_folder(runs, configuration.teacher, fold)
        labels = teacher / SOFT_LABELS_FILE
        command = ("soft-labels", str(teacher / MODEL_FILE), "-o", str(labels), *options.labelling)
        steps.append(Step(f"fold {fold}: soft labels of {configuration.teacher}", command, (labels,)))
        steps.append(_training(configuration.student, "student", fold, runs, options, "--soft-labels", str(labels)))
    return steps


def _training(trainer: str, role: str, fold: int, runs: Path, options: CommonOptions, *more: str) -> Step:
    folder = run_folder(runs, trainer, fold)
    settings = [argument for key in ("", role, trainer) for argument in options.settings.get(key, ())]
    every = last_of_each((*more, *options.training, *settings))
    command = ("train", "-tr", trainer, "-f", str(fold), "-o", str(folder), *every)
    return Step(f"fold {fold}: train {trainer}", command, (folder / MODEL_FILE, folder / TEST_FILE))
