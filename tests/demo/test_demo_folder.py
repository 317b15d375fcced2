"""The demo writes to folders of its own only, one run at a time, and with enough room."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.demo.folder import check_disk_space, open_demo_folder
from nnunet_dsd.demo.pipeline import run_demo
from nnunet_dsd.demo.settings import DemoSettings
from nnunet_dsd.steps.lock import claimed
from nnunet_dsd.steps.markers import remove


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
    folder = open_demo_folder(tmp_path / "demo")
    with claimed(folder.lock) as claim:
        assert claim is not None
        with pytest.raises(SetupError, match="Another demo, or a program that a killed one left, is at work"):
            run_demo(DemoSettings(folder=folder.root), console=Console(file=io.StringIO()))
    assert sorted(path.name for path in folder.root.iterdir()) == [".lock", ".nnunet-dsd-demo"]


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_what_a_killed_demo_left_running_is_ended_before_the_next_one_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = open_demo_folder(tmp_path / "demo")
    demo = (
        "import os, sys; from pathlib import Path; from nnunet_dsd.steps.lock import claimed\n"
        "from nnunet_dsd.steps.program import run_logged\n"
        f"lock = Path({str(folder.lock)!r})\n"
        "with claimed(lock) as claim: run_logged((sys.executable, '-c', 'import time; print(1, flush=True); "
        "time.sleep(60)'), log=lock.parent / 'log', claim=claim, on_line=lambda line: os.kill(os.getpid(), 9))"
    )
    killed = subprocess.run([sys.executable, "-c", demo], check=False, stderr=subprocess.PIPE, text=True)
    assert killed.returncode == -9, killed.stderr
    group = json.loads(folder.lock.read_text())["group"]
    os.killpg(group, 0)
    monkeypatch.setattr("nnunet_dsd.demo.pipeline.check_disk_space", partial(check_disk_space, needed_bytes=10**18))
    with pytest.raises(SetupError, match="needs about"):
        run_demo(DemoSettings(folder=folder.root), console=Console(file=io.StringIO()))
    with pytest.raises(ProcessLookupError):
        wait_until_gone(group)
    assert folder.lock.read_text() == ""


def wait_until_gone(group: int) -> None:
    for _ in range(50):
        os.killpg(group, 0)
        time.sleep(0.1)
