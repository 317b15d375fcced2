"""Running a program with its output in a log file."""

from __future__ import annotations

import os
import queue
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.steps.child_processes import describe_end, end_group, terminated_like_interrupted

POLL_SECONDS = 0.2


class StepFailedError(DistillationError, RuntimeError):
    """A step's program ended with an error; the message holds the end of its log."""


def run_logged(
    argv: Sequence[str],
    *,
    log: Path,
    environment: Mapping[str, str],
    on_line: Callable[[str], None],
    on_start: Callable[[int], None] = lambda group: None,
) -> None:
    """Run a program to its end; its output goes to `log`, appended, and line by line to `on_line`.

    If this process is interrupted or told to terminate, the program and its workers are ended too. They are a process
    group of their own, whose number goes to `on_start`.

    Raises:
        StepFailedError: if the program returns another status than 0.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    merged = {**os.environ, "PYTHONUNBUFFERED": "1", **environment}
    with log.open("a", encoding="utf-8") as file, terminated_like_interrupted():
        process = subprocess.Popen(
            argv,
            env=merged,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            close_fds=False,  # hands on the lock of the folder, see `lock.py`
        )
        try:
            on_start(process.pid)
            for line in _lines(process):
                file.write(line)
                file.flush()
                on_line(line.rstrip("\n"))
            status = process.wait()
        except BaseException:
            end_group(process)
            raise
    if status != 0:
        raise StepFailedError(failure_message(status, log))


def _lines(process: subprocess.Popen[str]) -> Iterator[str]:
    """Yield a program's lines as they come.

    A thread reads them: a signal that arrives just before a blocking read would wait for the next line, which may be
    minutes away.
    """
    lines: queue.SimpleQueue[str | None] = queue.SimpleQueue()

    def read() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    threading.Thread(target=read, daemon=True).start()
    while True:
        with suppress(queue.Empty):
            line = lines.get(timeout=POLL_SECONDS)
            if line is None:
                return
            yield line


def failure_message(status: int, log: Path) -> str:
    """Say how a step's program ended, and how to go on."""
    return f"the step {describe_end(status, log)}\nRun the same command again to continue here."
