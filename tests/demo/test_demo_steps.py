"""The demo's commands are those a user types, run by this interpreter, and its lines say what goes on."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SettingsError, SetupError
from nnunet_dsd.demo.commands import Command
from nnunet_dsd.demo.display import Display, clock
from nnunet_dsd.demo.folder import DemoFolder
from nnunet_dsd.demo.pipeline import child_environment
from nnunet_dsd.demo.settings import DemoSettings
from nnunet_dsd.demo.steps import nnunet_steps
from nnunet_dsd.steps.training_output import describe_line

SETTINGS = DemoSettings(epochs=3, iterations=7, cases=9, seed=5, trainer="nnUNetTrainerDS")


def commands(root: Path) -> dict[str, str]:
    return {step.name: str(step.command) for step in nnunet_steps(SETTINGS, DemoFolder(root)) if step.command}


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


def test_every_command_is_found_and_started_by_this_interpreter(tmp_path: Path) -> None:
    for step in nnunet_steps(SETTINGS, DemoFolder(tmp_path)):
        if step.command:
            assert step.command.argv()[0] == sys.executable
            assert step.command.argv()[-1] == step.command.words[-1]


def test_an_nnunet_command_runs_where_its_script_is_not_on_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    argv = Command(("nnUNetv2_train", "--help")).argv()
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("usage: nnUNetv2_train ")


def test_an_unknown_command_names_itself_and_what_to_do() -> None:
    with pytest.raises(SetupError, match=r"nnUNetv2_fly.*nnunet-dsd doctor"):
        Command(("nnUNetv2_fly",)).argv()


def test_a_stopped_training_continues_only_where_it_left_a_checkpoint(tmp_path: Path) -> None:
    folder = DemoFolder(tmp_path)
    train = nnunet_steps(SETTINGS, folder)[3]
    assert train.command_to_continue() == train.command
    folder.fold(SETTINGS.trainer).mkdir(parents=True)
    (folder.fold(SETTINGS.trainer) / "checkpoint_latest.pth").write_bytes(b"x")
    assert str(train.command_to_continue()) == f"{train.command} --c"


def test_every_setting_changes_the_parameters_of_some_step(tmp_path: Path) -> None:
    def parameters(settings: DemoSettings) -> list[object]:
        return [step.parameters for step in nnunet_steps(settings, DemoFolder(tmp_path))]

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


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("2026-11-21 04:04:11.640705: Epoch 11 ", ("epoch 12 of 20", 11)),
        ("2026-11-21 04:04:10.294827: Epoch time: 20.3 s", ("", None)),
        ("x: Pseudo dice [np.float32(0.9234), np.float32(0.8804)]", ("validation Dice 0.92, 0.88", None)),
        ("x: Pseudo dice [0.5, nan]", ("validation Dice 0.50, nan", None)),
        ("2026-11-21 03:59:14: predicting phantom_003", ("predicting phantom_003", None)),
        ("Predicting phantom_test_001:", ("predicting phantom_test_001", None)),
        ("anything else", ("", None)),
    ],
)
def test_lines_of_nnunet_become_progress(line: str, expected: tuple[str, int | None]) -> None:
    assert describe_line(line, 20) == expected


def test_without_a_terminal_only_plain_lines_are_shown() -> None:
    console = Console(file=io.StringIO(), width=200)
    display = Display(console, steps=6)
    with display.running(4, "train", command="nnUNetv2_train 990 [x]", epochs=2) as take:
        take("x: Epoch 1")
    display.finished(4, "train", 125.4)
    assert console.file.getvalue().splitlines() == ["  $ nnUNetv2_train 990 [x]", "… 4/6 train", "✓ 4/6 train  2:05"]


def test_in_a_terminal_the_epoch_is_shown() -> None:
    console = Console(file=io.StringIO(), width=200, force_terminal=True)
    with Display(console, steps=6).running(4, "train", command="", epochs=2) as take:
        take("x: Epoch 1")
        take("x: Pseudo dice [0.5, 0.6]")
    assert "epoch 2 of 2  validation Dice 0.50, 0.60" in console.file.getvalue()


def test_durations_are_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0.2, 59.6, 3723)] == ["0:00", "1:00", "62:03"]
