"""Entry point of `video-triplet`: finds the subcommand, runs it, prints our own errors without a traceback."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import warnings
from collections.abc import Sequence
from typing import Protocol, cast

from nnunet_dsd import __version__
from nnunet_dsd.errors import DistillationError

SUBCOMMANDS: tuple[str, ...] = (
    "list",
    "check",
    "splits",
    "prepare",
    "train",
    "select-teacher",
    "soft-labels",
    "predict",
    "ensemble",
    "cross-validate",
    "study-teachers",
    "evaluate",
    "analyse",
    "check-clips",
    "prepare-clips",
    "train-clips",
    "test-clips",
    "transfer-demo",
    "study-transfer",
    "demo",
)


class Subcommand(Protocol):
    """What a module in this folder offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add this subcommand's arguments to its parser."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


def load_subcommand(name: str) -> Subcommand:
    """Import the module of one subcommand (`soft-labels` is in `soft_labels_command`); heavy libraries wait."""
    return cast(Subcommand, importlib.import_module(f"video_triplet.cli.{name.replace('-', '_')}_command"))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with every subcommand's arguments."""
    parser = argparse.ArgumentParser(
        prog="video-triplet", description="Self-distilled recognition of surgical action triplets."
    )
    parser.add_argument("--version", action="version", version=f"video-triplet {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        subcommand = load_subcommand(name)
        subparser = subparsers.add_parser(name, help=subcommand.SUMMARY, description=subcommand.SUMMARY)
        subcommand.add_arguments(subparser)
        subparser.set_defaults(run=subcommand.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `video-triplet`; exit status 0 done, 1 refused with a message, 2 wrong usage, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    warnings.filterwarnings("ignore", category=FutureWarning, module="torch")
    try:
        return int(arguments.run(arguments))
    except DistillationError as error:
        print(f"video-triplet {arguments.subcommand}: {error}", file=sys.stderr)
        return 1
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return _reader_gone()
        print(f"video-triplet {arguments.subcommand}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("video-triplet: interrupted", file=sys.stderr)
        return 130


def _reader_gone() -> int:
    """Let the rest of the output go nowhere: its reader, such as `head`, has ended."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0
