"""One process at a time works on something; what a killed one left is told from what is alive.

The lock is a file lock that the started program inherits. Where this process is killed, its program goes on and holds
the lock until it ends. nnU-Net's augmentation workers can outlive a training that was killed; they are ended by the
next process that wants the lock. A process group's number is not given to others on its machine while it has members,
so ending it there is safe; a group of another machine is never touched.
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
    """Who holds a lock: the machine, its process, and the process group of the program that it runs."""

    host: str
    process: int
    group: int | None = None


@dataclass(frozen=True)
class Claim:
    """A lock that this process holds.

    Attributes:
        path: The lock file; holds a `Note`.
        descriptor: Of the locked file; a started program inherits it.
    """

    path: Path
    descriptor: int

    def note(self, group: int | None = None) -> None:
        """Write down who holds the lock, for a process that finds it held."""
        note = Note(socket.gethostname(), os.getpid(), group)
        os.ftruncate(self.descriptor, 0)
        os.lseek(self.descriptor, 0, os.SEEK_SET)
        os.write(self.descriptor, json.dumps(asdict(note)).encode())


@contextmanager
def claimed(path: Path, *, end_program: bool = False) -> Iterator[Claim | None]:
    """Yield the claim on what a lock stands for, or None where another process works on it.

    Args:
        path: The lock file.
        end_program: Whether a program that a killed process of this machine left running is ended; otherwise it
            goes on, and holds the lock.

    Raises:
        SetupError: if there are no locks where the file lies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if not take_lock(descriptor, path) and not _freed(descriptor, path, end_program=end_program):
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
    """Tell whether a lock is held, without touching it; on another machine: as far as is noted."""
    noted = _noted(path)
    if noted is None:
        return False
    if noted.host != socket.gethostname():
        return True
    return _is_alive(noted.process) or (noted.group is not None and _is_alive(noted.group))


def is_orphaned(path: Path) -> bool:
    """Tell whether a lock is held by a program alone, whose process on this machine was killed."""
    group = _left_group(path)
    return group is not None and _is_alive(group)


def _freed(descriptor: int, path: Path, *, end_program: bool) -> bool:
    """End what a killed process of this machine left, if that holds the lock; return whether the lock was taken."""
    group = _left_group(path)
    if group is None or (_is_alive(group) and not end_program):
        return False
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not take_lock(descriptor, path):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _left_group(path: Path) -> int | None:
    """Return the process group that a killed process of this machine left; None where there is none to touch."""
    noted = _noted(path)
    if noted is None or noted.host != socket.gethostname() or _is_alive(noted.process):
        return None
    return noted.group


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
