"""`video-triplet train-clips`: fine-tune a clip classifier on UCF101 or HMDB51."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from video_triplet.cli.clip_options import (
    add_clip_cache_option,
    add_clip_data_options,
    add_clip_split_options,
    add_frame_options,
    add_sound_only_option,
    read_clip_split,
    read_clips,
)
from video_triplet.cli.data_options import add_machine_options, read_machine, refuse_missing_data
from video_triplet.clips.settings import CLIP_PRESETS, ClipSettings
from video_triplet.settings import find_preset
from video_triplet.trainers.catalog import require_video_trainer

if TYPE_CHECKING:
    from video_triplet.trainers.clip_experiment import ClipExperiment

SUMMARY = "fine-tune a clip classifier on UCF101 or HMDB51"
CLIP_RUNS = Path("clip-runs")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the trainer, data, frames, split, machine and one option per setting."""
    parser.add_argument("-tr", "--trainer", required=True, help="ClipFineTuning or ClipFineTuningEpochSD")
    parser.add_argument(
        "-o", "--output", type=Path, help=f"folder of this run (default: {CLIP_RUNS}/TRAINER/LAYOUT_split_NUMBER)"
    )
    parser.add_argument("--preset", help="; ".join(f"{name}: {text}" for name, (text, _) in CLIP_PRESETS.items()))
    add_clip_data_options(parser)
    add_frame_options(parser)
    add_clip_cache_option(parser)
    add_sound_only_option(parser)
    add_clip_split_options(parser)
    add_machine_options(parser)
    group = parser.add_argument_group("settings (the trainer's own defaults go before those in brackets)")
    add_setting_options(group, ClipSettings)


def run(arguments: argparse.Namespace) -> int:
    """Train, or go on with a training that was stopped; say how to test it."""
    refuse_mistakes(arguments)
    from video_triplet.trainers.run import is_first_process, train  # with torch and Lightning, after the checks

    experiment, machine = read_clip_experiment(arguments), read_machine(arguments)
    if experiment.settings.epoch_lambda and experiment.settings.weights == "none":
        print("without --weights there is no knowledge to keep: the first teacher is a network with random weights")
    folder = arguments.output or clip_run_folder(experiment)
    if is_first_process():
        split = experiment.split
        print(
            f"split {split.number} of {split.name}: {counted(len(split.training), 'video')} to "
            f"train on, {len(split.validation)} "
            "of the training list for validation; the test list is not looked at",
            flush=True,
        )
    model = train(experiment, folder, machine)
    if is_first_process():
        print(f"model: {model}")
        print(f"test it with: {shlex.join(['video-triplet', 'test-clips', str(model), *same_frames(arguments)])}")
    return 0


def refuse_mistakes(arguments: argparse.Namespace) -> None:
    """Refuse what can be seen to be wrong without torch: the trainer's name, a preset, missing folders.

    Raises:
        DistillationError: of the kind that goes with it.
    """
    require_video_trainer(arguments.trainer, "clips")
    if arguments.preset:
        find_preset(arguments.preset, CLIP_PRESETS)
    refuse_missing_data(arguments)


def same_frames(arguments: argparse.Namespace) -> list[str]:
    """Return the options with which another command reads the frames that this one read."""
    words = ["--data", str(arguments.data)]
    words += ["--annotations", str(arguments.annotations)] if arguments.annotations else []
    if arguments.cache:
        words += ["--cache", str(arguments.cache)]
    else:
        words += ["--size", *map(str, arguments.size), "--fit", arguments.fit]
    return [*words, "--sound-only"] if arguments.sound_only else words


def clip_run_folder(experiment: ClipExperiment) -> Path:
    """Return where a run's files go where no folder is given."""
    return CLIP_RUNS / experiment.trainer / f"{experiment.split.name}_split_{experiment.split.number}"


def read_clip_experiment(arguments: argparse.Namespace) -> ClipExperiment:
    """Read and check everything that the training needs."""
    from video_triplet.trainers.clip_experiment import ClipExperiment, find_clip_trainer

    given: dict[str, Any] = {**(find_preset(arguments.preset, CLIP_PRESETS) if arguments.preset else {})}
    given |= given_options(arguments, ClipSettings)
    settings = find_clip_trainer(arguments.trainer).read_settings(given)
    dataset, source = read_clips(arguments)
    split = read_clip_split(arguments, dataset, choose_epoch=settings.choose_epoch)
    return ClipExperiment(arguments.trainer, settings, dataset, split, source)
