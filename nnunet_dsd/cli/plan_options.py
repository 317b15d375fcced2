"""The options of `nnunet-dsd plan` that are settings: grouped by method, and held to what one trainer reads."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from nnunet_dsd.common.command_line import ShapesHelp
from nnunet_dsd.common.declared_settings import add_setting_options, given_options
from nnunet_dsd.common.errors import RegistryError, SettingsError
from nnunet_dsd.config.settings import PART_OF, PARTS
from nnunet_dsd.registry import all_trainers, require_segmentation_trainer
from nnunet_dsd.trainers.readers import described_readers, readers_of_part

STOCK = "nnUNetTrainer"


class ForTrainer(ShapesHelp):
    """The option that names a trainer; `--help` then shows only the settings that this trainer reads."""

    def shape_help(self, parser: argparse.ArgumentParser, words: Sequence[str]) -> None:
        """Hide the settings that the trainer named in `words` does not read, and groups without any other.

        Raises:
            argparse.ArgumentError: if there is no such trainer, or it does not say what it reads.
        """
        given = [after for word, after in zip(words, [*words[1:], None], strict=True) if word == "--for"]
        given += [word.partition("=")[2] for word in words if word.startswith("--for=")]
        if not given or given[-1] is None:
            return
        try:
            read = settings_read_by(given[-1])
        except (RegistryError, SettingsError) as error:
            raise argparse.ArgumentError(self, str(error)) from error
        for group in parser._action_groups:
            settings = [action for action in group._group_actions if action.dest in PART_OF]
            hidden = [action for action in settings if action.dest not in read]
            for action in hidden:
                action.help = argparse.SUPPRESS
            if settings and hidden == settings:
                group.title = group.description = argparse.SUPPRESS


def add_settings(parser: argparse.ArgumentParser) -> None:
    """Add `--for`, and one option per setting in a group for each method."""
    parser.add_argument(
        "--for",
        dest="trainer",
        action=ForTrainer,
        metavar="TRAINER",
        help="take only settings that this trainer reads (see `nnunet-dsd list`); with --help, show only these",
    )
    for part, owner in PARTS.items():
        group = parser.add_argument_group(f"{owner.title} (default in brackets)", readers_of_part(part))
        add_setting_options(group, owner)


def given_settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as options, by their names.

    Raises:
        RegistryError: if `--for` names no trainer for segmentation.
        SettingsError: listing the options that the trainer of `--for` would not read, with those that do.
    """
    given = {name: value for owner in PARTS.values() for name, value in given_options(arguments, owner).items()}
    if arguments.trainer is not None:
        read, entries = settings_read_by(arguments.trainer), all_trainers("segmentation")
        problems = [
            f"--{name.replace('_', '-')} is not read by {arguments.trainer}, but by {described_readers(name, entries)}"
            for name in given
            if name not in read
        ]
        if problems:
            raise SettingsError(problems, source=f"the options for {arguments.trainer}")
    return given


def settings_read_by(trainer: str) -> tuple[str, ...]:
    """Return the names of the settings that a trainer reads.

    Raises:
        RegistryError: if there is no such trainer for segmentation.
        SettingsError: if it does not say.
    """
    if trainer == STOCK:
        problem = f"{trainer} is nnU-Net's own and reads no settings; nnUNetTrainerStock is it and reads a budget"
        raise SettingsError([problem], source="--for")
    entry = require_segmentation_trainer(trainer)
    if entry.reads is None:
        raise SettingsError(
            [f"{trainer} does not say which settings it reads (`reads` of its entry); leave --for out"], source="--for"
        )
    return entry.reads


def add_named_settings(parser: argparse.ArgumentParser, title: str, names: Sequence[str]) -> None:
    """Add one option per setting that is named, in a group with a title."""
    group = parser.add_argument_group(f"{title} (default in brackets)")
    for part, owner in PARTS.items():
        add_setting_options(group, owner, [name for name in names if PART_OF[name] == part])


def given_named_settings(arguments: argparse.Namespace, names: Sequence[str]) -> dict[str, Any]:
    """Return the settings that were given as options of `add_named_settings`, by their names."""
    given = {name: getattr(arguments, name) for name in names}
    return {name: value for name, value in given.items() if value is not None}
