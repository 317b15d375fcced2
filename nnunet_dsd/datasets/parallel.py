"""The same work for many cases in several processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import TypeVar

import SimpleITK as sitk
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.machine import progress_is_shown

Item = TypeVar("Item")
Result = TypeVar("Result")


def for_each(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int, description: str
) -> list[Result]:
    """Return `work(item)` for each item, in order.

    Args:
        work: a function of a module, or a `functools.partial` of one: it goes to other processes.
        items: what to work on.
        processes: how many at a time; 1 works in this process.
        description: what the progress bar on standard error says; there is none where there is no terminal.

    Raises:
        SetupError: if a process was killed.
    """
    with _progress() as progress:
        task = progress.add_task(description, total=len(items))
        if processes == 1 or len(items) < 2:
            return [_advance(progress, task, work(item)) for item in items]
        return _in_processes(work, items, min(processes, len(items)), lambda: progress.advance(task))


def _advance(progress: Progress, task: TaskID, result: Result) -> Result:
    progress.advance(task)
    return result


def _in_processes(
    work: Callable[[Item], Result], items: Sequence[Item], processes: int, advance: Callable[[], None]
) -> list[Result]:
    with process_pool(processes) as executor:
        futures = [executor.submit(work, item) for item in items]
        for future in as_completed(futures):
            future.result()
            advance()
        return [future.result() for future in futures]


def _nothing() -> None:
    pass


@contextmanager
def process_pool(processes: int, *, prepare: Callable[[], None] = _nothing) -> Iterator[ProcessPoolExecutor]:
    """Give processes that leave interrupts to this one and end with it, however it ends.

    Args:
        processes: how many.
        prepare: a function of a module that each calls first.

    Raises:
        SetupError: if a process was killed.
    """
    # Spawned, because forking a process with threads (SimpleITK's, the progress bar's) may lock up.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, initializer=_start_worker, initargs=(prepare,))
    try:
        yield executor
    except BrokenProcessPool as error:
        raise SetupError(
            f"one of {processes} processes was killed, most often for lack of memory; give fewer with --processes"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker(prepare: Callable[[], None]) -> None:
    """Leave interrupts to the parent, end with it, and take one core."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(1)
    prepare()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _progress() -> Progress:
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
