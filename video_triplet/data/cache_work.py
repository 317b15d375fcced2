"""How a cache is made, whatever is in it: one writer per folder, enough disk, jobs in several processes."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, TypeVar

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, exclusive

Progress = Callable[[int, int], None]
Result = TypeVar("Result")


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, and clear away what a killed run or worker has left half written.

    Raises:
        SetupError: if the folder cannot be written to, or another run is writing there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        raise SetupError(f"{folder} cannot be written to ({error.strerror}); choose another folder") from error
    busy = f"another run is writing to {folder}; wait for it, or choose another folder"
    with exclusive(folder / ".lock", busy=busy):
        _clear_partial_files(folder)
        try:
            yield
        finally:
            _clear_partial_files(folder)


def refuse_without_space(bytes_needed: int, folder: Path, *, contents: str) -> None:
    """Raise `SetupError` if the disk of an existing folder has less free space than `contents` need."""
    free = shutil.disk_usage(folder).free
    if bytes_needed > free:
        raise SetupError(
            f"the cache needs {bytes_needed / 1e9:.2f} GB for {contents}, but the "
            f"disk of {folder} has {free / 1e9:.2f} GB free; choose another folder, make room, or use a smaller size"
        )


def results(work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Result]:
    """Yield what `work` returns for each job: in this process in their order, or in several as they are done.

    Args:
        work: A function that can be pickled.
        jobs: Its arguments.
        workers: Processes; with 0 or 1, or a single job, this process.

    Raises:
        SetupError: if a process was killed.
    """
    if min(workers, len(jobs)) > 1:
        yield from _in_pool(work, jobs, workers)
    else:
        yield from (work(*job) for job in jobs)


def _in_pool(work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Result]:
    context = multiprocessing.get_context("spawn")  # fork is unsafe once a library has started threads
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_set_up_worker) as pool:
        try:
            futures: list[Future[Result]] = [pool.submit(work, *job) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise SetupError(
                "a decoding process was killed, perhaps for want of memory; use fewer workers and run it again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _set_up_worker() -> None:
    """Make a worker end silently at Ctrl-C, and when its parent is killed, which would leave it waiting forever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


def _clear_partial_files(folder: Path) -> None:
    for path in folder.rglob(f"{PARTIAL_PREFIX}*"):
        path.unlink(missing_ok=True)
