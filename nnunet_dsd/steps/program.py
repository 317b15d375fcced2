"""Runs a program with its output in a log file, which it goes on writing should this process be killed."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from datetime import datetime
from importlib.metadata import entry_points
from pathlib import Path
from typing import BinaryIO

from nnunet_dsd.common.errors import DistillationError, SetupError
from nnunet_dsd.steps.child_processes import describe_end, end_group, terminated_like_interrupted
from nnunet_dsd.steps.lock import Claim
from nnunet_dsd.steps.step import Words

POLL_SECONDS = 0.1


class CommandFailedError(DistillationError, RuntimeError):
    """A program ended with an error; the message holds the end of its log."""


def argv(command: Words) -> list[str]:
    """Return what to start for a command as a user types it.

    In an activated environment that is what a shell would start. Where this interpreter was called by its path, it is
    the program installed beside it, or what an installed package offers under that name.

    Raises:
        SetupError: if there is no such program.
    """
    name, *rest = command
    here = str(Path(sys.executable).parent)
    path = os.environ.get("PATH", os.defpath)
    found = shutil.which(name, path=path if here in path.split(os.pathsep) else os.pathsep.join((here, path)))
    return [found, *rest] if found else [sys.executable, "-c", launcher(name), *rest]


def launcher(name: str) -> str:
    """Return a line of Python that calls the function behind an installed console script.

    Raises:
        SetupError: if no installed package offers it.
    """
    offered = tuple(entry_points(group="console_scripts", name=name))
    if not offered:
        raise SetupError(
            f"the command {name} is neither on the PATH nor beside {sys.executable}, and no package installed there "
            "offers it; activate the environment nnU-Net is installed in (see `nnunet-dsd doctor`)"
        )
    module, _, function = offered[0].value.partition(":")
    return f"import sys; sys.argv[0] = {name!r}; from {module} import {function} as main; sys.exit(main())"


def run_logged(
    command: Words,
    *,
    log: Path,
    claim: Claim | None = None,
    environment: Mapping[str, str] | None = None,
    on_line: Callable[[str], None] = lambda line: None,
) -> None:
    """Run a command to its end; its output goes to `log`, appended, and line by line to `on_line`.

    If this process is interrupted or told to terminate, the program and its workers are ended too. If it is killed, the
    program goes on, and holds the claim until it ends.

    Args:
        command: As a user types it.
        log: Where its output goes.
        claim: On what it works on; the program inherits it.
        environment: Variables beyond this process's own.
        on_line: Gets each line of the output.

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
            env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
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
