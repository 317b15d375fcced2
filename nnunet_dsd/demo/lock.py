"""One demo at a time in a folder, counting programs that a killed demo left running."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from nnunet_dsd.errors import SetupError


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock on `path`; the programs started meanwhile inherit it and hold it until they end.

    Raises:
        SetupError: if another demo, or a program it left, holds the lock.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(descriptor, True)
    try:
        _take(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _take(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # no such locks on Windows
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise SetupError(
            f"Another demo is at work in {path.parent}, or a training that a killed demo left is still ending. "
            "Wait for it, end it, or give another folder with -o."
        ) from error
