"""How programs that we start end: with us where we are told to stop, and with the end of their log where they fail."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

TAIL_LINES = 20
GRACE_SECONDS = 10


def describe_end(status: int, log: Path) -> str:
    """Say how a program ended, with the last lines of its log and the log's path."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()[-TAIL_LINES:]
    how = f"was ended by signal {-status}" if status < 0 else f"ended with status {status}"
    listed = "\n".join(f"  | {line}" for line in lines)
    return f"{how}. The last lines of its log:\n{listed}\nThe whole log: {log}"


def end_group(process: subprocess.Popen[Any]) -> None:
    """End a program started in a session of its own, together with its worker processes."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(GRACE_SECONDS)


@contextmanager
def terminated_like_interrupted() -> Iterator[None]:
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
