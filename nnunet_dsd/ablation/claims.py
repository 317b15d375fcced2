"""One process at a time works on a run; others pass it over.

The lock is a file lock that the started program inherits. Where the study's process is killed, its training goes on
and holds the lock until it ends. nnU-Net's augmentation workers can outlive a training that was killed; they are ended
by the next process that wants the run. A process group's number is not given to others while it has members, so
ending it is safe.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from nnunet_dsd.common.files import take_lock

PATIENCE_SECONDS = 20.0


@dataclass(frozen=True)
class Note:
    """Who works on a run: the machine, its process, and the process group of the program that it runs."""

    host: str
    process: int
    group: int | None = None


@dataclass(frozen=True)
class Claim:
    """A run that this process works on.

    Attributes:
        path: The lock file; holds a `Note`.
        descriptor: Of the locked file; a started program inherits it.
    """

    path: Path
    descriptor: int

    def note(self, group: int | None = None) -> None:
        """Write down who works on the run, for a process that finds the lock held."""
        note = Note(socket.gethostname(), os.getpid(), group)
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, json.dumps(asdict(note)).encode())


@contextmanager
def claimed(path: Path) -> Iterator[Claim | None]:
    """Yield the claim on a run, or None where another process works on it.

    Raises:
        SetupError: if there are no locks where the file lies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not take_lock(descriptor, path) and not _freed(descriptor, path):
            yield None
            return
        claim = Claim(path, descriptor)
        claim.note()
        try:
            yield claim
        finally:
            os.ftruncate(descriptor, 0)
    finally:
        os.close(descriptor)


def is_claimed(path: Path) -> bool:
    """Tell whether a run is being worked on, without touching its lock; on another machine: as far as is noted."""
    noted = _noted(path)
    if noted is None:
        return False
    if noted.host != socket.gethostname():
        return True
    return _is_alive(noted.process) or (noted.group is not None and _is_alive(noted.group))


def _freed(descriptor: int, path: Path) -> bool:
    """End the workers that a killed training left, if that is what holds the lock; return whether it was taken."""
    noted = _noted(path)
    if noted is None or noted.group is None or is_claimed(path):
        return False
    with suppress(ProcessLookupError):
        os.killpg(noted.group, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not take_lock(descriptor, path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _noted(path: Path) -> Note | None:
    try:
        return Note(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):  # no such file, or nobody is at work
        return None


def _is_alive(process: int) -> bool:
    """Tell whether a process runs; one that has ended but was not waited for does not."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    with suppress(OSError):
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return True
