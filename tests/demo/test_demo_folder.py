"""The demo writes to folders of its own only, one run at a time, and with enough room."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.demo.folder import check_disk_space, open_demo_folder, remove
from nnunet_dsd.demo.lock import locked, note_group


def test_a_new_and_an_empty_folder_become_the_demos_own(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/nested"):
        folder = open_demo_folder(tmp_path / name)
        assert open_demo_folder(tmp_path / name) == folder
        assert all(Path(path).parent == folder.root for path in folder.environment.values())


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(SetupError, match="was not made by the demo"):
        open_demo_folder(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="is a file"):
        open_demo_folder(tmp_path / "file")


def test_too_little_room_is_said_with_numbers(tmp_path: Path) -> None:
    folder = open_demo_folder(tmp_path / "demo")
    check_disk_space(folder, needed_bytes=1)
    with pytest.raises(SetupError, match=r"GB are free .* needs about 1000000000\.0 GB"):
        check_disk_space(folder, needed_bytes=10**18)


def test_cleaning_keeps_report_scores_and_logs(tmp_path: Path) -> None:
    folder = open_demo_folder(tmp_path / "demo")
    for path in (*folder.intermediate, folder.logs):
        (path / "sub").mkdir(parents=True)
    folder.report.write_text("x")
    remove(folder.intermediate)
    assert sorted(path.name for path in folder.root.iterdir()) == [".nnunet-dsd-demo", "logs", "report.html"]
    assert open_demo_folder(folder.root) == folder


def test_removing_a_link_leaves_what_it_points_to(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "data")
    remove((tmp_path / "link", tmp_path / "absent"))
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_a_second_demo_in_the_folder_is_refused_until_the_first_ends(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock"), pytest.raises(SetupError, match="Another demo is at work"):
        locked(tmp_path / ".lock").__enter__()
    with locked(tmp_path / ".lock"):
        pass


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_workers_that_a_killed_demo_left_are_ended_before_the_next_one_starts(tmp_path: Path) -> None:
    folder = open_demo_folder(tmp_path / "demo")
    worker = "import time; time.sleep(60)"
    program = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {worker!r}], close_fds=False); print(1)"
    demo = (
        "import os; from functools import partial; from pathlib import Path; from nnunet_dsd.demo.lock import *\n"
        "from nnunet_dsd.demo.processes import run_logged; import sys\n"
        f"lock = Path({str(folder.lock)!r})\n"
        f"with locked(lock): run_logged([sys.executable, '-c', {program!r}], log=lock.parent / 'log', "
        "environment={}, on_line=lambda line: os.kill(os.getpid(), 9), on_start=partial(note_group, lock))"
    )
    killed = subprocess.run([sys.executable, "-c", demo], check=False, stderr=subprocess.PIPE, text=True)
    assert killed.returncode == -9, killed.stderr
    group = int(folder.lock.read_text().split()[1])
    os.killpg(group, 0)
    with locked(folder.lock), pytest.raises(ProcessLookupError):
        wait_until_gone(group)
    assert folder.lock.read_text() == ""


def wait_until_gone(group: int) -> None:
    for _ in range(50):
        os.killpg(group, 0)
        time.sleep(0.1)


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_programs_of_a_demo_that_is_alive_are_not_ended(tmp_path: Path) -> None:
    with locked(tmp_path / ".lock"):
        program = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, start_new_session=True)
        note_group(tmp_path / ".lock", program.pid)
        with pytest.raises(SetupError, match="Another demo is at work"):
            locked(tmp_path / ".lock").__enter__()
        assert program.poll() is None
        program.communicate(b"\n")
