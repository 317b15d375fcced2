"""The whole demo with programs that stand in for nnU-Net's: killed while it trains, and run again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from example_plans import example_plans

from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.steps.lock import is_claimed

PREPROCESS = """#!/bin/sh
folder="$nnUNet_preprocessed/Dataset990_Phantom"
mkdir -p "$folder" && cp PLANS "$folder/nnUNetPlans.json"
cp "$nnUNet_raw/Dataset990_Phantom/dataset.json" "$folder"
"""
TRAIN = """#!/bin/sh
echo "$@ in $nnUNet_results with $nnUNet_n_proc_DA" >> CALLS
fold="$nnUNet_results/Dataset990_Phantom/$5__$7__3d_fullres/fold_0"
mkdir -p "$fold/validation"
if [ ! -f "$fold/checkpoint_latest.pth" ]; then touch "$fold/checkpoint_latest.pth"; sleep 60; fi
touch "$fold/checkpoint_final.pth" "$fold/validation/summary.json"
"""
PREDICT = """#!/bin/sh
mkdir -p "$4" && cp "$nnUNet_raw/Dataset990_Phantom/labelsTs/"*.nii.gz "$4"
"""


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """An environment whose programs of nnU-Net are stand-ins; the first training never ends by itself."""
    (tmp_path / "plans.json").write_text(json.dumps({**example_plans(), "dataset_name": "Dataset990_Phantom"}))
    (tmp_path / "bin").mkdir()
    for name, text in {"plan_and_preprocess": PREPROCESS, "train": TRAIN, "predict": PREDICT}.items():
        program = tmp_path / "bin" / f"nnUNetv2_{name}"
        program.write_text(
            text.replace("PLANS", str(tmp_path / "plans.json")).replace("CALLS", str(tmp_path / "calls"))
        )
        program.chmod(0o755)
    path = os.pathsep.join((str(tmp_path / "bin"), str(Path(sys.executable).parent), os.environ["PATH"]))
    kept = {name: value for name, value in os.environ.items() if not name.startswith("nnUNet_")}
    return {**kept, "PATH": path, "CI": "true"}


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "nnunet_dsd", "demo", "-o", str(folder), "--cases", "5"]
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=folder.parent
    )


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_a_demo_killed_in_its_training_goes_on_with_it(tmp_path: Path, environment: dict[str, str]) -> None:
    folder = DemoFolder(tmp_path / "demo")
    killed = start(folder.root, environment)
    latest = folder.fold("nnUNetTrainerDSD") / "checkpoint_latest.pth"
    deadline = time.monotonic() + 120
    while not latest.is_file() and killed.poll() is None and time.monotonic() < deadline:
        time.sleep(0.1)
    killed.send_signal(signal.SIGKILL)
    said = killed.communicate()[0]
    assert latest.is_file(), said
    assert is_claimed(folder.lock)  # its training goes on without it
    again = start(folder.root, environment)
    said = again.communicate(timeout=200)[0]
    assert again.returncode == 0, said
    assert said.count("done earlier") == 3
    first, second = (tmp_path / "calls").read_text().splitlines()
    assert second == first.replace(" in ", " --c in ", 1)
    assert first.endswith(
        f"in {folder.root / 'nnUNet_results'} with 2"
    )  # its own folders, and a small machine's workers
    assert folder.report.is_file()
    assert not is_claimed(folder.lock)
