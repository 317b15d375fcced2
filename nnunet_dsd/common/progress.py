"""Progress of long work on the terminal; silent in continuous integration and where there is no terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nnunet_dsd.common.machine import progress_is_shown

Item = TypeVar("Item")


def track(items: Iterable[Item], *, total: int | None, description: str) -> Iterator[Item]:
    """Yield the items, with a bar on standard error."""
    with _bar() as bar:
        yield from bar.track(items, total=total, description=description)


@contextmanager
def progress_of(description: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on standard error; give the function to call with how much is done so far, and of how much."""
    with _bar() as bar:
        task = bar.add_task(description, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        disable=not progress_is_shown(),
        transient=True,
    )
