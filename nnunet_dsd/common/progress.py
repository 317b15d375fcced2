"""Progress of long work on the terminal; silent in continuous integration and where there is no terminal."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from rich.console import Console
from rich.progress import track as rich_track

from nnunet_dsd.common.machine import progress_is_shown

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int | None, description: str) -> Iterator[Item]:
    """Yield the items, with a bar on standard error."""
    shown = progress_is_shown()
    yield from rich_track(
        items, description, total=total, console=Console(stderr=True), disable=not shown, transient=True
    )
