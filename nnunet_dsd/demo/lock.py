"""One demo at a time in a folder; what a killed demo left running is ended before the next one starts.

The lock is a file lock that the started programs inherit, so it is held as long as any of them lives. (nnU-Net's
augmentation workers outlive a training that was killed.) The file names the demo's process and the process group of
the program it runs; a group's number is not given to others while it has members, so ending it is safe.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import take_lock

PATIENCE_SECONDS = 20.0


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, once leftovers of a killed demo have ended.

    Raises:
        SetupError: if another demo holds it, or there are no locks where it lies.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(descriptor, True)
    try:
        if not take_lock(descriptor, path):
            _end_leftovers(path)
            _wait_for(descriptor, path)
        path.write_text(f"{os.getpid()}\n", encoding="utf-8")
        yield
        path.write_text("", encoding="utf-8")
    finally:
        os.close(descriptor)


def note_group(path: Path, group: int) -> None:
    """Note the process group of the program that now runs, for a demo that finds the lock held."""
    path.write_text(f"{os.getpid()}\n{group}\n", encoding="utf-8")


def _end_leftovers(path: Path) -> None:
    noted = [int(word) for word in path.read_text(encoding="utf-8").split()]
    if len(noted) < 2 or _is_alive(noted[0]):
        raise SetupError(
            f"Another demo is at work in {path.parent}. Wait for it, end it, or give another folder with -o."
        )
    with suppress(ProcessLookupError):
        os.killpg(noted[1], signal.SIGKILL)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _wait_for(descriptor: int, path: Path) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not take_lock(descriptor, path):
        if time.monotonic() > deadline:
            raise SetupError(
                f"A program that a killed demo left still holds {path}. End it, or give another folder with -o."
            )
        time.sleep(0.2)
