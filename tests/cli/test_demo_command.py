"""`nnunet-dsd demo` as a user runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.steps.markers import read_marker


def demo(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nnunet_dsd", "demo", *arguments], capture_output=True, text=True, check=False
    )


def test_help_is_quick_and_loads_neither_torch_nor_nnunet() -> None:
    code = (
        "import argparse, sys; from nnunet_dsd.cli import demo_command as c; c.add_arguments(argparse.ArgumentParser())"
        "; sys.exit(', '.join({'torch', 'nnunetv2', 'matplotlib', 'SimpleITK'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_folder_with_other_files_is_refused_without_a_traceback(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    done = demo("-o", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("nnunet-dsd demo: ")
    assert "was not made by the demo" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_trainer_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    done = demo("-o", str(tmp_path / "new"), "--trainer", "nnUNetTrainerDSDD")
    assert done.returncode == 1
    assert "nnUNetTrainerDSD" in done.stderr
    assert not (tmp_path / "new").exists()


@pytest.mark.slow
@pytest.mark.timeout(2400)
def test_the_whole_demo_segments_the_phantom_and_is_skipped_the_second_time(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    first = demo("-o", str(root))
    assert first.returncode == 0, first.stdout + first.stderr
    folder = DemoFolder(root)
    evaluation = read_evaluation_json(folder.scores_json)
    assert {structure.name for structure in evaluation.structures} == {"bulb", "tail"}
    for structure in evaluation.structures:
        assert evaluation.dice_summary(structure.name).mean > 0.8
    assert (folder.fold("nnUNetTrainerDSD") / "checkpoint_final.pth").is_file()
    assert folder.report.read_text(encoding="utf-8").count("<img") == 4
    second = demo("-o", str(root), "--clean")
    assert second.stdout.count("done earlier") == 6
    assert not folder.results.exists()
    assert folder.report.is_file()
    assert read_marker(folder.markers / "04_train.json") is None
