"""Running a program with its output in a log file, which it goes on writing should this process be killed."""

from __future__ import annotations

import os
import shlex
import subprocess
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from nnunet_dsd.ablation.claims import Claim
from nnunet_dsd.ablation.commands import Command, argv
from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.steps.child_processes import describe_end, end_group, terminated_like_interrupted

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
    with log.open("ab") as file, log.open("rb") as reader, terminated_like_interrupted():
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
            end_group(process)
            raise
    if status != 0:
        end_group(process)  # workers that outlive it would hold the claim
        raise CommandFailedError(f"{shlex.join(command)} {describe_end(status, log)}")


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
