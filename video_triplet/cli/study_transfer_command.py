"""`video-triplet study-transfer`: Tables 1 and 2 of the fine-tuning paper, for the data and weights at hand."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.paths import require_paths
from video_triplet.cli.clip_options import (
    USUAL_FRACTION,
    add_frame_options,
    add_sound_only_option,
    read_clips,
)
from video_triplet.cli.data_options import add_machine_options, read_machine
from video_triplet.clips.settings import ClipSettings
from video_triplet.study.transfer_study import DATA_SETS, ENCODERS, LAMBDAS, read_lambdas

if TYPE_CHECKING:
    from video_triplet.clips.sources import ClipSource
    from video_triplet.clips.videos import ClipDataset
    from video_triplet.study.transfer_study_run import TransferStudy
    from video_triplet.trainers.run import Machine

SUMMARY = "the fine-tuning paper's tables: train and test what there is data and weights for, mark the rest"
SET_BY_THE_STUDY = ("encoder", "weights", "epoch_lambda", "choose_epoch", "patience", "seed")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add data, weights, what to run, machine and settings."""
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the study")
    group = parser.add_argument_group("what is at hand; rows without data or weights are marked as not run")
    for layout, name in DATA_SETS.items():
        group.add_argument(f"--{layout}", type=Path, metavar="FOLDER", help=f"{name} as distributed")
        group.add_argument(f"--{layout}-cache", type=Path, metavar="FOLDER", help=f"cache of {name}'s frames")
    for encoder, name in ENCODERS.items():
        group.add_argument(
            f"--{encoder}-weights", metavar="FILE", help=f"pre-trained {name}; the word none: from scratch"
        )
    parser.add_argument("--lambdas", default=",".join(f"{value:g}" for value in LAMBDAS), help="(default: %(default)s)")
    parser.add_argument("--seeds", default="1", help="comma-separated (default: %(default)s)")
    parser.add_argument(
        "--protocol",
        choices=("last", "best"),
        default="last",
        help="last: all training videos, last epoch, as Algorithm 1; best: by the validation part (default: last)",
    )
    add_frame_options(parser)
    add_sound_only_option(parser)
    add_machine_options(parser)
    add_setting_options(parser.add_argument_group("settings (beyond those of the paper's presets)"), ClipSettings)


def run(arguments: argparse.Namespace) -> int:
    """Train and test cell by cell, writing the table after each; finished cells are not repeated."""
    from nnunet_dsd.common.files import require_writable

    refuse_missing_paths(arguments)
    given = given_options(arguments, ClipSettings)
    lambdas, seeds, machine = read_lambdas(arguments.lambdas), read_seeds(arguments.seeds), read_machine(arguments)
    refuse_impossible_requests(given, machine)
    require_writable(arguments.output)
    from video_triplet.study.transfer_study_run import run_transfer_study

    print(run_transfer_study(study_of(arguments, given, lambdas, seeds, machine)))
    say_what_is_missing(arguments)
    print(f"tables: {arguments.output / 'table.md'}")
    return 0


def refuse_missing_paths(arguments: argparse.Namespace) -> None:
    """Refuse folders and files that were given and are not there.

    Raises:
        DataError: with all of them.
    """
    folders = [f"{layout}{part}" for layout in DATA_SETS for part in ("", "_cache")]
    weights = {name: getattr(arguments, name) for name in (f"{encoder}_weights" for encoder in ENCODERS)}
    require_paths(
        folders={as_flag(name): getattr(arguments, name) for name in folders},
        files={as_flag(name): Path(given) for name, given in weights.items() if given not in (None, "none")},
    )


def as_flag(name: str) -> str:
    """Return the option of an argument's name."""
    return f"--{name.replace('_', '-')}"


def say_what_is_missing(arguments: argparse.Namespace) -> None:
    """Print why rows are not run."""
    for layout, name in DATA_SETS.items():
        if getattr(arguments, layout) is None:
            print(f"{name} is not run: no --{layout}")
    for encoder, name in ENCODERS.items():
        if getattr(arguments, f"{encoder}_weights") is None:
            print(f"{name} is not run: no --{encoder}-weights (the word none trains it from scratch)")


def study_of(
    arguments: argparse.Namespace,
    given: Mapping[str, Any],
    lambdas: tuple[float, ...],
    seeds: tuple[int, ...],
    machine: Machine,
) -> TransferStudy:
    """Return the study that the options describe."""
    from video_triplet.study.transfer_study_run import TransferStudy

    weights = {encoder: getattr(arguments, f"{encoder}_weights") for encoder in ENCODERS}
    return TransferStudy(
        folder=arguments.output,
        lambdas=lambdas,
        seeds=seeds,
        weights={encoder: path for encoder, path in weights.items() if path is not None},
        data={
            layout: partial(read_layout, arguments, layout)
            for layout in DATA_SETS
            if getattr(arguments, layout) is not None
        },
        validation_fraction=0.0 if arguments.protocol == "last" else USUAL_FRACTION,
        settings=given,
        machine=machine,
    )


def refuse_impossible_requests(given: Mapping[str, Any], machine: Machine) -> None:
    """Refuse settings that the study sets itself, and several processes.

    Raises:
        SettingsError: with all of them.
    """
    problems = [f"{name} is set by the study and cannot be given" for name in SET_BY_THE_STUDY if name in given]
    if machine.processes > 1:
        problems.append(f"{machine.processes} processes; the study trains on one device, `train-clips` on several")
    if problems:
        raise SettingsError(problems, source="study-transfer")


def read_seeds(text: str) -> tuple[int, ...]:
    """Return the numbers of a text such as `1,2,3`, each once, in their order.

    Raises:
        SettingsError: if one is no whole number from 0.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() for part in parts):
        raise SettingsError([f"got {text!r}, expected whole numbers such as 1,2,3"], source="--seeds")
    return tuple(dict.fromkeys(map(int, parts)))


def read_layout(arguments: argparse.Namespace, layout: str) -> tuple[ClipDataset, ClipSource]:
    """Open one of the two data sets.

    Raises:
        DataError: if it is the other one.
    """
    folder: Path = getattr(arguments, layout)
    cache = getattr(arguments, f"{layout}_cache")
    options = {**vars(arguments), "data": folder, "annotations": None, "cache": cache}
    dataset, source = read_clips(argparse.Namespace(**options))
    if dataset.layout != layout:
        raise DataError(f"--{layout} {folder} has the layout of {dataset.layout}; give it as --{dataset.layout}")
    return dataset, source
