"""Pictures of cases: why there are none, and that their lack costs nothing else."""

import json
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_comparisons import HEAD_AND_TAIL, write_evaluation

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.case_pictures import case_pictures, published
from nnunet_dsd.comparison.folder import write_comparison
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.measures import find_measure

LABELS = np.zeros((3, 10, 30), np.uint8)
LABELS[1, 1:4] = 1  # 90 voxels, as the made-up evaluations say


def write_image(path, array):
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))


@pytest.fixture
def run_list(tmp_path):
    """Two methods on one case with everything that pictures need."""
    root = tmp_path / "somewhere"
    write_image(root / "images/x_0000.nii.gz", np.zeros(LABELS.shape, np.float32))
    for name in ("labels", "A", "B"):
        write_image(root / name / "x.nii.gz", LABELS)
    (root / "dataset.json").write_text(json.dumps({"labels": {"background": 0, "head": 1}, "file_ending": ".nii.gz"}))
    runs = tuple(
        Run(
            name,
            write_evaluation(root / f"{name}.json", {"x": {"dice": (value,)}}, HEAD_AND_TAIL[:1]),
            predictions=root / name,
        )
        for name, value in (("A", 0.5), ("B", 0.6))
    )
    folders = {"images": root / "images", "references": root / "labels", "dataset_json": root / "dataset.json"}
    return RunList(runs, **folders)


def pictures_of(run_list):
    return case_pictures(run_list, read_scores(run_list))


def written(run_list, folder):
    """The reasons for missing figures, and the report."""
    found = compare(run_list, read_scores(run_list), [find_measure("dice")], seed=0)
    missing = write_comparison(folder, found, overwrite=False, drawn=lambda: None)
    return missing, (folder / "report.html").read_text()


def test_with_everything_there_the_case_is_drawn(run_list, tmp_path):
    pictures = pictures_of(run_list)
    assert ([case.case for case in pictures.shown], pictures.problem) == (["x"], "")
    missing, report = written(run_list, tmp_path / "out")
    assert missing == {}
    assert "Not drawn" not in report
    assert (tmp_path / "out/cases.pdf").is_file()


def without_predictions(run_list, *methods):
    return replace(
        run_list, runs=tuple(replace(run, predictions=None) if run.method in methods else run for run in run_list.runs)
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda given: replace(given, images=None), "No folder of images is known: give --images and --references"),
        (lambda given: replace(given, images=None, references=None), "No folder of images and references is known"),
        (
            lambda given: without_predictions(given, "B"),
            "No run of B names its folder of `predictions`. Scores that",
        ),
        (lambda given: without_predictions(given, "A", "B"), "No run of A and none of B names"),
        (lambda given: replace(given, runs=given.runs[:1]), "There is no method besides the baseline."),
    ],
)
def test_the_piece_that_is_missing_is_named(run_list, change, words):
    pictures = pictures_of(change(run_list))
    assert words in pictures.problem
    assert (pictures.shown, pictures.files) == ((), None)


@pytest.mark.usefixtures("unrendered_figures")
def test_label_images_that_are_gone_are_told_and_cost_no_more_than_the_pictures(run_list, tmp_path):
    (run_list.runs[1].predictions / "x.nii.gz").unlink()
    missing, report = written(run_list, tmp_path / "out")
    label = run_list.runs[1].full_label
    assert missing == {"cases": f"{label}: {run_list.runs[1].predictions / 'x.nii.gz'} does not exist."}
    assert "Not drawn. B (B.json): x.nii.gz does not exist." in report
    assert json.loads((tmp_path / "out/comparison.json").read_text())["not_drawn"] == missing


def test_without_a_dataset_json_the_assumed_ending_is_told(run_list):
    for path in (run_list.references, run_list.runs[0].predictions, run_list.runs[1].predictions):
        (path / "x.nii.gz").rename(path / "x.nrrd")
    problem = pictures_of(replace(run_list, dataset_json=None)).problem
    assert "No `dataset_json` is named, so that files ending in .nii.gz were looked for." in problem


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("content", [None, "no image", np.zeros((2, 2, 2), np.float32)])
def test_an_image_that_is_gone_or_broken_or_of_another_shape_costs_its_picture_alone(run_list, tmp_path, content):
    path = run_list.images / "x_0000.nii.gz"
    path.unlink()
    if isinstance(content, str):
        path.write_text(content)
    elif content is not None:
        write_image(path, content)
    missing, report = written(run_list, tmp_path / "out")
    assert list(missing) == ["cases"]
    assert "x_0000.nii.gz" in missing["cases"]
    assert "Not drawn. x_0000.nii.gz" in report
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"report.html", "table.md", "table.tex", "scores.csv", "comparison.json", "box_dice.png"} <= names
    assert not {name for name in names if name.startswith("cases")}


@pytest.mark.usefixtures("unrendered_figures")
def test_a_figure_that_fails_in_any_way_costs_itself_alone(run_list, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("no ink")

    monkeypatch.setattr("nnunet_dsd.comparison.figure_files.box_figure", fail)
    missing, report = written(run_list, tmp_path / "out")
    assert missing == {"box_dice": "RuntimeError: no ink"}
    assert "Not drawn. RuntimeError: no ink" in report
    assert (tmp_path / "out/cases.png").is_file()


def test_predictions_of_another_model_are_refused_before_anything_is_computed(run_list):
    write_image(run_list.runs[1].predictions / "x.nii.gz", LABELS * 0)
    with pytest.raises(DataError, match="not those that were evaluated"):
        pictures_of(run_list)


@pytest.mark.usefixtures("unrendered_figures")
def test_nothing_of_a_report_says_where_files_lie(run_list, tmp_path):
    (run_list.images / "x_0000.nii.gz").write_text("no image")
    written(run_list, tmp_path / "out")
    for name in ("report.html", "table.md", "table.tex", "scores.csv"):
        assert "somewhere" not in (tmp_path / "out" / name).read_text()
    assert published(f"in {run_list.images}: {run_list.references}/x", run_list) == "in images: x"


def read_by(run_list, *names):
    """The run list, whose evaluations were made by these readers."""
    for run, name in zip(run_list.runs, names, strict=True):
        content = json.loads(run.evaluation.read_text())
        run.evaluation.write_text(json.dumps({**content, "reader": name}))
    return run_list


@pytest.mark.parametrize("with_dataset_json", [True, False])
@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("NibabelIO", "NibabelIO"), "NibabelIO"),
        (("NibabelIO", None), "NibabelIO"),
        ((None, None), "SimpleITKIO"),
        (("NibabelIO", "SimpleITKIO"), "SimpleITKIO"),
    ],
)
def test_cases_are_drawn_by_the_reader_that_evaluated_them(run_list, names, expected, with_dataset_json):
    if with_dataset_json:
        content = json.loads(run_list.dataset_json.read_text())
        run_list.dataset_json.write_text(json.dumps({**content, "overwrite_image_reader_writer": "SimpleITKIO"}))
    else:
        run_list = replace(run_list, dataset_json=None)
        expected = None if expected == "SimpleITKIO" else expected  # the one that nnU-Net chooses for a file
    labels = pictures_of(read_by(run_list, *names)).files.labels
    assert (labels.reader and labels.reader.name) == expected


def test_a_reader_that_is_not_known_costs_no_more_than_the_pictures(run_list):
    assert "image reader 'MyIO'" in pictures_of(read_by(run_list, "MyIO", "MyIO")).problem
