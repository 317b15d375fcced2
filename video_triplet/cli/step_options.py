"""Options of a study's command as options of the commands that are its steps, and how these are run."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Mapping, Sequence

from video_triplet.study.steps import Call, Options

DATA_OPTIONS = ("data", "phases", "cache")
SPLIT_OPTIONS = ("split", "protocol", "folds", "validation_videos", "split_seed")
MACHINE_OPTIONS = ("accelerator", "devices", "nodes", "precision", "workers")


def data_options(arguments: argparse.Namespace) -> Options:
    """Return what says where the frames are."""
    sound: Options = {"--sound-only": ()} if arguments.sound_only else {}
    return {**as_options(arguments, DATA_OPTIONS), **sound}


def as_options(arguments: argparse.Namespace, names: Sequence[str]) -> Options:
    """Return some arguments as options; those that were not given are left out."""
    values = {name: getattr(arguments, name) for name in names}
    return setting_options({name: value for name, value in values.items() if value is not None})


def setting_options(values: Mapping[str, object]) -> Options:
    """Return values as options, by the names of their settings."""
    return {f"--{name.replace('_', '-')}": (str(value),) for name, value in values.items()}


def step_caller(arguments: argparse.Namespace) -> Call:
    """Return what runs the steps: this process; on several devices one for each, which Lightning starts again."""
    from video_triplet.cli.main import main

    if arguments.devices * arguments.nodes == 1:
        return main
    return lambda words: subprocess.run([sys.executable, "-m", "video_triplet", *words], check=False).returncode
