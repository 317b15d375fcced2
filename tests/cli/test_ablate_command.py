"""`nnunet-dsd ablate` as a user runs it, without anything that takes long."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from study_workplace import StudyWorkplace

from nnunet_dsd.cli.main import main
from nnunet_dsd.steps.lock import claimed


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StudyWorkplace:
    workplace = StudyWorkplace(tmp_path)
    for name, value in {**workplace.environment, "COLUMNS": "200"}.items():
        monkeypatch.setenv(name, value)
    return workplace


def ablate(workplace: StudyWorkplace, *options: str) -> int:
    return main(["ablate", str(workplace.file), "-o", str(workplace.output), *options])


def test_help_is_quick_and_loads_neither_torch_nor_nnunet() -> None:
    code = (
        "import argparse, sys; from nnunet_dsd.cli import ablate_command as c; "
        "c.add_arguments(argparse.ArgumentParser())"
        "; sys.exit(', '.join({'torch', 'nnunetv2', 'matplotlib', 'SimpleITK'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_problems_of_the_study_and_of_the_data_are_reported_together_and_nothing_is_written(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    trainers, plans = ["nnUNetTrainerDSDD"], {"p": {"preset": "papr", "patch_size": [20, 20, 20]}}
    workplace.declare(trainers=trainers, plans=plans, folds=[7], seeds=[1, 1])
    before = sorted(workplace.preprocessed.iterdir())
    assert ablate(workplace) == 1
    said = capsys.readouterr().err
    assert said.startswith("nnunet-dsd ablate: 5 problems in the study:")
    for words in ("nnUNetTrainerDSDD", "did you mean 'paper'", "(20, 20, 20) does not fit", "no fold 7", "seeds is"):
        assert words in said
    assert not workplace.output.exists()
    assert sorted(workplace.preprocessed.iterdir()) == before
    assert workplace.calls() == []


def test_a_missing_data_set_is_reported_with_the_studys_other_problems(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.declare(dataset="98", seeds=[1, 1])
    assert ablate(workplace, "--list") == 1
    said = capsys.readouterr().err
    assert "2 problems in the study" in said
    assert "no data set '98'" in said
    workplace.declare(dataset=None, seeds=[1, 1])
    assert ablate(workplace, "--list") == 1
    assert "'dataset' is missing" in capsys.readouterr().err


def test_nothing_of_the_list_is_cut_in_a_file(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    assert ablate(workplace, "--list") == 0
    said = capsys.readouterr().out
    assert "│ nnUNetTrainerBasic │ short │    0 │    1 │ missing  │ missing │" in said
    assert "How long the rest takes is not known before a first epoch has been timed.\n" in said


def test_a_dry_run_shows_the_commands_and_writes_nothing(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(workplace, "--dry-run") == 0
    said = capsys.readouterr().out
    assert "plans trial_short_seed1: to be written" in said
    assert "nnUNetv2_train 99 3d_fullres 0 -tr nnUNetTrainerDSD -p trial_short_seed1\n" in said
    assert "then scores of 2 runs (0 are finished)" in said
    assert not workplace.output.exists()
    assert not (workplace.preprocessed / "trial_short_seed1.json").exists()


def test_a_dry_run_marks_what_is_running_elsewhere_and_gives_no_command_for_it(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    with claimed(workplace.fold("nnUNetTrainerDSD").parent / ".fold_0.lock"):
        assert ablate(workplace, "--dry-run") == 0
    said = capsys.readouterr().out
    assert f"# {workplace.name('nnUNetTrainerDSD')} is running elsewhere\n" in said
    assert "-tr nnUNetTrainerDSD" not in said
    assert "-tr nnUNetTrainerBasic" in said
    assert ablate(workplace, "--dry-run") == 0
    assert "-tr nnUNetTrainerDSD" in capsys.readouterr().out


def test_the_list_says_what_is_done_unfinished_and_missing_and_how_long_the_rest_takes(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.declare(trainers=["nnUNetTrainerBasic", "nnUNetTrainerDSD", "nnUNetTrainerSDD", "nnUNetTrainer"])
    assert ablate(workplace, "--list") == 0
    assert "is not known before a first epoch" in capsys.readouterr().out
    assert not workplace.output.exists()
    assert ablate(workplace, "--only-runs", workplace.name("nnUNetTrainerBasic")) == 0
    workplace.misbehave("nnUNetTrainerDSD", "fail")
    assert ablate(workplace, "--only-runs", workplace.name("nnUNetTrainerDSD")) == 1
    capsys.readouterr()
    assert ablate(workplace, "--list") == 0
    said = capsys.readouterr().out
    rows = {line.split()[1]: line for line in said.splitlines() if "nnUNetTrainer" in line}
    assert "trained" in rows["nnUNetTrainerBasic"]
    assert "done" in rows["nnUNetTrainerBasic"]
    assert "unfinished, 2 of 3 epochs" in rows["nnUNetTrainerDSD"]
    assert "failed, see" in rows["nnUNetTrainerDSD"]
    assert "missing" in rows["nnUNetTrainerSDD"]
    assert "1 of 4 runs are trained, 1 are scored." in said
    assert "Training left: about 6 s" in said  # one epoch and three, 1.5 seconds each
    assert "Trainers of nnU-Net's own are not counted" in said


def test_only_known_runs_can_be_chosen(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate(workplace, "--only-runs", workplace.name("nnUNetTrainerDSE")) == 1
    assert "did you mean 'nnUNetTrainerDSD__trial_short_seed1__3d_fullres__fold_0'" in capsys.readouterr().err


def test_another_study_in_the_same_folder_is_refused(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(workplace, "--only-plans") == 0
    workplace.declare(seeds=[2])
    assert ablate(workplace) == 1
    assert "was made for another study:\n  - seeds: 1 there, not any more" in capsys.readouterr().err


def test_a_printed_study_of_the_paper_can_be_run_again(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["ablate", "--paper", "mmwhs", "--table", "temperatures", "--print-study"]) == 0
    text = capsys.readouterr().out
    content = json.loads(text)
    assert content["dataset"] == "20"
    assert {name: plans["settings"] for name, plans in content["plans"].items()} == {
        f"T{value}": {"temperature": value} for value in (1, 2, 3, 4)
    }
    workplace.file.write_text(json.dumps({**content, "dataset": "99", "configuration": "2d"}))
    assert main(["ablate", str(workplace.file), "--print-study"]) == 0
    assert json.loads(capsys.readouterr().out) == {**content, "dataset": "99", "configuration": "2d"}


@pytest.mark.parametrize("options", [[], ["study.json", "--paper", "mmwhs"], ["study.json", "--list", "--dry-run"]])
def test_contradicting_options_are_usage_errors(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["ablate", *options])
    assert stop.value.code == 2
