"""Results that are there already: never written over without being asked.

The rule of every command that writes results to a place of the user's: what is there stays, and is an error, unless
`--overwrite` is given. Commands that go on where a killed run stopped, such as `train`, `prepare` and `soft-labels`, do
so; reports that are of the moment, such as those of `check --json`, are replaced.
"""

from __future__ import annotations

import argparse


def add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")
