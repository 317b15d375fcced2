"""Running a program with its output in a log file, which it goes on writing should this process be killed."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from types import FrameType
from typing import BinaryIO, NoReturn

from nnunet_dsd.ablation.claims import Claim
from nnunet_dsd.ablation.commands import Command, argv
from nnunet_dsd.errors import DistillationError

TAIL_LINES = 20
GRACE_SECONDS = 10
POLL_SECONDS = 0.1


class CommandFailedError(DistillationError, RuntimeError):
    """A program ended with an error; the message holds the end of its log."""


def run_logged(
    command: Command, *, log: Path, claim: Claim | None = None, on_line: Callable[[str], None] = lambda line: None
) -> None:
    """Run a command to its end; its output goes to `log`, appended, and line by line to `on_line`.

    If this process is interrupted or told to terminate, the program and its workers are ended too. If it is killed, the
    program goes on, and holds the claim until it ends.

    Raises:
        SetupError: if there is no such program.
        CommandFailedError: if it returns another status than 0.
    """
    words = argv(command)
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file, log.open("rb") as reader, _terminated_like_interrupted():
        file.write(f"$ {shlex.join(command)}  # {datetime.now():%Y-%m-%d %H:%M:%S}\n".encode())
        file.flush()
        reader.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            words,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=(claim.descriptor,) if claim and os.name != "nt" else (),  # Windows has no such locks
        )
        try:
            if claim:
                claim.note(process.pid)
            status = _watch(process, reader, on_line)
        except BaseException:
            _end_group(process)
            raise
    if status != 0:
        _end_group(process)  # workers that outlive it would hold the claim
        raise CommandFailedError(failure_message(command, status, log))


def failure_message(command: Command, status: int, log: Path) -> str:
    """Say how a program ended, with the last lines of its log and the log's path."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    listed = "\n".join(f"  | {line}" for line in lines)
    return f"{shlex.join(command)} {how}. The last lines of its log:\n{listed}\nThe whole log: {log}"


def _watch(process: subprocess.Popen[bytes], reader: BinaryIO, on_line: Callable[[str], None]) -> int:
    """Hand on the lines of a log until its program has ended, and return the program's status."""
    rest = b""
    while True:
        status = process.poll()
        *lines, rest = (rest + reader.read()).split(b"\n")
        for line in lines:
            on_line(line.decode(errors="replace"))
        if status is not None:
            return status
        time.sleep(POLL_SECONDS)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End a program started in a session of its own, together with its worker processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


@contextmanager
def _terminated_like_interrupted() -> Iterator[None]:
    """Let a request to terminate (SIGTERM) end this process by way of its `finally` blocks."""

    def stop(number: int, frame: FrameType | None) -> NoReturn:
        raise SystemExit(128 + number)

    try:
        previous = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not in the main thread: leave signals to whoever runs us
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous)
