"""The pure part of a study: its runs, the plans they use, what nnU-Net's folders say, what disk space is needed."""

from __future__ import annotations

import dataclasses
import json
import math
import shutil
from pathlib import Path

import pytest
from example_plans import example_plans
from monai.networks.nets import UNETR, SwinUNETR
from study_workplace import StudyWorkplace

from nnunet_dsd.ablation import checks
from nnunet_dsd.ablation.checks import disk_problems, machine_problems
from nnunet_dsd.ablation.derived_plans import write_derived_plans
from nnunet_dsd.ablation.disk import needed_bytes, network_weights, unet_weights
from nnunet_dsd.ablation.places import Places, find_places
from nnunet_dsd.ablation.runs import Run, plan_runs
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.study_file import load_study
from nnunet_dsd.ablation.training_state import finished_epochs, training_state
from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.config.settings import flat_block


def read(workplace: StudyWorkplace, **changes: object) -> tuple[Study, Places]:
    workplace.declare(**changes)
    study, problems = load_study(workplace.file)
    assert problems == []
    return study, find_places(study, workplace.output)


def test_runs_are_named_after_nnunets_results_folders(workplace: StudyWorkplace) -> None:
    study, places = read(workplace, name="hippocampus", plans={"paper": {}}, trainers=["nnUNetTrainerDSD"])
    (run,) = plan_runs(study)
    assert run.plans == "hippocampus_paper_seed1"
    folder = "nnUNetTrainerDSD__hippocampus_paper_seed1__3d_fullres"
    assert places.fold(run) == workplace.results / folder / "fold_0"
    assert run.name == f"{folder}__fold_0"


def test_every_combination_is_one_run_and_a_study_cut_short_compares_like_with_like(workplace: StudyWorkplace) -> None:
    choices = ["nnUNetTrainerBasic", {"trainer": "nnUNetTrainerDSD", "plans": ["b"]}]
    study, _ = read(workplace, plans={"a": {}, "b": {}}, trainers=choices, folds=[1, 0], seeds=[5, 3])
    runs = plan_runs(study)
    assert len({run.name for run in runs}) == len(runs) == 3 * 2 * 2
    assert [(run.seed, run.fold) for run in runs[::3]] == [(5, 1), (5, 0), (3, 1), (3, 0)]
    assert [run.method for run in runs[:3]] == ["nnUNetTrainerBasic, a", "nnUNetTrainerBasic, b", "nnUNetTrainerDSD"]


def test_derived_plans_are_those_of_the_plan_command(workplace: StudyWorkplace) -> None:
    study, places = read(workplace, seeds=[1, 7])
    paths = write_derived_plans(study, places)
    assert [path.name for path in paths] == ["trial_short_seed1.json", "trial_short_seed7.json"]
    written = [json.loads(path.read_text()) for path in paths]
    for path, seed in zip(paths, ("1", "7"), strict=True):
        path.unlink()
        words = "plan -d 99 -c 3d_fullres --preset paper --epochs 3 --patch-size 16 16 16 --width 0.5 --seed"
        assert main([*words.split(), seed, "-o", path.stem]) == 0
    assert [json.loads(path.read_text()) for path in paths] == written
    blocks = [plans["configurations"]["3d_fullres"]["self_distillation"] for plans in written]
    assert [block["training"]["seed"] for block in blocks] == [1, 7]


def test_plans_made_earlier_are_taken_up_and_others_of_that_name_refused_with_the_difference(
    workplace: StudyWorkplace,
) -> None:
    study, places = read(workplace)
    (path,) = write_derived_plans(study, places)
    assert machine_problems(study, places) == []
    assert write_derived_plans(study, places) == [path]
    plans = json.loads(path.read_text())
    plans["configurations"]["3d_fullres"]["self_distillation"]["training"]["epochs"] = 4
    path.write_text(json.dumps(plans))
    (problem,) = machine_problems(study, places)
    assert "self_distillation.training.epochs: 4 there, 3 in the study" in problem
    with pytest.raises(DataError, match="says something else"):
        write_derived_plans(study, places)


def test_plans_of_an_earlier_version_are_taken_up(workplace: StudyWorkplace) -> None:
    study, places = read(workplace)
    (path,) = write_derived_plans(study, places)
    plans = json.loads(path.read_text())
    configuration = plans["configurations"]["3d_fullres"]
    configuration["self_distillation"] = flat_block(configuration["self_distillation"])
    path.write_text(json.dumps(plans))
    assert machine_problems(study, places) == []
    assert write_derived_plans(study, places) == [path]
    configuration["self_distillation"]["epochs"] = 4
    path.write_text(json.dumps(plans))
    (problem,) = machine_problems(study, places)
    assert "self_distillation.training.epochs: 4 there, 3 in the study" in problem


def test_problems_of_plans_are_told_without_a_count_in_a_count(workplace: StudyWorkplace) -> None:
    study, places = read(workplace, configuration="3d_highres")
    (problem,) = (one for one in machine_problems(study, places) if one.startswith("plans '"))
    assert "no configuration '3d_highres'" in problem
    assert "1 problem" not in problem
    assert "\n" not in problem


def test_a_presets_batch_and_patch_size_hold_where_the_study_is_silent(workplace: StudyWorkplace) -> None:
    study, places = read(workplace, plans={"p": {"preset": "paper-hippocampus"}, "q": {"batch_size": 4}})
    first, second = (json.loads(path.read_text()) for path in write_derived_plans(study, places))
    changed = first["configurations"]["3d_fullres"]
    assert (changed["batch_size"], changed["patch_size"]) == (1, [32, 32, 32])
    assert changed["self_distillation"]["training"]["learning_rate"] == 1e-4
    assert (second["configurations"]["3d_fullres"]["batch_size"]) == 4


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"from_plans": "nnUNetResEncPlans"}, "there is no plans file"),
        ({"configuration": "3d_highres"}, "no configuration '3d_highres'"),
        ({"configuration": "2d", "plans": {"p": {}}}, "are not preprocessed for 2d"),
        ({"plans": {"p": {"patch_size": [20, 20, 20]}}}, "plans 'p': patch size (20, 20, 20) does not fit"),
        ({"plans": {"p": {"patch_size": [32, 32]}}}, "has 2 axes"),
        ({"folds": [0, 2]}, "there is no fold 2"),
    ],
)
def test_what_the_data_do_not_allow_is_named(workplace: StudyWorkplace, changes: dict, words: str) -> None:
    assert any(words in problem for problem in machine_problems(*read(workplace, **changes)))


def test_without_splits_nnunets_five_folds_are_allowed(workplace: StudyWorkplace) -> None:
    (workplace.preprocessed / "splits_final.json").unlink()
    assert machine_problems(*read(workplace, folds=[4])) == []
    assert any("no fold 5" in problem for problem in machine_problems(*read(workplace, folds=[5])))


def test_test_cases_need_images_and_references_of_the_same_names(workplace: StudyWorkplace) -> None:
    assert machine_problems(*read(workplace, evaluate_on="test", folds=["all"])) == []
    (workplace.raw / "labelsTs" / "test_1.nii.gz").unlink()
    (problem,) = machine_problems(*read(workplace, evaluate_on="test"))
    assert "1 test images have no reference" in problem
    assert "test_1" in problem
    shutil.rmtree(workplace.raw / "imagesTs")
    (problem,) = machine_problems(*read(workplace, evaluate_on="test"))
    assert f"no files .nii.gz in {workplace.raw / 'imagesTs'}" in problem


def test_a_missing_data_set_and_a_missing_folder_are_refused(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, _ = read(workplace)
    with pytest.raises(DataError, match="no data set '98'"):
        find_places(dataclasses.replace(study, dataset="98"), workplace.output)
    monkeypatch.delenv("nnUNet_results")
    with pytest.raises(SetupError, match="nnUNet_results is not set"):
        find_places(study, workplace.output)


def built_weights(arguments: dict, *, residual: bool) -> int:
    """Number of weights of nnU-Net's network, built for one input channel and two classes."""
    import pydoc

    from dynamic_network_architectures.architectures.unet import PlainConvUNet, ResidualEncoderUNet

    located = {
        key: pydoc.locate(arguments[key]) if arguments[key] else None
        for key in ("conv_op", "norm_op", "dropout_op", "nonlin")
    }
    network = (ResidualEncoderUNet if residual else PlainConvUNet)(1, **{**arguments, **located}, num_classes=2)
    return sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize("configuration", ["2d", "3d_fullres"])
@pytest.mark.parametrize("residual", [False, True])
def test_the_number_of_weights_is_that_of_the_built_network_within_three_percent(
    configuration: str, residual: bool
) -> None:
    arguments = example_plans()["configurations"][configuration]["architecture"]["arch_kwargs"]
    if residual:
        arguments["n_blocks_per_stage"] = [1, 3, 4, 6]
        del arguments["n_conv_per_stage"]
    assert math.isclose(unet_weights(arguments), built_weights(arguments, residual=residual), rel_tol=0.03)


def test_checkpoints_and_predictions_make_the_estimate_and_other_networks_have_their_own_size() -> None:
    runs = [Run("m", trainer, "p", "p", "3d_fullres", 0, 1) for trainer in ("nnUNetTrainerDSD", "nnUNetTrainerUNETR")]
    plans = {"p": example_plans()}
    small, large = (network_weights(run, plans["p"]) for run in runs)
    assert large > 10 * small
    assert needed_bytes(runs, plans, 1000) == 2 * 12 * (small + large) + 12 * large + 2 * 1000


@pytest.mark.parametrize(
    ("network", "trainer", "size", "usual"),
    [
        (UNETR, "nnUNetTrainerUNETR", 16, True),
        (UNETR, "nnUNetTrainerUNETR_DSD", 32, False),
        (UNETR, "nnUNetTrainerUNETR_MISSU", 64, False),
        (SwinUNETR, "nnUNetTrainerSwinUNETR_DSD", 12, True),
        (SwinUNETR, "nnUNetTrainerSwinUNETR", 24, False),
    ],
)
def test_the_weights_of_a_transformer_follow_the_feature_size_of_its_plans(
    network: type, trainer: str, size: int, usual: bool
) -> None:
    patch = {"img_size": (96, 96, 96)} if network is UNETR else {}
    built = network(in_channels=1, out_channels=2, feature_size=size, **patch)
    plans = example_plans()
    block = {} if usual else {"feature_size": size}
    run = Run("m", trainer, "p", "p", "3d_cascade_fullres", 0, 1)  # inherits from 3d_fullres
    expected = sum(weight.numel() for weight in built.parameters())
    for form in (block, {"network": block}):
        plans["configurations"]["3d_fullres"]["self_distillation"] = form
        assert math.isclose(network_weights(run, plans), expected, rel_tol=0.01)


def test_too_little_room_is_said_with_the_estimate(workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch) -> None:
    study, places = read(workplace)
    assert disk_problems(study, places) == []
    monkeypatch.setattr(checks, "free_bytes", lambda path: 10**6)
    (problem,) = disk_problems(study, places)
    assert "2 trainings need about" in problem
    assert "0.0 GB are free" in problem


LOG = """
2026-11-21 09:55:19.858889: Epoch 0
2026-11-21 09:55:40.348751: Epoch time: 20.5 s
2026-11-21 09:55:41.125484: Epoch 1
2026-11-21 09:56:02.010584: Epoch time: 21.5 s
2026-11-21 09:56:02.809369: Epoch 2
"""


def test_a_trainings_state_is_read_from_its_folder(tmp_path: Path) -> None:
    assert training_state(tmp_path / "fold_0").stage == "missing"
    (tmp_path / "training_log_1.txt").write_text(LOG)
    state = training_state(tmp_path)
    assert (state.stage, state.epochs, state.epoch_seconds, state.resumable) == ("unfinished", 2, 21.0, False)
    (tmp_path / "checkpoint_latest.pth").touch()
    assert training_state(tmp_path).resumable
    (tmp_path / "checkpoint_final.pth").touch()
    assert training_state(tmp_path).stage == "not validated"
    (tmp_path / "validation").mkdir()
    (tmp_path / "validation" / "summary.json").touch()
    assert training_state(tmp_path).stage == "trained"


def test_epochs_of_a_continued_training_are_counted_by_their_number() -> None:
    assert finished_epochs("") == 0
    assert finished_epochs(LOG + LOG.replace("Epoch 2", "Epoch 5") + "x: Epoch time: 1 s\n") == 6
