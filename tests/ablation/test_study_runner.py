"""Running studies with imitations of nnU-Net's commands: what is run, what is left alone, what survives a kill."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from study_workplace import StudyWorkplace, members_alive

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.files import take_lock
from nnunet_dsd.steps.lock import claimed, is_claimed

BASIC, DSD = "nnUNetTrainerBasic", "nnUNetTrainerDSD"
PLANS = "trial_short_seed1"


def ablate(workplace: StudyWorkplace, *options: str) -> int:
    return main(["ablate", str(workplace.file), "-o", str(workplace.output), *options])


def all_calls(workplace: StudyWorkplace) -> list[str]:
    return [
        f"train {BASIC} {PLANS} 0",
        f"evaluate {workplace.name(BASIC)}",
        f"train {DSD} {PLANS} 0",
        f"evaluate {workplace.name(DSD)}",
        "compare --overwrite",
    ]


def test_a_study_is_trained_scored_and_compared(workplace: StudyWorkplace) -> None:
    assert ablate(workplace) == 0
    assert workplace.calls() == all_calls(workplace)
    scored = (workplace.output / "evaluations" / workplace.name(DSD) / "evaluation.json").read_text()
    assert scored.split() == ["case_0.nii.gz", "case_1.nii.gz"]
    assert (workplace.preprocessed / f"{PLANS}.json").is_file()
    assert (workplace.output / "report" / "report.html").is_file()
    log = (workplace.output / "logs" / f"{workplace.name(DSD)}-train.txt").read_text()
    assert log.startswith(f"$ nnUNetv2_train 99 3d_fullres 0 -tr {DSD} -p {PLANS}  # ")
    assert "Epoch 2" in log


def test_the_comparison_is_told_what_was_run(workplace: StudyWorkplace) -> None:
    trainers = [{"trainer": BASIC, "label": "Basic"}, "nnUNetTrainer"]
    workplace.declare(trainers=trainers, baseline="Basic", title="Trial", folds=[1], seeds=[4])
    assert ablate(workplace) == 0
    listed = json.loads((workplace.output / "runs.json").read_text())
    assert (listed["title"], listed["baseline"]) == ("Trial", "Basic")
    assert listed["images"] == str(workplace.raw / "imagesTr")
    assert listed["references"] == str(workplace.preprocessed / "gt_segmentations")
    assert listed["dataset_json"] == str(workplace.preprocessed / "dataset.json")
    first, second = listed["runs"]
    assert (first["method"], first["fold"], first["seed"], first["notes"]) == ("Basic", 1, 4, None)
    assert first["predictions"] == str(workplace.fold(BASIC, plans="trial_short_seed4", fold=1) / "validation")
    assert Path(first["evaluation"]).is_file()
    assert "reads no settings" in second["notes"]


def test_what_is_finished_is_left_alone(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    ablate(workplace)
    workplace.calls()
    assert ablate(workplace) == 0
    assert workplace.calls() == all_calls(workplace)[-1:]
    assert capsys.readouterr().out.count("done earlier") == 2


def test_trainings_made_by_hand_are_recognised(workplace: StudyWorkplace) -> None:
    assert ablate(workplace, "--only-plans") == 0
    assert workplace.calls() == []
    words = ["nnUNetv2_train", "99", "3d_fullres", "0", "-tr", BASIC, "-p", PLANS]
    subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
    workplace.calls()
    assert ablate(workplace) == 0
    assert workplace.calls() == [f"evaluate {workplace.name(BASIC)}", *all_calls(workplace)[2:]]


def test_a_model_that_was_trained_anew_is_scored_anew(workplace: StudyWorkplace) -> None:
    ablate(workplace)
    workplace.calls()
    scores = workplace.output / "evaluations" / workplace.name(DSD) / "evaluation.json"
    os.utime(scores, (0, 0))  # older than the predictions
    assert ablate(workplace, "--only-report") == 0
    assert workplace.calls() == all_calls(workplace)[-2:]


def test_an_interrupted_training_is_continued_and_an_unvalidated_one_validated(workplace: StudyWorkplace) -> None:
    workplace.fold(BASIC).mkdir(parents=True)
    (workplace.fold(BASIC) / "checkpoint_best.pth").touch()
    workplace.fold(DSD).mkdir(parents=True)
    (workplace.fold(DSD) / "checkpoint_final.pth").touch()
    workplace.declare(device="cpu")
    assert ablate(workplace) == 0
    trainings = [call for call in workplace.calls() if call.startswith("train")]
    assert trainings == [f"train {BASIC} {PLANS} 0 -device cpu --c", f"train {DSD} {PLANS} 0 -device cpu --val"]


def test_after_a_change_of_the_folds_the_references_are_those_of_the_new_ones(workplace: StudyWorkplace) -> None:
    ablate(workplace)
    (workplace.preprocessed / "splits_final.json").write_text(json.dumps([{"train": [], "val": ["case_1"]}]))
    scores = workplace.output / "evaluations" / workplace.name(DSD) / "evaluation.json"
    os.utime(scores, (0, 0))
    assert ablate(workplace) == 0
    assert scores.read_text().split() == ["case_1.nii.gz"]


def test_a_missing_reference_is_named(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    (workplace.preprocessed / "gt_segmentations" / "case_1.nii.gz").unlink()
    assert ablate(workplace) == 1
    assert "case_1.nii.gz is missing, the reference of a validation case" in capsys.readouterr().err


def test_the_device_of_the_command_line_wins(workplace: StudyWorkplace) -> None:
    workplace.declare(device="cuda")
    assert ablate(workplace, "--device", "cpu") == 0
    assert f"train {DSD} {PLANS} 0 -device cpu" in workplace.calls()


def test_a_failure_stops_the_study_with_the_end_of_the_log(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.misbehave(BASIC, "fail")
    assert ablate(workplace) == 1
    assert workplace.calls() == [f"train {BASIC} {PLANS} 0"]
    printed = capsys.readouterr()
    assert "ended with status 3" in printed.err
    assert "| out of memory" in printed.err
    assert f"{workplace.name(BASIC)}-train.txt" in printed.err
    assert "Traceback" not in printed.err


def test_with_keep_going_the_rest_is_run_and_the_report_says_what_is_missing(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.declare(baseline=BASIC)
    workplace.misbehave(BASIC, "fail")
    assert ablate(workplace, "--keep-going") == 1
    assert workplace.calls() == [f"train {BASIC} {PLANS} 0", *all_calls(workplace)[2:]]
    assert f"not in the report: {workplace.name(BASIC)}" in capsys.readouterr().out
    listed = json.loads((workplace.output / "runs.json").read_text())
    assert "1 of 2 runs are missing, the baseline nnUNetTrainerBasic is among them" in listed["title"]
    assert listed["baseline"] is None
    failure = workplace.output / "failures" / f"{workplace.name(BASIC)}.txt"
    assert "out of memory" in failure.read_text()
    workplace.behave(BASIC)
    assert ablate(workplace) == 0
    assert workplace.calls() == [f"train {BASIC} {PLANS} 0 --c", all_calls(workplace)[1], all_calls(workplace)[-1]]
    assert not failure.exists()


def test_where_every_run_fails_there_is_no_report(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.misbehave(BASIC, "fail")
    workplace.misbehave(DSD, "fail")
    assert ablate(workplace, "--keep-going") == 1
    assert [call.split()[0] for call in workplace.calls()] == ["train", "train"]
    assert "no report: every run failed" in capsys.readouterr().out


@pytest.mark.parametrize("order", [(DSD, BASIC), (BASIC, DSD)])
def test_of_jobs_for_single_runs_the_last_writes_the_report_even_if_one_failed(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str], order: tuple[str, str]
) -> None:
    workplace.misbehave(DSD, "fail")
    first, last = order
    assert ablate(workplace, "--only-runs", workplace.name(first)) == (1 if first == DSD else 0)
    assert "compare --overwrite" not in workplace.calls()
    assert ablate(workplace, "--only-runs", workplace.name(last)) == 1
    assert workplace.calls()[-1] == "compare --overwrite"
    assert "1 of 2 runs are missing" in json.loads((workplace.output / "runs.json").read_text())["title"]
    assert f"not in the report: {workplace.name(DSD)}" in capsys.readouterr().out


def test_jobs_that_all_failed_leave_no_report(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    for trainer in (BASIC, DSD):
        workplace.misbehave(trainer, "fail")
        assert ablate(workplace, "--only-runs", workplace.name(trainer)) == 1
    assert "no report: every run failed" in capsys.readouterr().out
    assert not [call for call in workplace.calls() if call.startswith("compare")]


def test_a_failed_run_that_is_tried_again_is_waited_for(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.misbehave(DSD, "fail")
    assert ablate(workplace, "--only-runs", workplace.name(DSD)) == 1
    workplace.misbehave(DSD, "hang")
    workplace.calls()
    again = workplace.start("--only-runs", workplace.name(DSD))
    wait_for(lambda: is_hanging(workplace))
    assert ablate(workplace, "--only-runs", workplace.name(BASIC)) == 0
    assert "no report yet: 1 run is left" in capsys.readouterr().out
    workplace.behave(DSD)
    said, _ = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert workplace.calls()[-1] == "compare --overwrite"


def test_a_report_that_another_process_writes_is_left_to_it(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ablate(workplace) == 0
    workplace.calls()
    with claimed(workplace.output / ".report.lock") as claim:
        assert claim is not None
        assert ablate(workplace) == 0
    assert workplace.calls() == []
    assert "another process is writing the report" in capsys.readouterr().out


@pytest.mark.skipif(os.name == "nt", reason="no such locks on Windows")
def test_results_on_a_file_system_without_locks_end_the_study_with_an_error(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("nnunet_dsd.steps.lock.take_lock", without_locks)
    assert ablate(workplace) == 1
    assert workplace.calls() == []
    assert f"{workplace.fold(BASIC).parent} lies where files cannot be locked" in capsys.readouterr().err


def without_locks(descriptor: int, path: Path) -> bool:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fcntl.flock", refuse_to_lock)
        return take_lock(descriptor, path)


def refuse_to_lock(*_: object) -> None:
    raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))


def test_a_training_that_ends_well_without_its_files_is_a_failure(
    workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]
) -> None:
    workplace.misbehave(BASIC, "lazy")
    assert ablate(workplace) == 1
    summary = workplace.fold(BASIC) / "validation" / "summary.json"
    assert f"nnUNetv2_train ended without error but left no {summary}; see " in capsys.readouterr().err


def test_a_missing_program_is_said(
    workplace: StudyWorkplace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    monkeypatch.setattr("sys.executable", str(workplace.root / "nowhere" / "python"))
    monkeypatch.setattr("nnunet_dsd.steps.program.entry_points", lambda **_: ())
    assert ablate(workplace) == 1
    assert "nnUNetv2_train is neither on the PATH nor beside" in capsys.readouterr().err


def test_test_cases_are_predicted_whole_and_once(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    workplace.declare(evaluate_on="test", trainers=[DSD], folds=["all"])
    fold = workplace.fold(DSD, fold="all")
    (fold / "validation").mkdir(parents=True)
    for name in ("checkpoint_final.pth", "validation/summary.json"):
        (fold / name).touch()
    name = workplace.name(DSD, fold="all")
    workplace.misbehave("predict", "half")
    assert ablate(workplace) == 1
    assert not [call for call in workplace.calls() if call.startswith("evaluate")]
    assert list((workplace.output / "predictions").iterdir()) == []
    assert "did not predict test_1" in capsys.readouterr().err
    workplace.behave("predict")
    assert ablate(workplace) == 0
    assert workplace.calls() == [f"predict {DSD}", f"evaluate {name}", "compare --overwrite"]
    assert ablate(workplace) == 0
    assert workplace.calls() == ["compare --overwrite"]
    listed = json.loads((workplace.output / "runs.json").read_text())
    assert listed["references"] == str(workplace.raw / "labelsTs")
    assert listed["runs"][0]["fold"] == "all"


def test_where_methods_lack_folds_their_common_cases_are_compared(workplace: StudyWorkplace) -> None:
    workplace.declare(folds=[0, 1])
    only = [workplace.name(BASIC), workplace.name(BASIC, fold=1), workplace.name(DSD)]
    assert ablate(workplace, "--only-runs", *only) == 0
    assert not [call for call in workplace.calls() if call.startswith("compare")]
    assert ablate(workplace, "--only-report") == 0
    assert workplace.calls() == ["compare --overwrite --common-cases"]
    assert ablate(workplace) == 0
    assert workplace.calls()[-1] == "compare --overwrite"


def test_only_report_trains_nothing(workplace: StudyWorkplace, capsys: pytest.CaptureFixture[str]) -> None:
    assert ablate(workplace, "--only-report") == 1
    assert "none of the 2 runs of this study is finished" in capsys.readouterr().err
    assert workplace.calls() == []


def wait_for(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_hanging(workplace: StudyWorkplace) -> bool:
    return workplace.calls_file.exists() and "hanging" in workplace.calls_file.read_text()


def group_of_training(workplace: StudyWorkplace, trainer: str) -> int:
    lock = workplace.fold(trainer).parent / ".fold_0.lock"
    return int(json.loads(lock.read_text())["group"])


def test_after_a_kill_of_everything_only_the_rest_is_run(workplace: StudyWorkplace) -> None:
    workplace.misbehave(DSD, "hang")
    process = workplace.start()
    wait_for(lambda: is_hanging(workplace))
    group = group_of_training(workplace, DSD)
    process.kill()
    os.killpg(group, signal.SIGKILL)
    process.wait()
    assert workplace.calls() == [*all_calls(workplace)[:3], "hanging"]
    workplace.behave(DSD)
    assert ablate(workplace) == 0
    assert workplace.calls() == [f"train {DSD} {PLANS} 0 --c", *all_calls(workplace)[3:]]


def test_a_training_outlives_the_kill_of_its_study_and_is_waited_for_instead_of_started_twice(
    workplace: StudyWorkplace,
) -> None:
    workplace.misbehave(BASIC, "hang")
    process = workplace.start()
    wait_for(lambda: is_hanging(workplace))
    process.kill()
    process.wait()
    workplace.calls_file.write_text("")
    again = workplace.start()
    wait_for(lambda: f"evaluate {workplace.name(DSD)}" in workplace.calls_file.read_text(), seconds=60)
    with pytest.raises(subprocess.TimeoutExpired):
        again.wait(1)
    workplace.behave(BASIC)
    assert again.wait(60) == 0
    calls = all_calls(workplace)
    assert workplace.calls() == [*calls[2:4], calls[1], calls[4]]
    assert not is_claimed(workplace.fold(BASIC).parent / ".fold_0.lock")


def test_two_processes_share_the_work(workplace: StudyWorkplace) -> None:
    workplace.misbehave(BASIC, "hang")
    first = workplace.start()
    wait_for(lambda: is_hanging(workplace))
    second = workplace.start()
    said, _ = second.communicate(timeout=60)
    assert second.returncode == 0, said
    assert re.search(r"- 1/2 nnUNetTrainerBasic\S* +another process works on it", said)
    workplace.behave(BASIC)
    said, _ = first.communicate(timeout=60)
    assert first.returncode == 0, said
    calls = workplace.calls()
    assert sorted(call for call in calls if call != "hanging") == sorted(all_calls(workplace))
    assert calls[-1] == "compare --overwrite"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_study_ends_its_training(workplace: StudyWorkplace, number: int) -> None:
    workplace.misbehave(BASIC, "hang")
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it, and so would this
    try:
        process = workplace.start()
    finally:
        signal.signal(signal.SIGINT, before)
    wait_for(lambda: is_hanging(workplace))
    group = group_of_training(workplace, BASIC)
    process.send_signal(number)
    assert process.wait(30) != 0
    wait_for(lambda: not members_alive(group))


def test_a_prediction_that_was_killed_is_made_anew(workplace: StudyWorkplace) -> None:
    workplace.declare(evaluate_on="test", trainers=[DSD])
    workplace.misbehave("predict", "hang")
    process = workplace.start()
    wait_for(lambda: is_hanging(workplace))
    group = group_of_training(workplace, DSD)
    process.kill()
    os.killpg(group, signal.SIGKILL)
    process.wait()
    folder = workplace.output / "predictions"
    assert [path.name.startswith(".partial-") for path in folder.iterdir()] == [True]
    workplace.behave("predict")
    workplace.calls()
    assert ablate(workplace) == 0
    assert workplace.calls() == [f"predict {DSD}", f"evaluate {workplace.name(DSD)}", "compare --overwrite"]
    assert [path.name for path in folder.iterdir()] == [workplace.name(DSD)]
