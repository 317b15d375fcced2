"""The same work for many items, in this process or in several, which end with this one however it ends."""

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

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.progress import track

KILLED = "one of {processes} processes was killed, most often for lack of memory; give fewer with --processes"
Item = TypeVar("Item")
Result = TypeVar("Result")


def as_done(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int, at_once: int = 1, killed: str = KILLED
) -> Iterator[tuple[int, Result]]:
    """Yield the number of each item and `work(item)`: in their order, or from several processes as they are done.

    Processes are spawned, so a script that asks for them guards its main part by `if __name__ == "__main__"`. The first
    error of any item is raised, and no item is begun after it.

    Args:
        work: A function of a module, or a `functools.partial` of one: it goes to other processes.
        items: What to work on.
        processes: How many at a time; 0 or 1, or too few items for two, works in this process.
        at_once: How many items go to a process together.
        killed: What to say if a process was killed; `{processes}` stands for their number.

    Raises:
        SetupError: if a process was killed.
    """
    starts = range(0, len(items), at_once)
    processes = min(processes, len(starts))
    if processes < 2:
        yield from enumerate(map(work, items))
        return
    with _pool(processes, killed) as pool:
        begun = {pool.submit(_several, work, items[start : start + at_once]): start for start in starts}
        for future in as_completed(begun):
            yield from enumerate(future.result(), begun[future])


def in_order(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int, at_once: int = 1, killed: str = KILLED
) -> Iterator[Result]:
    """Yield `work(item)` for each item in their order, each as soon as it and those before it are done.

    Arguments and errors as of `as_done`.
    """
    waiting: dict[int, Result] = {}
    following = 0
    for number, result in as_done(work, items, processes=processes, at_once=at_once, killed=killed):
        waiting[number] = result
        while following in waiting:
            yield waiting.pop(following)
            following += 1


def for_each(
    work: Callable[[Item], Result], items: Sequence[Item], *, processes: int, description: str
) -> list[Result]:
    """Return `work(item)` for each item in their order; `description` stands before the progress bar.

    Other arguments and errors as of `as_done`.
    """
    done = dict(track(as_done(work, items, processes=processes), total=len(items), description=description))
    return [done[number] for number in range(len(items))]


def _several(work: Callable[[Item], Result], items: Sequence[Item]) -> list[Result]:
    return [work(item) for item in items]


@contextmanager
def _pool(processes: int, killed: str) -> Iterator[ProcessPoolExecutor]:
    # Spawned, because forking a process with threads (SimpleITK's, the progress bar's) may lock up.
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(processes, context, initializer=_start_worker)
    try:
        yield executor
    except BrokenProcessPool as error:
        raise SetupError(killed.format(processes=processes)) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start_worker() -> None:
    """End silently at an interrupt, and with the parent, which a killed one could not tell; take one core."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ["ITK_GLOBAL_DEFAULT_NUMBER_OF_THREADS"] = "1"  # SimpleITK reads it at its first use


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
