"""Two processes that train together hold equal weights, whatever the variant; one pair runs all jobs."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from soft_label_place import SoftLabelPlace
from trainer_workplace import (
    CLASSES,
    ON_NNUNET_NETWORKS,
    REGIONS_IGNORE,
    SETTINGS,
    read,
    same_weights,
    small_plans,
    write_model,
)

from nnunet_dsd.trainers.catalog import ENTRIES

SCRIPT = Path(__file__).with_name("distributed_training.py")
DETACHED = {"detach_teacher": True, "bottlenecks": "separate", "eta": 0.0}
JOBS = {
    f"{entry.name}_{kind}": {"trainer": entry.name, "batch_dice": kind == "batch_dice", "settings": {}}
    for index, entry in enumerate(entry for entry in ENTRIES if entry.name in ON_NNUNET_NETWORKS)
    for kind in ("batch_dice", "sample_dice")[slice(None) if index == 0 else slice(index % 2, index % 2 + 1)]
}
JOBS |= {
    "separate": {"trainer": "nnUNetTrainerDSD", "batch_dice": False, "settings": {"bottlenecks": "separate"}},
    "features": {"trainer": "nnUNetTrainerDSD", "batch_dice": True, "settings": {"alpha": 0.0, "feature_l2": 1e-3}},
    "detached": {"trainer": "nnUNetTrainerDSD", "batch_dice": False, "settings": DETACHED},
    "no_eta": {"trainer": "nnUNetTrainerDSD", "batch_dice": True, "settings": {"eta": 0.0}},
    "regions_ignore": {"trainer": "nnUNetTrainerDSD", "batch_dice": True, "settings": {}, "dataset": REGIONS_IGNORE},
    **{
        f"nnUNetTrainer{name}": {"trainer": f"nnUNetTrainer{name}", "batch_dice": False, "settings": {}, "patch": patch}
        for name, patch in (
            ("UNETR_DSD", [16, 20, 16]),
            ("SwinUNETR_DSD", [32, 40, 32]),
            ("VNet_DSD", [16, 20, 16]),
            ("DynUNet_DSD", [8, 16, 16]),
            ("UNETR_MISSU", [16, 20, 16]),
        )
    },
}
TEACHER = "nnUNetTrainerStock__teacher__3d_fullres"
JOBS["taught"] = {"trainer": "nnUNetTrainerHLFD", "batch_dice": False, "settings": {"feedback_teacher": TEACHER}}
JOBS["soft_labels"] = {"trainer": "nnUNetTrainerKD", "batch_dice": True, "settings": {"soft_labels": "soft"}}
ONLINE = {"soft_labels": "soft", "teacher_online": True, "kd_feature_weight": 0.05}
JOBS["soft_labels_online"] = {"trainer": "nnUNetTrainerKD", "batch_dice": False, "settings": ONLINE}
JOBS["taught_dynunet"] = JOBS["taught"] | {"trainer": "nnUNetTrainerDynUNet_HLFD"}
DISTILLED = [name for name in JOBS if not name.startswith(("nnUNetTrainerBasic", "nnUNetTrainerStock"))]


@pytest.fixture(scope="module")
def outcomes(data_folder, all_label_kinds, tmp_path_factory):
    """What both processes report of each job: `[rank 0, rank 1]`."""
    folder = tmp_path_factory.mktemp("data_parallel")
    (folder / "jobs.json").write_text(
        json.dumps({name: written_out(job, data_folder, folder) for name, job in JOBS.items()})
    )
    with pytest.MonkeyPatch.context() as patch:
        workplace = SoftLabelPlace(data_folder, folder / "own", patch)
        shutil.copytree(data_folder / "preprocessed" / REGIONS_IGNORE, workplace.preprocessed.parent / REGIONS_IGNORE)
        patch.setenv("nnUNet_compile", "f")
        workplace.label(workplace.teacher(), in_sample=True)
        teacher = workplace.trainer("nnUNetTrainerStock", plans=workplace.plans(name="teacher"))
        teacher.initialize()
        write_model(teacher)
        processes = [
            subprocess.Popen(
                [sys.executable, SCRIPT, str(folder), *ranks],
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                env=os.environ | {"OMP_NUM_THREADS": "1"},
            )
            for ranks in ([("0", "1")] if hasattr(os, "fork") else [("0",), ("1",)])
        ]
    texts = [process.communicate(timeout=500)[0] for process in processes]
    assert {process.returncode for process in processes} == {0}, "\n".join(texts)
    return {name: [read(folder / f"{name}_{rank}.pth") for rank in range(2)] for name in JOBS}


def written_out(job, data_folder, folder):
    source = data_folder / "preprocessed" / job.get("dataset", CLASSES)
    plans = folder / f"{source.name}.json"
    plans.write_text(json.dumps(small_plans(json.loads((source / "nnUNetPlans.json").read_text()), block=SETTINGS)))
    return {**job, "plans": str(plans), "dataset_json": str(source / "dataset.json")}


def succeeded(outcome):
    for report in outcome:
        assert "error" not in report, report["error"]
    return outcome


@pytest.mark.parametrize("job", JOBS)
def test_both_processes_hold_bitwise_equal_weights_after_two_steps(outcomes, job):
    first, second = succeeded(outcomes[job])
    assert first["batch_size"] == second["batch_size"] == 1
    assert same_weights(first["initial"], second["initial"])
    assert same_weights(first["weights"], second["weights"])
    moved = [key for key, value in first["weights"].items() if not torch.equal(value, first["initial"][key])]
    assert len(moved) > len(first["weights"]) / 2
    assert [loss for loss in first["losses"] + second["losses"] if not np.isfinite(loss)] == []


@pytest.mark.parametrize("job", DISTILLED)
def test_the_logged_terms_are_the_mean_over_both_processes(outcomes, job):
    first, second = succeeded(outcomes[job])
    assert not np.allclose(first["terms"], second["terms"], equal_nan=True)
    expected = np.nanmean(np.vstack([*first["terms"], *second["terms"]]), axis=0)
    for name, value in zip(first["names"], expected, strict=True):
        for report in (first, second):
            assert report["log"][f"distillation/{name}"] == [pytest.approx(value, rel=1e-6)]
    assert first["log"]["train_losses"] == [pytest.approx(np.mean(first["losses"] + second["losses"]), rel=1e-6)]


@pytest.mark.parametrize("job", DISTILLED)
def test_the_one_checkpoint_has_the_common_weights_and_heads(outcomes, job):
    first, _ = succeeded(outcomes[job])
    checkpoint = read(first["checkpoint"])
    assert list(checkpoint["network_weights"]) == first["stock_keys"]
    heads = {f"distillation_heads.{key}": value for key, value in checkpoint.get("distillation_heads", {}).items()}
    stored = checkpoint["network_weights"] | heads
    assert [key for key, value in first["weights"].items() if not torch.equal(stored[key], value)] == []
