"""Programs: found as a shell would, run with a log, ended with us."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps import program
from nnunet_dsd.steps.program import CommandFailedError, argv, run_logged


def script(folder: Path, name: str) -> Path:
    folder.mkdir()
    path = folder / name
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_in_an_activated_environment_the_first_on_the_path_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = script(tmp_path / "bin", "nnunet-dsd")
    monkeypatch.setenv("PATH", os.pathsep.join((str(first.parent), str(Path(sys.executable).parent))))
    assert argv(("nnunet-dsd", "list")) == [str(first), "list"]


def test_where_the_interpreter_was_called_by_its_path_its_own_program_comes_before_another_environments(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, own = script(tmp_path / "other", "nnunet-dsd"), script(tmp_path / "own", "nnunet-dsd")
    monkeypatch.setenv("PATH", str(other.parent))
    monkeypatch.setattr(program.sys, "executable", str(own.with_name("python")))
    assert argv(("nnunet-dsd", "list")) == [str(own), "list"]


def test_an_nnunet_command_runs_where_its_script_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program.shutil, "which", lambda name, path: None)
    command = argv(("nnUNetv2_train", "--help"))
    assert command[0] == sys.executable
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: nnUNetv2_train ")


def test_an_unknown_command_names_itself_and_what_to_do() -> None:
    with pytest.raises(SetupError, match=r"nnUNetv2_fly is neither on the PATH nor beside.*nnunet-dsd doctor"):
        argv(("nnUNetv2_fly",))


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    code = "import sys; [print('line', i) for i in range(50)]; print('to stderr', file=sys.stderr); sys.exit(4)"
    log = tmp_path / "logs" / "01_step.log"
    with pytest.raises(CommandFailedError) as caught:
        run_logged((sys.executable, "-c", code), log=log)
    message = str(caught.value)
    assert "status 4" in message
    assert "to stderr" in message
    assert "line 31\n" in message
    assert "line 30\n" not in message
    assert str(log) in message
    assert len(log.read_text().splitlines()) == 52  # the command, 50 lines, and what went to stderr


def test_lines_and_environment_pass_through(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import os; print(os.environ['nnUNet_raw']); print('zwei')"
    environment = {"nnUNet_raw": "/somewhere"}
    run_logged((sys.executable, "-c", code), log=tmp_path / "log", environment=environment, on_line=lines.append)
    assert lines == ["/somewhere", "zwei"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_this_process_ends_the_program_and_its_workers(tmp_path: Path, number: int) -> None:
    worker = "import time; time.sleep(60)"
    child = (
        "import subprocess, sys, time; "
        f"w = subprocess.Popen([sys.executable, '-c', {worker!r}]); print(w.pid, flush=True); time.sleep(60)"
    )
    outer = (
        "import sys; from pathlib import Path; from nnunet_dsd.steps.program import run_logged; "
        f"run_logged((sys.executable, '-c', {child!r}), log=Path({str(tmp_path / 'log')!r}), "
        "on_line=lambda line: print(line, flush=True))"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it, and so would this
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", outer], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    worker_pid = int(process.stdout.readline())
    process.send_signal(number)
    assert process.wait(30) != 0
    assert wait_until_gone(worker_pid)


def wait_until_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
