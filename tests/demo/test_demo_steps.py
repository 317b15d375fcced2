"""The demo's commands are those a user types, run by this interpreter, and its lines say what goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.demo.pipeline import child_environment
from nnunet_dsd.demo.settings import DemoSettings
from nnunet_dsd.demo.steps import demo_steps

SETTINGS = DemoSettings(epochs=3, iterations=7, cases=9, seed=5, trainer="nnUNetTrainerDS")


def commands(root: Path) -> dict[str, str]:
    return {step.name: step.shell_line for step in demo_steps(SETTINGS, DemoFolder(root)) if step.command}


def test_the_commands_are_real_ones_with_the_settings_in_them(tmp_path: Path) -> None:
    lines = commands(tmp_path)
    assert lines["preprocess"].startswith("nnUNetv2_plan_and_preprocess -d 990 -c 3d_fullres ")
    assert lines["plan"].startswith(
        "nnunet-dsd plan -d 990 -c 3d_fullres -o nnUNetPlans_demo --epochs 3 --iterations-per-epoch 7 --seed 5 "
    )
    assert lines["train"] == "nnUNetv2_train 990 3d_fullres 0 -tr nnUNetTrainerDS -p nnUNetPlans_demo -device cpu"
    assert "-tr nnUNetTrainerDS -p nnUNetPlans_demo -f 0 -chk checkpoint_final.pth" in lines["predict"]


def test_paths_with_spaces_are_quoted_for_the_shell() -> None:
    assert "-o '/my data/predictions'" in commands(Path("/my data"))["predict"]


def test_a_stopped_training_continues_only_where_it_left_a_checkpoint(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    train = demo_steps(SETTINGS, folder)[3]
    assert train.command_now() == train.command
    folder.fold(SETTINGS.trainer).mkdir(parents=True)
    (folder.fold(SETTINGS.trainer) / "checkpoint_latest.pth").write_bytes(b"x")
    assert train.command_now() == (*train.command, "--c")
    assert "--c" not in train.shell_line  # what the report shows


def test_every_setting_changes_the_parameters_of_some_step(tmp_path: Path) -> None:
    def parameters(settings: DemoSettings) -> list[object]:
        return [step.parameters for step in demo_steps(settings, DemoFolder(tmp_path))]

    changes = {"epochs": 4, "iterations": 8, "cases": 10, "seed": 6, "trainer": "nnUNetTrainerDSD", "device": "cuda"}
    for name, value in changes.items():
        assert parameters(replace(SETTINGS, **{name: value})) != parameters(SETTINGS), name


def test_the_commands_see_the_demos_folders_and_not_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("nnUNet_results", "/precious")
    monkeypatch.setenv("nnUNet_n_proc_DA", "7")
    environment = child_environment(DemoFolder(tmp_path))
    assert environment["nnUNet_results"] == str(tmp_path / "nnUNet_results")
    assert environment["nnUNet_n_proc_DA"] == "7"


def test_impossible_settings_are_refused_all_at_once() -> None:
    with pytest.raises(SettingsError) as caught:
        DemoSettings(epochs=0, iterations=0, cases=4, seed=-1, device="tpu")
    assert len(caught.value.problems) == 5
