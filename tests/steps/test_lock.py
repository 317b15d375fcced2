"""One process at a time works on a run; what a killed one left is told from what is alive."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from study_workplace import members_alive

from nnunet_dsd.steps import lock as locks
from nnunet_dsd.steps.lock import claimed, is_claimed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")

# A process that claims a run and starts a program that inherits the claim, as a study does.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from nnunet_dsd.steps.lock import claimed
with claimed(Path(sys.argv[1])) as claim:
    program = subprocess.Popen(
        [sys.executable, "-c", sys.argv[2]], start_new_session=True, pass_fds=(claim.descriptor,),
        stdout=subprocess.PIPE, text=True, env={"CLAIM": str(claim.descriptor)},
    )
    claim.note(program.pid)
    program.stdout.readline()
    print(program.pid, flush=True)
    time.sleep(60)
"""
TRAINING = "import time; print('ready', flush=True); time.sleep(60)"
# A training that starts a worker, which inherits the claim as nnU-Net's do.
TRAINING_WITH_WORKER = (
    "import os, subprocess, sys, time; "
    "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'], pass_fds=(int(os.environ['CLAIM']),)); "
    "print('ready', flush=True); time.sleep(60)"
)


def holder(lock: Path, program: str = TRAINING) -> tuple[subprocess.Popen[str], int]:
    process = subprocess.Popen([sys.executable, "-c", HOLDER, str(lock), program], stdout=subprocess.PIPE, text=True)
    return process, int(process.stdout.readline())


def kill(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()


def test_a_run_is_claimed_once_and_free_afterwards(tmp_path: Path) -> None:
    lock = tmp_path / "model" / ".lock"
    assert not is_claimed(lock)
    with claimed(lock) as claim, claimed(lock) as second:
        assert claim is not None
        assert second is None
        assert is_claimed(lock)
    assert not is_claimed(lock)
    with claimed(lock) as claim:
        assert claim is not None


def test_a_run_of_a_living_process_stays_claimed_and_its_program_lives(tmp_path: Path) -> None:
    process, program = holder(tmp_path / ".lock")
    try:
        with claimed(tmp_path / ".lock") as claim:
            assert claim is None
        os.kill(program, 0)
    finally:
        os.killpg(program, signal.SIGKILL)
        kill(process)


def test_a_training_that_outlives_its_killed_study_keeps_the_claim_until_it_ends(tmp_path: Path) -> None:
    process, program = holder(tmp_path / ".lock")
    kill(process)
    with claimed(tmp_path / ".lock") as claim:
        assert claim is None
    assert is_claimed(tmp_path / ".lock")
    os.killpg(program, signal.SIGKILL)
    wait_until_ended(program)
    with claimed(tmp_path / ".lock") as claim:
        assert claim is not None


def test_workers_that_outlive_a_killed_training_are_ended(tmp_path: Path) -> None:
    process, program = holder(tmp_path / ".lock", TRAINING_WITH_WORKER)
    kill(process)
    os.kill(program, signal.SIGKILL)
    wait_until_ended(program)
    os.killpg(program, 0)  # the worker is still there
    with claimed(tmp_path / ".lock") as claim:
        assert claim is not None
    assert not members_alive(program)


@pytest.fixture
def ended(tmp_path: Path) -> int:
    """The number of a process that has ended and is not given to another one."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


@pytest.fixture
def group() -> Iterator[subprocess.Popen[bytes]]:
    """The leader of a process group of this machine that lives."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    yield process
    kill(process)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody holds every lock, as on a disk that is shared with another machine."""
    monkeypatch.setattr(locks, "take_lock", lambda descriptor, path: False)
    monkeypatch.setattr(locks, "PATIENCE_SECONDS", 0.2)


@pytest.mark.parametrize("end_program", [False, True])
def test_no_group_dies_for_a_lock_that_another_machine_noted(
    tmp_path: Path, ended: int, group: subprocess.Popen[bytes], held: None, end_program: bool
) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"host": f"not-{socket.gethostname()}", "process": ended, "group": group.pid}))
    with claimed(lock, end_program=end_program) as claim:
        assert claim is None
    with pytest.raises(subprocess.TimeoutExpired):
        group.wait(0.5)


def test_a_claim_of_another_machine_is_believed_though_no_such_process_is_here(tmp_path: Path, ended: int) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"host": f"not-{socket.gethostname()}", "process": ended, "group": None}))
    assert is_claimed(lock)


def test_an_ended_process_of_this_machine_claims_nothing(tmp_path: Path, ended: int) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"host": socket.gethostname(), "process": ended, "group": None}))
    assert not is_claimed(lock)


@pytest.mark.parametrize("text", ["", "12\n13\n", "[1, 2]", '{"host": "x"}'])
def test_a_held_lock_whose_note_cannot_be_read_is_left_alone(tmp_path: Path, held: None, text: str) -> None:
    (tmp_path / ".lock").write_text(text)
    with claimed(tmp_path / ".lock", end_program=True) as claim:
        assert claim is None


def test_a_program_that_outlives_its_killed_process_is_ended_where_that_is_asked_for(tmp_path: Path) -> None:
    process, program = holder(tmp_path / ".lock")
    kill(process)
    with claimed(tmp_path / ".lock", end_program=True) as claim:
        assert claim is not None
    assert not members_alive(program)


def test_a_program_of_a_living_process_is_never_ended(tmp_path: Path) -> None:
    process, program = holder(tmp_path / ".lock")
    try:
        with claimed(tmp_path / ".lock", end_program=True) as claim:
            assert claim is None
        os.kill(program, 0)
    finally:
        os.killpg(program, signal.SIGKILL)
        kill(process)


def wait_until_ended(pid: int) -> None:
    for _ in range(100):
        if not locks._is_alive(pid):
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} lives")
