"""Results that are there already: never written over without being asked.

The rule of every command that writes results to a place of the user's: what is there stays, and is an error, unless
`--overwrite` is given. Commands that go on where a killed run stopped, such as `train`, `prepare` and `soft-labels`, do
so; reports that are of the moment, such as those of `check --json`, are replaced.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from nnunet_dsd.common.errors import SetupError


def add_overwrite_option(parser: argparse.ArgumentParser) -> None:
    """Add `--overwrite`."""
    parser.add_argument("--overwrite", action="store_true", help="replace results that are there already")


def refuse_overwriting(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write results where there are some, before the work rather than after it.

    Args:
        paths: Files that would be written.
        overwrite: Whether the user asked to replace them.

    Raises:
        SetupError: naming the first that is there.
    """
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more of this command's results" if len(there) > 1 else ""
        raise SetupError(
            f"{there[0]}{more} would be written over; choose another place, or add --overwrite to replace what is there"
        )
