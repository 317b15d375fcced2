"""`nnunet-dsd distill`, whole, on a tiny data set."""

import json

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
