"""The study of teachers: its steps, what is trained twice and what is not, its numbers, and one whole run."""

import csv
import json
import math

import numpy as np
import pytest

from video_triplet.cli.main import build_parser, main
from video_triplet.cli.study_teachers_command import read_study, use_rendered_data
from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import Predictions
from video_triplet.rendered.scenes import VOCABULARY
from video_triplet.selection.choice import Choice, ChosenEpoch
from video_triplet.study.teacher_study import HARD_LABELS, control_steps, curve_steps, strategy_steps, teacher_steps
from video_triplet.study.teacher_study_results import StudentResult, as_markdown, distance_to_truth, single_epoch


def arguments(folder, *more):
    return build_parser().parse_args(
        ["study-teachers", "-o", str(folder), "--seeds", "1", "2", "--teacher-epochs", "4", "--curve", "1,4", *more]
    )


@pytest.fixture
def study(tmp_path):
    given = arguments(tmp_path)
    use_rendered_data(given)
    return read_study(given)


def option(step, name):
    return step.command[step.command.index(name) + 1]


def test_each_seed_has_a_teacher_a_choice_and_a_student_per_epoch_of_the_curve(study):
    trains, choices = teacher_steps(study)[:2], teacher_steps(study)[2:]
    assert [option(step, "--seed") for step in trains] == ["1", "2"]
    assert all(option(step, "--keep-epochs") == "all" and option(step, "--epochs") == "4" for step in trains)
    assert [step.command[2].rsplit("seed_", 1)[1] for step in choices] == ["1", "2"]
    students = [step for step in curve_steps(study) if step.command[1] == "train"]
    assert [option(step, "--seed") for step in students] == ["101", "101", "102", "102"]
    assert all(option(step, "--choose-epoch") == "last" for step in students)
    labels = [step for step in curve_steps(study) if step.command[1] == "soft-labels"]
    assert [step.command[2].endswith(f"epoch_00{epoch}.pt") for step, epoch in zip(labels, "1414", strict=True)]
    assert len(strategy_steps(study, [(2, "IESE")])) == 2


def test_the_control_is_a_student_but_for_its_labels(study):
    control = control_steps(study)[0]
    student = next(step for step in curve_steps(study) if step.command[1] == "train")
    labels = student.command.index("--soft-labels")
    same = [*student.command[:labels], *student.command[labels + 2 :]]
    differing = [pair for pair in zip(control.command, same, strict=True) if pair[0] != pair[1]]
    folders = (option(control, "-o"), option(student, "-o"))
    assert differing == [("SwinTripletTeacher", "SwinTripletStudent"), folders]
    assert folders[0].endswith("hard_labels")


def test_every_command_of_the_study_can_be_parsed(study):
    steps = [*teacher_steps(study), *control_steps(study), *curve_steps(study), *strategy_steps(study, [(1, "IEE")])]
    for step in steps:
        build_parser().parse_args(list(step.command[1:]))


def test_a_step_is_finished_when_all_its_files_are_there(study):
    for step in [*teacher_steps(study), *control_steps(study), *curve_steps(study)]:
        for path in step.outputs:
            assert not step.is_done()
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        assert step.is_done()


def choice(*members):
    epochs = tuple(ChosenEpoch(f"run{seed}", epoch, seed, "hash") for seed, epoch in members)
    return Choice(
        strategy="IT", criterion="", rule="", mean="arithmetic", why=(), training=(), selected_on=(), members=epochs
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ([(1, 4)], 4),
        ([(1, 3)], None),  # not on the curve
        ([(2, 4)], None),  # another teacher's
        ([(1, 1), (1, 4)], None),  # an ensemble
    ],
)
def test_only_one_epoch_of_the_first_teacher_on_the_curve_is_not_trained_again(study, members, expected):
    assert single_epoch(choice(*members), study, 1) == expected


def predictions(values):
    table = np.asarray(values, dtype=np.float32)
    rows = len(table)
    return Predictions(VOCABULARY, ("VID01",), np.zeros(rows, np.int64), np.arange(rows), {"triplet": table})


def test_the_distance_to_the_truth_is_the_divergence_of_bernoulli_variables():
    rng = np.random.default_rng(0)
    size = VOCABULARY.size("triplet")
    truth, soft = rng.choice([0, 0.35, 0.65, 1], size=(5, size)), rng.uniform(0.05, 0.95, (5, size))
    total = 0.0
    for p, q in zip(
        truth.astype(np.float32).flatten().tolist(), soft.astype(np.float32).flatten().tolist(), strict=True
    ):
        total += p * math.log(p / q) if p else 0
        total += (1 - p) * math.log((1 - p) / (1 - q)) if p < 1 else 0
    found = distance_to_truth(predictions(soft), predictions(truth))
    assert found == pytest.approx(total / truth.size, rel=1e-5)
    assert distance_to_truth(predictions(truth), predictions(truth)) == pytest.approx(0, abs=1e-6)


def result(kind, name, seed, student, teacher=math.nan):
    return StudentResult(kind, name, seed, f"seed {seed}: epochs {name}", student, teacher, 0.5, math.nan)


def test_the_table_has_means_over_seeds_and_differences_within_a_seed(study):
    results = []
    for seed, shift in ((1, 0.0), (2, 10.0)):
        results += [result("epoch", "1", seed, 30 + shift, 20), result("epoch", "4", seed, 20 + shift, 40)]
        results.append(StudentResult("control", HARD_LABELS, seed, "no teacher", 15 + shift, *[math.nan] * 3))
        for name in study.strategies:
            results.append(result("strategy", name, seed, {"last": 20, "IT": 30}.get(name, 21 + seed) + shift))
    text = as_markdown(study, results)
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if "|" in line]
    lines = {row[0]: row[1:] for row in rows}
    assert lines["1"][:2] == ["20.0 ± 0.0", "35.0 ± 7.1"]
    assert lines["IT"][0] == "35.0 ± 7.1"
    assert lines["IT"][2:4] == ["+10.0", "2 of 2"]
    assert lines["hard labels"] == ["20.0 ± 7.1", "-", "-5.0", "0 of 2", "no teacher"]
    assert "KL" not in text
    assert "nan" not in text


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--seed", "3"], "--seed is set by the study"),
        (["--epochs", "3"], "--epochs is set by the study"),
        (["--criterion", "entropi"], "did you mean entropy"),
        (["--curve", "9"], "not within the epochs 1 to 4"),
        (["--seeds", "1"], "need 2 --seeds, got 1"),
        (["--seeds", "1", "1"], "names a seed twice"),
    ],
)
def test_an_impossible_study_is_refused_before_anything_is_rendered(tmp_path, capsys, more, message):
    seeds = () if "--seeds" in more else ("--seeds", "1", "2")
    command = ["study-teachers", "-o", str(tmp_path / "out"), *seeds, "--teacher-epochs", "4", *more]
    assert main(command) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "data").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--student", "SwinTripletStudnt"], "there is no trainer 'SwinTripletStudnt'"),
        (["--student", "SwinTripletTeacher"], "SwinTripletTeacher is no student"),
        (["--nodes", "2"], "--print them instead"),
        (["--data-seed", "-1"], "--data-seed is -1"),
        (["--ambiguity", "2"], "at most 1"),
    ],
)
def test_what_would_fail_after_hours_is_refused_at_once(tmp_path, capsys, more, message):
    command = ["study-teachers", "-o", str(tmp_path / "out"), "--seeds", "1", "2", "--teacher-epochs", "4", *more]
    assert main(command) == 1
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_folder_with_something_else_is_left_alone(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    assert main(["study-teachers", "-o", str(tmp_path), "--teacher-epochs", "4"]) == 1
    assert "holds something that is no study of teachers" in capsys.readouterr().err


def test_a_study_on_the_test_fold_is_refused_at_once(rendered, tmp_path, capsys):
    command = ["study-teachers", "-o", str(tmp_path / "out"), "--data", str(rendered), "--split", "k-fold"]
    assert main([*command, "--folds", "2", "--protocol", "test-fold", "--workers", "0"]) == 1
    assert "chosen on what is reported" in capsys.readouterr().err


def test_another_data_set_does_not_go_on_with_a_study(rendered, tmp_path, capsys, monkeypatch):
    from video_triplet.rendered.triplets import render_dataset
    from video_triplet.study import teacher_study_run

    monkeypatch.setattr(teacher_study_run, "run_all", lambda *_: pytest.fail("ran"))
    render_dataset(tmp_path / "other", videos=4, frames=16, size=(64, 48), seed=9)
    command = ["study-teachers", "-o", str(tmp_path / "out"), "--split", "k-fold", "--folds", "2", "--workers", "0"]
    command += ["--validation-videos", "1"]
    with pytest.raises(pytest.fail.Exception, match="ran"):
        main([*command, "--data", str(rendered)])
    assert main([*command, "--data", str(tmp_path / "other")]) == 1
    assert "labels was" in capsys.readouterr().err


def test_printing_runs_nothing(tmp_path, capsys):
    assert main(["study-teachers", "-o", str(tmp_path / "out"), "--teacher-epochs", "2", "--print"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("video-triplet train") for line in lines) == 3 + 3 + 6
    assert not (tmp_path / "out" / "data").exists()


TINY = ["--videos", "6", "--frames", "16", "--seeds", "1", "2", "--teacher-epochs", "2", "--student-epochs", "1"]


@pytest.mark.slow
def test_a_whole_study_writes_its_results_and_goes_on_where_it_stopped(tmp_path, capsys):
    network = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}
    command = ["study-teachers", "-o", str(tmp_path / "out"), *TINY, "--curve", "1,2", "--validation-videos", "1"]
    command += [
        "--accelerator",
        "cpu",
        "--workers",
        "0",
        "--batch-size",
        "8",
        "--backbone-options",
        json.dumps(network),
    ]
    assert main(command) == 0
    out = tmp_path / "out"
    assert {"study.png", "table.md", "results.csv"} <= {path.name for path in out.iterdir()}
    with (out / "results.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * (2 + 1 + 6)
    assert all(float(row["distance_to_truth"]) > 0 for row in rows if row["kind"] != "control")
    last = next(row for row in rows if row["name"] == "last" and row["seed"] == "1")
    curve = next(row for row in rows if row["name"] == "2" and row["seed"] == "1")
    assert last["student_map"] == curve["student_map"]
    assert not (out / "students" / "seed_1" / "last").exists()
    model = out / "students" / "seed_1" / "IESE" / "model.pt"
    record, before = load_model(model).record, model.stat().st_mtime_ns
    capsys.readouterr()
    assert main(command) == 0
    steps = [line for line in capsys.readouterr().out.splitlines() if " train " in line]
    assert all(line.startswith("✓") and line.endswith("done earlier") for line in steps)
    assert (model.stat().st_mtime_ns, load_model(model).record) == (before, record)
    assert main([*command, "--criterion", "entropy"]) == 1
    assert "which holds another study" in capsys.readouterr().err
