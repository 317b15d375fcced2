"""Progress of long work on the terminal; silent in continuous integration and where there is no terminal."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

Item = TypeVar("Item")


def is_shown() -> bool:
    """Return whether progress bars are shown: on a terminal, and not where CI is set."""
    return sys.stderr.isatty() and os.environ.get("CI", "").lower() not in ("1", "true")


def track(items: Iterable[Item], *, total: int | None, description: str) -> Iterator[Item]:
    """Yield the items, with a bar on standard error."""
    shown = is_shown()
    yield from rich_track(
        items, description, total=total, console=Console(stderr=True), disable=not shown, transient=True
    )
