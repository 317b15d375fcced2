"""Entry point of `nnunet-dsd`: finds the subcommand, runs it, prints our own errors without a traceback."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from typing import Protocol, cast

from nnunet_dsd import __version__
from nnunet_dsd.errors import DistillationError

SUBCOMMANDS = (
    "list", "env", "doctor", "plan", "size", "export", "demo", "ablate", "convert", "evaluate", "compare", "gradcam",
)  # fmt: skip


class Subcommand(Protocol):
    """What a module in this folder offers."""

    SUMMARY: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add this subcommand's arguments to its parser."""

    def run(self, arguments: argparse.Namespace) -> int:
        """Do the work and return the exit status."""


def load_subcommand(name: str) -> Subcommand:
    """Import the module of one subcommand; heavy libraries wait until it runs."""
    return cast(Subcommand, importlib.import_module(f"nnunet_dsd.cli.{name}_command"))


def build_parser() -> argparse.ArgumentParser:
    """Build the parser with every subcommand's arguments."""
    parser = argparse.ArgumentParser(prog="nnunet-dsd", description="Self-distillation for unforked nnU-Net v2.")
    parser.add_argument("--version", action="version", version=f"nnunet-dsd {__version__}")
    subparsers = parser.add_subparsers(dest="subcommand", required=True, metavar="COMMAND")
    for name in SUBCOMMANDS:
        subcommand = load_subcommand(name)
        subparser = subparsers.add_parser(name, help=subcommand.SUMMARY, description=subcommand.SUMMARY)
        subcommand.add_arguments(subparser)
        subparser.set_defaults(run=subcommand.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run `nnunet-dsd` and return its exit status: 0 done, 1 refused with a message, 2 wrong usage, 130 interrupted."""
    arguments = build_parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except DistillationError as error:
        print(f"nnunet-dsd {arguments.subcommand}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("nnunet-dsd: interrupted", file=sys.stderr)
        return 130
