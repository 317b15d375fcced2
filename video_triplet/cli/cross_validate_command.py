"""`video-triplet cross-validate`: the whole method for all folds and configurations, and the table of it."""

from __future__ import annotations

import argparse
import dataclasses
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from nnunet_dsd.common.errors import SettingsError, SetupError
from nnunet_dsd.common.likeness import listed, nearest
from video_triplet.cli.data_options import (
    DEFAULT_FOLDER,
    add_data_options,
    add_machine_options,
    add_split_options,
    read_dataset,
    read_splits,
    refuse_missing_data,
)
from video_triplet.settings import TripletSettings
from video_triplet.study.configurations import CONFIGURATIONS, Configuration, find_configurations
from video_triplet.study.steps import CommonOptions, Step, plan_steps, predictions_file

if TYPE_CHECKING:
    from video_triplet.data.split import Split
    from video_triplet.data.videos import TripletDataset

SUMMARY = "run teacher, soft labels, student and ensemble for all folds, and print the paper's Table 1"
DATA_OPTIONS = ("data", "phases", "cache")
SPLIT_OPTIONS = ("split", "protocol", "folds", "validation_videos", "split_seed")
MACHINE_OPTIONS = ("accelerator", "devices", "nodes", "precision", "workers")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add configurations, folds, data, split, machine and settings."""
    parser.add_argument(
        "-o", "--output", type=Path, default=DEFAULT_FOLDER, help="folder of all runs (default: %(default)s)"
    )
    parser.add_argument(
        "--configurations", nargs="+", default=list(CONFIGURATIONS), metavar="NAME",
        help=f"which rows of the table (default: all): {', '.join(CONFIGURATIONS)}",
    )  # fmt: skip
    parser.add_argument("--only-folds", type=int, nargs="+", metavar="FOLD", help="only these folds")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="WHO:SETTING=VALUE",
        help="settings for some trainers only; WHO is teacher, student or the name of a trainer",
    )  # fmt: skip
    parser.add_argument(
        "--authors-code", action="store_true", help="presets authors-code-teacher and authors-code-student"
    )
    parser.add_argument("--print", action="store_true", help="print the commands instead of running them")
    add_data_options(parser)
    add_split_options(parser)
    add_machine_options(parser)
    add_setting_options(parser.add_argument_group("settings of every training"), TripletSettings)


def run(arguments: argparse.Namespace) -> int:
    """Run what is missing, then print and write the table."""
    configurations = find_configurations(arguments.configurations)
    options = common_options(arguments)
    refuse_missing_data(arguments)
    dataset, _ = read_dataset(arguments, None)
    splits = read_splits(arguments, dataset)
    folds = [split.fold for split in splits]
    chosen = choose_folds(folds, arguments.only_folds)
    steps = plan_steps(configurations, chosen, arguments.output, options)
    if arguments.print:
        print("\n".join(step.shell_line for step in steps))
        return 0
    if arguments.nodes > 1:
        raise SettingsError(
            [
                "--nodes is more than 1, but the steps of a study follow one another on one machine; --print the "
                "commands and send them to your scheduler one by one"
            ],
            source="cross-validate",
        )
    for number, step in enumerate(steps, start=1):
        print(f"[{number}/{len(steps)}] {step.title}", flush=True)
        run_step(step, in_process=arguments.devices * arguments.nodes == 1)
    print(make_table(configurations, chosen, arguments.output, dataset, splits=splits))
    return 0


def choose_folds(folds: Sequence[int], wanted: Sequence[int] | None) -> list[int]:
    """Return the folds to run: all, or those that are wanted.

    Raises:
        SettingsError: if one of them does not exist.
    """
    unknown = [fold for fold in wanted or () if fold not in folds]
    if unknown:
        listed = ", ".join(map(str, folds))
        raise SettingsError([f"there is no fold {fold}; there are {listed}" for fold in unknown], source="--only-folds")
    return [fold for fold in folds if not wanted or fold in wanted]


def run_step(step: Step, *, in_process: bool) -> None:
    """Run one step; a training on several devices gets a process of its own, since Lightning starts it again on each.

    Raises:
        SetupError: if it failed; what is finished stays.
    """
    from video_triplet.cli.main import main

    if in_process:
        status = main(step.command)
    else:
        status = subprocess.run([sys.executable, "-m", "video_triplet", *step.command], check=False).returncode
    if status:
        raise SetupError(f"{step.title} failed; what was finished stays, and the same command goes on from here")


def make_table(
    configurations: Sequence[Configuration],
    chosen: Sequence[int],
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
        files = [predictions_file(configuration, fold, runs) for fold in chosen]
        # every step has refused or left out the frames that cannot be read; what is left is predicted
        scored = [evaluate_dataset(load_predictions(path), dataset, predicted_only=True) for path in files]
        rows.append(summarise(configuration.name, scored))
    write_table(rows, runs, folds=len(splits), split=splits[0].name)
    return as_markdown(rows, folds=len(splits), split=splits[0].name)


def common_options(arguments: argparse.Namespace) -> CommonOptions:
    """Return the options of this command as options of its steps.

    Raises:
        SettingsError: if `--set` is not understood.
    """
    data = as_options(arguments, DATA_OPTIONS) + (("--sound-only",) if arguments.sound_only else ())
    training = data + as_options(arguments, SPLIT_OPTIONS) + as_options(arguments, MACHINE_OPTIONS)
    device = ("--device", "cpu") if arguments.accelerator == "cpu" else ()
    settings = {"": setting_options(given_options(arguments, TripletSettings))}
    if arguments.authors_code:
        settings |= {role: ("--preset", f"authors-code-{role}") for role in ("teacher", "student")}
    for text in arguments.set:
        who, name, value = read_assignment(text)
        settings[who] = (*settings.get(who, ()), f"--{name.replace('_', '-')}", value)
    return CommonOptions(training, (*data, "--workers", str(arguments.workers), *device), settings)


def as_options(arguments: argparse.Namespace, names: Sequence[str]) -> tuple[str, ...]:
    """Return some arguments as command-line options; those that were not given are left out."""
    values = {name: getattr(arguments, name) for name in names}
    return setting_options({name: value for name, value in values.items() if value is not None})


def setting_options(values: dict[str, object]) -> tuple[str, ...]:
    """Return values as command-line options."""
    return tuple(text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", str(value)))


def read_assignment(text: str) -> tuple[str, str, str]:
    """Return who, setting and value of `WHO:SETTING=VALUE`.

    Raises:
        SettingsError: if it is not of that form, or there is no such trainer or setting.
    """
    who, colon, assignment = text.partition(":")
    name, equals, value = assignment.partition("=")
    trainers = {row.teacher for row in CONFIGURATIONS.values()} | {row.student for row in CONFIGURATIONS.values()}
    known_names = [spec.name for spec in dataclasses.fields(TripletSettings)]
    known_who = ["teacher", "student", *sorted(trainers - {""})]
    problems = []
    if not (colon and equals):
        problems.append(f"{text!r} is not of the form WHO:SETTING=VALUE")
    elif who not in known_who:
        problems.append(f"{who!r} is nobody; allowed are {listed(who, known_who)}")
    elif name not in known_names:
        problems.append(f"unknown setting {name!r}{nearest(name, known_names)}")
    if problems:
        raise SettingsError(problems, source="--set")
    return who, name, value
