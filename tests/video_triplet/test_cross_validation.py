"""The steps of a cross-validation, its table, and the whole of it on a rendered data set."""

import json
from pathlib import Path

import pytest
from triplet_workplace import TINY, options

from nnunet_dsd.common.errors import SettingsError
from video_triplet.cli.cross_validate_command import read_assignment
from video_triplet.cli.main import main
from video_triplet.models.model_file import load_model
from video_triplet.predictions.file import load_predictions
from video_triplet.study.configurations import CONFIGURATIONS, ENSEMBLE, find_configurations
from video_triplet.study.cross_validation import CommonOptions, plan_steps
from video_triplet.study.steps import words_of
from video_triplet.study.table import as_markdown

RUNS = Path("runs")


def test_the_ensemble_is_the_paper_s_three_students():
    members = [CONFIGURATIONS[name] for name in CONFIGURATIONS[ENSEMBLE].members]
    assert [member.student for member in members] == [
        "SwinTripletMultiTaskStudent",
        "SwinTripletLargeStudent",
        "SwinTripletPhaseStudent",
    ]


def test_an_ensemble_brings_its_members_before_it():
    names = [row.name for row in find_configurations([ENSEMBLE])]
    assert names == [*CONFIGURATIONS[ENSEMBLE].members, ENSEMBLE]


def test_an_unknown_configuration_is_refused_with_those_there_are():
    with pytest.raises(SettingsError, match=r"'Swin'; there are SwinT, "):
        find_configurations(["Swin"])


def test_a_teacher_that_two_configurations_share_is_trained_once():
    steps = plan_steps(find_configurations(["SwinT", "SwinT+SelfD"]), [1, 2], RUNS, CommonOptions())
    titles = [step.title for step in steps]
    assert titles == [
        f"fold {fold}: {text}"
        for fold in (1, 2)
        for text in ("train SwinTripletTeacher", "soft labels of SwinTripletTeacher", "train SwinTripletStudent")
    ]


def test_options_reach_those_they_are_meant_for():
    settings = {
        "": {"--epochs": ("9",)},
        "teacher": {"--seed": ("5",)},
        "student": {"--seed": ("7",)},
        "SwinTripletStudent": {"--seed": ("6",)},
    }
    options = CommonOptions({"--data": ("d",)}, {}, settings)
    steps = plan_steps(find_configurations(["SwinT+SelfD"]), [1], RUNS, options)
    teacher, labels, student = (step.command for step in steps)
    assert teacher[-6:] == ("--data", "d", "--epochs", "9", "--seed", "5")
    assert "--epochs" not in labels
    assert student[-6:] == ("--data", "d", "--epochs", "9", "--seed", "6")
    assert student[student.index("--soft-labels") + 1] == labels[labels.index("-o") + 1]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epochs=3", "not of the form"),
        ("pupil:epochs=3", "'pupil' is nobody"),
        ("teacher:epoch=3", "unknown setting 'epoch'"),
    ],
)
def test_an_assignment_that_is_not_understood_is_refused(text, said):
    with pytest.raises(SettingsError, match=said):
        read_assignment(text)


@pytest.fixture(scope="module")
def command(rendered, tmp_path_factory):
    """A cross-validation of two configurations and the ensemble's members, and its folder."""
    runs = tmp_path_factory.mktemp("study")
    tiny = options({**TINY, "epochs": 1})
    split = ["--split", "k-fold", "--folds", "2", "--validation-videos", "1"]
    machine = ["--accelerator", "cpu", "--workers", "0"]
    chosen = ["--configurations", "SwinT", "SwinT+SelfD", ENSEMBLE]
    return ["cross-validate", "-o", str(runs), "--data", str(rendered), *split, *machine, *chosen, *tiny], runs


@pytest.fixture(scope="module")
def finished(command):
    """The same after it has run."""
    assert main(command[0]) == 0
    return command


def test_every_row_is_scored_on_all_folds(finished):
    rows = json.loads((finished[1] / "table.json").read_text())
    assert {row["name"] for row in rows} == {"SwinT", "SwinT+SelfD", ENSEMBLE, *CONFIGURATIONS[ENSEMBLE].members}
    assert all(row["folds"] == 2 and 0 < row["mean_ap"]["ivt"] < 100 for row in rows)
    text = (finished[1] / "table.md").read_text()
    assert "2 of 2" in text
    assert "published" not in text  # of CholecT45, so they do not belong beside rendered frames
    assert "published mAP / top-5" in as_markdown([], folds=5, split="cholect45-crossval")


def test_the_ensemble_is_the_mean_of_its_members_by_video_and_frame(finished):
    runs = finished[1]
    mean = load_predictions(runs / ENSEMBLE / "fold_1" / "test.npz")
    members = [
        load_predictions(runs / CONFIGURATIONS[name].student / "fold_1" / "test.npz").aligned_to(mean.keys)
        for name in CONFIGURATIONS[ENSEMBLE].members
    ]
    expected = sum(member.probabilities["triplet"].astype(float) for member in members) / 3
    assert abs(mean.probabilities["triplet"] - expected).max() < 1e-6


def test_no_model_is_scored_on_what_it_saw(finished):
    for path in finished[1].rglob("test.npz"):
        predictions = load_predictions(path)
        for model in predictions.models:
            assert not set(predictions.videos) & {*model.trained_on, *model.selected_on}


def test_running_again_repeats_nothing_and_gives_the_same_table(finished, capsys):
    files = {path: path.stat().st_mtime_ns for path in finished[1].rglob("*.pt")}
    table = (finished[1] / "table.md").read_text()
    assert main(finished[0]) == 0
    assert {path: path.stat().st_mtime_ns for path in finished[1].rglob("*.pt")} == files
    assert (finished[1] / "table.md").read_text() == table
    assert "epoch 1/1" not in capsys.readouterr().out


def test_a_lost_step_is_made_again_with_the_same_result(finished):
    student = finished[1] / "SwinTripletStudent" / "fold_1"
    before = load_model(student / "model.pt").record.checkpoint
    for path in (student / "model.pt", student / "test.npz"):
        path.unlink()
    assert main(finished[0]) == 0
    assert load_model(student / "model.pt").record.checkpoint == before


def test_the_commands_can_be_printed_instead(command, capsys):
    assert main([*command[0], "--print", "--only-folds", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.startswith("video-triplet ") for line in lines)
    assert not any("fold_1" in line for line in lines)
    assert sum(" train " in line for line in lines) == 8


def test_the_authors_code_is_a_preset_for_each_role(command, capsys):
    assert main([*command[0], "--print", "--authors-code"]) == 0
    training = [line for line in capsys.readouterr().out.splitlines() if " train " in line]
    assert all(("authors-code-teacher" in line) == ("Teacher" in line.split()[3]) for line in training)
    assert all(("authors-code-student" in line) == ("Student" in line.split()[3]) for line in training)


def test_several_nodes_are_refused_for_a_whole_study(command, capsys):
    assert main([*command[0], "--nodes", "2"]) == 1
    assert "--print the commands" in capsys.readouterr().err


def test_a_fold_that_does_not_exist_is_refused(command, capsys):
    assert main([*command[0], "--only-folds", "1", "9"]) == 1
    assert "there is no fold 9; there are 1, 2" in capsys.readouterr().err


def test_files_of_different_trainers_are_no_folds(finished, rendered, capsys):
    files = [
        str(finished[1] / f"SwinTriplet{role}" / f"fold_{fold}" / "test.npz")
        for role, fold in (("Teacher", 1), ("Student", 2))
    ]
    assert main(["evaluate", *files, "--data", str(rendered)]) == 1
    assert "no folds of one cross-validation: SwinTripletStudent and SwinTripletTeacher" in capsys.readouterr().err


def test_what_is_given_for_one_training_replaces_what_is_given_for_all():
    every = {"--size": ("1", "2"), "--epochs": ("2",), "--sound-only": ()}
    own = {"--size": ("3", "4"), "--seed": ("1",)}
    assert words_of(every, own) == ("--epochs", "2", "--sound-only", "--size", "3", "4", "--seed", "1")
    assert every["--size"] == ("1", "2")


def test_settings_of_one_trainer_replace_those_of_all_in_its_command(tmp_path):
    settings = {
        "": {"--epochs": ("2",), "--seed": ("4",)},
        "teacher": {"--epochs": ("3",)},
        "SwinTripletTeacher": {"--seed": ("5",)},
    }
    (step,) = plan_steps([CONFIGURATIONS["SwinT"]], [1], tmp_path, CommonOptions(settings=settings))
    assert step.command[-4:] == ("--epochs", "3", "--seed", "5")
    assert step.command.count("--epochs") == step.command.count("--seed") == 1
