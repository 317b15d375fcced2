"""nnU-Net's own integrity check, planning and splits on converted data sets."""

import json
import subprocess
import sys

import numpy as np
import pytest
from made_up_sources import BRATS_JSON, OBLIQUE, brats_names, write_kits, write_lits, write_msd, write_volume

from nnunet_dsd.cli.main import main

pytestmark = pytest.mark.slow

# Asks nnU-Net's own trainer for the cases of a fold.
ASK_FOR_SPLIT = """
import json, sys, torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
folder, fold = sys.argv[1], int(sys.argv[2])
plans, dataset = (json.load(open(f"{folder}/{name}.json")) for name in ("nnUNetPlans", "dataset"))
plans["continue_training"] = False
trainer = nnUNetTrainer(plans, "3d_fullres", fold, dataset, device=torch.device("cpu"))
print("SPLIT", json.dumps(trainer.do_split()))
"""


def run(*command):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def plan(number, configuration="3d_fullres"):
    options = ("--verify_dataset_integrity", "-c", configuration, "-np", "1")
    printed = run("nnUNetv2_plan_and_preprocess", "-d", number, *options)
    assert "Error" not in printed
    assert "Warning" not in printed
    assert "verify_dataset_integrity Done" in printed


def split_of(folder, fold):
    printed = run(sys.executable, "-c", ASK_FOR_SPLIT, folder, fold)
    line = next(line for line in printed.splitlines() if line.startswith("SPLIT "))
    return json.loads(line.removeprefix("SPLIT "))


def write_hearts(folder):
    """Five oblique CT scans in MMWHS's layout, with every structure as a slab."""
    values = np.array([0, 205, 420, 500, 550, 600, 820, 850, 0], np.int16)
    label = np.repeat(values, 6)[None, None, :] * np.ones((40, 44, 1), np.int16)
    rng = np.random.default_rng(0)
    for number in range(1001, 1006):
        image = (rng.normal(0, 30, label.shape) + label / 2).astype(np.int16)
        for kind, array in (("image", image), ("label", label)):
            path = folder / "ct_train" / f"ct_train_{number}_{kind}.nii.gz"
            write_volume(path, array, spacing=(0.9, 0.9, 1.2), origin=(-20, 10, 3), direction=OBLIQUE)
    return folder


def test_nnunet_accepts_converted_hearts_and_uses_the_folds(tmp_path, nnunet):
    source = write_hearts(tmp_path / "mmwhs")
    assert main(["convert", "mmwhs", str(source), "-d", "20", "--incomplete", "--processes", "1"]) == 0
    folder = nnunet / "nnUNet_preprocessed" / "Dataset020_MMWHS"
    ours = json.loads((folder / "splits_final.json").read_text())
    plan(20)
    assert json.loads((folder / "splits_final.json").read_text()) == ours
    for fold in (0, 1):
        assert split_of(folder, fold) == [ours[fold]["train"], ours[fold]["val"]]
    spacing = json.loads((folder / "nnUNetPlans.json").read_text())["configurations"]["3d_fullres"]["spacing"]
    assert spacing == pytest.approx([2.0, 1.5, 1.5])


def test_nnunet_accepts_converted_tumours_as_regions_and_other_folds_are_its_own(tmp_path, nnunet):
    source = write_msd(tmp_path / "Task01", BRATS_JSON, names=brats_names(12), channels=4, shape=(24, 24, 24))
    words = ["-d", "1", "--test-cases", "2", "--validation-cases", "3", "--processes", "1"]
    assert main(["convert", "msd-brats", str(source), *words]) == 0
    folder = nnunet / "nnUNet_preprocessed" / "Dataset001_BrainTumour"
    (folder / "splits_final.json").unlink()  # planning copies the one beside the raw data
    ours = json.loads((nnunet / "nnUNet_raw" / "Dataset001_BrainTumour" / "splits_final.json").read_text())
    plan(1)
    assert split_of(folder, 0) == [ours[0]["train"], ours[0]["val"]]
    training, validation = split_of(folder, 1)
    assert (len(training), len(validation)) == (8, 2)  # nnU-Net's random 80:20, among the training cases alone
    assert set(training) | set(validation) == set(ours[0]["train"]) | set(ours[0]["val"])


def test_nnunet_trains_on_tumour_slices_and_its_predictions_of_the_fold_are_evaluated(tmp_path, nnunet, monkeypatch):
    write_kits(tmp_path / "kits" / "data", shape=(6, 48, 40))
    words = ["-d", "19", "--incomplete", "--tumour-slices", "--processes", "1"]
    assert main(["convert", "kits19", str(tmp_path / "kits"), *words]) == 0
    plan(19, "2d")
    name = "Dataset019_KiTS19TumourSlices"
    plans = json.loads((nnunet / "nnUNet_preprocessed" / name / "nnUNetPlans.json").read_text())
    assert list(plans["configurations"]) == ["2d"]
    assert plans["configurations"]["2d"]["normalization_schemes"] == ["NoNormalization"]
    assert plans["configurations"]["2d"]["spacing"] == pytest.approx([0.8, 0.7])
    tiny = ["--batch-size", "2", "--patch-size", "32", "32", "--width", "0.125", "--epochs", "1"]
    tiny += ["--iterations-per-epoch", "2", "--validation-iterations-per-epoch", "1"]
    assert main(["plan", "-d", "19", "-c", "2d", "-o", "tiny", *tiny]) == 0
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    run("nnUNetv2_train", 19, "2d", 0, "-tr", "nnUNetTrainerBasic", "-p", "tiny", "-device", "cpu")
    validation = nnunet / "nnUNet_results" / name / "nnUNetTrainerBasic__tiny__2d" / "fold_0" / "validation"
    fold = json.loads((nnunet / "nnUNet_raw" / name / "splits_final.json").read_text())[0]["val"]
    assert sorted(path.name for path in validation.glob("*.nii.gz")) == [f"{case}.nii.gz" for case in sorted(fold)]
    references = nnunet / "nnUNet_raw" / name / "labelsTr"
    words = ["--allow-missing", "--processes", "1", "-o", str(tmp_path / "evaluation")]
    assert main(["evaluate", str(validation), str(references), *words]) == 0
    scores = json.loads((tmp_path / "evaluation" / "evaluation.json").read_text())["scores"]
    assert sorted(score["case"] for score in scores) == sorted(fold)


def test_nnunet_accepts_converted_livers_and_kidneys_as_volumes(tmp_path, nnunet):
    write_lits(tmp_path / "lits", shape=(24, 28, 26), tumour_slices=(8, 9, 10))
    write_kits(tmp_path / "kits", shape=(24, 28, 26), tumour_slices=(8, 9, 10), cysts=True)
    options = ["--incomplete", "--processes", "1"]
    assert main(["convert", "lits", str(tmp_path / "lits"), "-d", "17", *options]) == 0
    assert main(["convert", "kits23", str(tmp_path / "kits"), "-d", "23", "--label-kind", "regions", *options]) == 0
    plan(17)
    plan(23)
