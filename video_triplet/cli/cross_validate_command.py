"""`video-triplet cross-validate`: the whole method for all folds and configurations, and the table of it."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from nnunet_dsd.common.errors import SettingsError
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
from video_triplet.cli.step_options import (
    MACHINE_OPTIONS,
    SPLIT_OPTIONS,
    as_options,
    data_options,
    setting_options,
    step_caller,
)
from video_triplet.settings import TripletSettings
from video_triplet.study.configurations import CONFIGURATIONS, find_configurations
from video_triplet.study.cross_validation import CommonOptions, make_table, plan_steps
from video_triplet.study.steps import Options, run_all

SUMMARY = "run teacher, soft labels, student and ensemble for all folds, and print the paper's Table 1"


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
    run_all(steps, step_caller(arguments))
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


def common_options(arguments: argparse.Namespace) -> CommonOptions:
    """Return the options of this command as options of its steps.

    Raises:
        SettingsError: if `--set` is not understood.
    """
    data = data_options(arguments)
    training = {**data, **as_options(arguments, SPLIT_OPTIONS), **as_options(arguments, MACHINE_OPTIONS)}
    device: Options = {"--device": ("cpu",)} if arguments.accelerator == "cpu" else {}
    settings = {"": setting_options(given_options(arguments, TripletSettings))}
    if arguments.authors_code:
        settings |= {role: {"--preset": (f"authors-code-{role}",)} for role in ("teacher", "student")}
    for text in arguments.set:
        who, name, value = read_assignment(text)
        settings[who] = {**settings.get(who, {}), **setting_options({name: value})}
    return CommonOptions(training, {**data, "--workers": (str(arguments.workers),), **device}, settings)


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
