"""One process at a time works on a run; what a killed one left is told from what is alive."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from study_workplace import members_alive

from nnunet_dsd.ablation import claims
from nnunet_dsd.ablation.claims import claimed, is_claimed

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")

# A process that claims a run and starts a program that inherits the claim, as a study does.
HOLDER = """
import subprocess, sys, time
from pathlib import Path
from nnunet_dsd.ablation.claims import claimed
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


def test_a_claim_of_another_machine_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / ".lock"
    lock.write_text(json.dumps({"host": f"not-{socket.gethostname()}", "process": 1, "group": None}))
    assert is_claimed(lock)
    monkeypatch.setattr(claims, "take_lock", lambda descriptor, path: False)
    with claimed(lock) as claim:
        assert claim is None


def wait_until_ended(pid: int) -> None:
    for _ in range(100):
        if not claims._is_alive(pid):
            return
        time.sleep(0.05)
    raise AssertionError(f"{pid} lives")
