"""Files and folders that are written whole or not at all."""

from __future__ import annotations

import csv
import dataclasses
import errno
import io
import json
import math
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError, SetupError

PARTIAL_PREFIX = ".partial-"
PATIENCE_SECONDS = 15.0


@contextmanager
def exclusive(path: Path, *, busy: str) -> Iterator[None]:
    """Hold the lock on a file, made if it is not there; a process that ends in any way lets go of it.

    Args:
        path: The lock file.
        busy: What to say where another process holds it.

    Raises:
        SetupError: if another process holds it, and still does after `PATIENCE_SECONDS`: workers of a killed process
            hold what it held until they notice; or if there are no locks where the file lies.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not take_lock(descriptor, path):
            if time.monotonic() > deadline:
                raise SetupError(busy)
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def take_lock(descriptor: int, path: Path, *, shared: bool = False) -> bool:
    """Take the lock on an open file without waiting; return whether it was free. Windows has no such locks.

    Args:
        descriptor: Of the open file.
        path: Its path, for the message.
        shared: Others may share it.

    Raises:
        SetupError: if the file system has no locks, or refuses this one; without it two processes could do one work.
    """
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise SetupError(
            f"{path.parent} lies where files cannot be locked ({error.strerror}), so nothing would keep two processes "
            "from the same work; take a folder on a file system with locks, or mount this one with them (on Lustre "
            "the mount option flock)"
        ) from error
    return True


def lock_is_held(path: Path) -> bool:
    """Return whether a process holds the lock on a file that is there, now."""
    descriptor = os.open(path, os.O_RDWR)
    try:
        return not take_lock(descriptor, path, shared=True)  # so that two who look do not see each other
    finally:
        os.close(descriptor)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Yield a temporary path with the same ending next to `path`; move it to `path` if the block succeeds.

    A reader of `path` therefore finds the previous content or the complete new one, never a part of it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Yield a new temporary folder next to `path`; rename it to `path` if the block succeeds.

    `path` must not exist, or be empty. A killed process leaves a folder `.partial-...` and no `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def write_problem(folder: Path) -> str | None:
    """Return why a folder cannot be made or written to, found out by making one there; None where it can."""
    places = [folder.absolute(), *folder.absolute().parents]
    existing = next(path for path in places if os.path.exists(path))  # False too where looking is not allowed
    if not existing.is_dir():
        return f"{existing} is a file"
    if not os.access(existing, os.W_OK):
        return f"{existing} is read-only"
    name = "" if existing == places[0] else places[places.index(existing) - 1].name
    probe = existing / f"{PARTIAL_PREFIX}{os.getpid()}-probe-{name}"
    try:
        probe.mkdir(exist_ok=True)
        probe.rmdir()
    except PermissionError:
        return f"{existing} is read-only"
    except OSError as error:
        reason = "is read-only" if error.errno == errno.EROFS else f"takes no new folder ({error.strerror})"
        return f"{existing} {reason}"
    return None


def require_writable(folder: Path) -> None:
    """Refuse an output folder that cannot be made or written to, before the work rather than after it.

    Raises:
        SetupError: if it is a file, lies in one, or writing is not allowed.
    """
    if problem := write_problem(folder):
        raise SetupError(f"The results cannot be written to {folder}: {problem}. Give another folder with -o.")


def require_new_folder(folder: Path) -> None:
    """Check that nothing is in an output folder yet.

    Raises:
        DataError: if there is.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise DataError(f"{folder} is not empty; choose a new folder")


def refuse_overwriting(paths: Iterable[Path], *, overwrite: bool) -> None:
    """Refuse to write results where there are some, before the work rather than after it.

    Args:
        paths: Files that would be written.
        overwrite: Whether the user asked to replace them.

    Raises:
        SetupError: naming the first that is there.
    """
    there = [path for path in paths if path.exists()]
    if there and not overwrite:
        more = f" and {len(there) - 1} more of this command's results" if len(there) > 1 else ""
        raise SetupError(
            f"{there[0]}{more} would be written over; choose another place, or add --overwrite to replace what is there"
        )


def require_writable_file(path: Path) -> None:
    """Refuse an output file that cannot be written, before the work rather than after it.

    Raises:
        SetupError: if it is a folder, or the one it lies in cannot be made or written to.
    """
    problem = f"{path} is a folder" if path.is_dir() else write_problem(path.parent)
    if problem:
        raise SetupError(f"The results cannot be written to {path}: {problem}. Give another file with -o.")


def write_rows(path: Path, kind: type[Any], rows: Iterable[Any], *, columns: Mapping[str, str] | None = None) -> None:
    """Write dataclass instances as a CSV file, as a whole; undefined values (not-a-number) are empty cells.

    Args:
        path: The file.
        kind: The dataclass, whose fields are the columns.
        rows: Its instances.
        columns: Which fields are written, and what they are called; None writes all, by their names.
    """
    named = columns or {field.name: field.name for field in dataclasses.fields(kind)}
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(named.values())
    for row in rows:
        values = (getattr(row, name) for name in named)
        writer.writerow("" if isinstance(value, float) and math.isnan(value) else value for value in values)
    write_text(path, buffer.getvalue())


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text as a whole; names that Python could not decode are written as the bytes that they are."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="surrogateescape")


def write_json(path: Path, content: Any) -> None:
    """Write JSON as a whole, indented; not-a-number is refused by the format, so callers pass None instead."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")
