"""`nnunet-dsd distill`, whole, on a tiny data set."""

import json
import shutil

import pytest
from soft_label_place import SoftLabelPlace

from nnunet_dsd.cli.main import main

BUDGET = (
    "--epochs", "1", "--iterations-per-epoch", "2", "--validation-iterations-per-epoch", "1", "--save-every", "1"
)  # fmt: skip


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    found = SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)
    monkeypatch.setenv("nnUNet_n_proc_DA", "1")
    monkeypatch.setenv("nnUNet_def_n_proc", "1")
    found.write_plans("nnUNetPlans")
    return found


def distill(place, *teachers, output="study", **options):
    words = ["distill", "-d", "901", "-c", "3d_fullres", "-o", str(place.folder / output), "--device", "cpu", *BUDGET]
    words += ["--teacher", *(teacher.name for teacher in teachers), "--no-mirroring"]
    for name, value in options.items():
        words += [f"--{name.replace('_', '-')}", *map(str, value if isinstance(value, list) else [value])]
    return main(words)


@pytest.mark.slow
def test_a_whole_distillation_says_whether_it_was_worth_it(place):
    teacher = place.teacher(fold=0)
    place.teacher(fold=1)
    assert distill(place, teacher, unlabelled=place.images(), seeds=[1]) == 0
    report = (place.folder / "study" / "report" / "report.html").read_text()

    for method in ("student, taught", "student, pseudo labels", "student alone", "2 folds", "fold 0 alone"):
        assert method in report
    runs = json.loads((place.folder / "study" / "runs.json").read_text())
    assert runs["baseline"] == "student alone"
    assert {run["seed"] for run in runs["runs"] if run["method"] == "student, taught"} == {1}


def test_test_cases_that_would_be_learned_from_are_refused(place, capsys):
    teacher, images = place.teacher(fold=0), place.images()
    references = place.folder / "references"
    references.mkdir()
    for path in images.iterdir():
        shutil.copy(path, references / path.name.replace("_0000", ""))
    assert distill(place, teacher, unlabelled=images, test=[images, references]) == 1
    assert "3 test cases in" in (said := capsys.readouterr().err)
    assert "new_0 is a copy of new_0" in said
    copies = place.folder / "copies"
    copies.mkdir()
    shutil.copy(place.data / "raw" / place.dataset / "imagesTr" / "ball_1_0000.nii.gz", copies / "other_0000.nii.gz")
    assert distill(place, teacher, test=[copies, references]) == 1
    assert "other is a copy of ball_1" in capsys.readouterr().err


def test_a_dry_run_shows_every_command_and_writes_nothing(place, capsys):
    teacher, before = place.teacher(fold=0), set(place.preprocessed.rglob("*"))
    assert distill(place, teacher, width=0.5, dry_run=[]) == 0
    said = capsys.readouterr().out
    for words in ("nnunet-dsd soft-labels -d 901", "nnUNetv2_predict_from_modelfolder", "-p study_first_first_seed1"):
        assert words in said
    assert "-tr nnUNetTrainerKD -p study_taught_seed1" in said
    assert set(place.preprocessed.rglob("*")) == before
    assert not (place.folder / "study").exists()


def test_a_teachers_weights_are_the_start_where_the_network_is_the_same(place, capsys):
    teacher = place.teacher(fold=0)
    assert distill(place, teacher, dry_run=[]) == 0
    assert "study_first" not in capsys.readouterr().out
    assert distill(place, teacher, width=0.5, start="teacher", dry_run=[]) == 1
    assert "no teacher has the student's network" in capsys.readouterr().err


def test_jobs_wait_for_the_soft_labels(place, capsys):
    assert distill(place, place.teacher(fold=0), print_jobs="shell") == 1
    assert "must be done, first soft labels 'study': run nnunet-dsd distill" in capsys.readouterr().err
