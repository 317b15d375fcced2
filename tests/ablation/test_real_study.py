"""A study with nnU-Net's own commands on a phantom, killed in the middle; minutes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nnunet_dsd.datasets.phantom import write_phantom_dataset
from nnunet_dsd.evaluation.export import read_evaluation_json

pytestmark = pytest.mark.slow

DATASET = "Dataset097_Phantom"
TRAINERS = ("nnUNetTrainerBasic", "nnUNetTrainerDSD")
BUDGET = {"epochs": 3, "iterations_per_epoch": 4, "validation_iterations_per_epoch": 1, "save_every": 1}
STUDY = {
    "name": "real",
    "dataset": "97",
    "configuration": "3d_fullres",
    "plans": {"tiny": {"settings": BUDGET, "patch_size": [16, 40, 40], "batch_size": 2, "width": 0.25}},
    "trainers": list(TRAINERS),
    "evaluate_on": "test",
    "baseline": "nnUNetTrainerBasic",
    "device": "cpu",
}


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    folders = {name: str(tmp_path / name) for name in ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")}
    for folder in folders.values():
        Path(folder).mkdir()
    write_phantom_dataset(tmp_path / "nnUNet_raw" / DATASET, training_cases=5, test_cases=2, seed=1)
    quick = {"nnUNet_n_proc_DA": "1", "nnUNet_def_n_proc": "1", "OMP_NUM_THREADS": "1", "nnUNet_compile": "f"}
    environment = {**os.environ, **folders, **quick}
    words = ["nnUNetv2_plan_and_preprocess", "-d", "97", "-c", "3d_fullres", "-npfp", "1", "-np", "1"]
    subprocess.run(words, check=True, env=environment, stdout=subprocess.DEVNULL)
    (tmp_path / "study.json").write_text(json.dumps(STUDY))
    return environment


def start(folder: Path, environment: dict[str, str]) -> subprocess.Popen[str]:
    words = [sys.executable, "-m", "nnunet_dsd", "ablate", str(folder / "study.json"), "-o", str(folder / "study")]
    return subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.timeout(1800)
def test_a_real_study_goes_on_after_a_kill_and_ends_in_a_report(tmp_path: Path, environment: dict[str, str]) -> None:
    models = [tmp_path / "nnUNet_results" / DATASET / f"{name}__real_tiny_seed1__3d_fullres" for name in TRAINERS]
    first, second = (model / "fold_0" for model in models)
    process = start(tmp_path, environment)
    deadline = time.monotonic() + 900
    while not (second / "checkpoint_latest.pth").is_file():
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.1)
    group = json.loads((models[1] / ".fold_0.lock").read_text())["group"]
    process.kill()
    os.killpg(group, signal.SIGKILL)
    process.wait()
    trained = (first / "checkpoint_final.pth").stat().st_mtime_ns
    assert not (second / "checkpoint_final.pth").exists()

    process = start(tmp_path, environment)
    said, _ = process.communicate(timeout=900)
    assert process.returncode == 0, said
    assert (first / "checkpoint_final.pth").stat().st_mtime_ns == trained
    log = (tmp_path / "study" / "logs" / f"{models[1].name}__fold_0-train.txt").read_text()
    assert log.count("$ nnUNetv2_train") == 2
    assert "-device cpu --c  #" in log
    assert not (second / "checkpoint_latest.pth").exists()
    for model in models:
        evaluation = read_evaluation_json(
            tmp_path / "study" / "evaluations" / f"{model.name}__fold_0" / "evaluation.json"
        )
        assert evaluation.cases == ("phantom_test_000", "phantom_test_001")
    compared = json.loads((tmp_path / "study" / "report" / "comparison.json").read_text())
    assert all(name in json.dumps(compared) for name in TRAINERS)
    assert (tmp_path / "study" / "report" / "report.html").is_file()
