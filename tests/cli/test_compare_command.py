"""`nnunet-dsd compare`: from the command line to the folder."""

import json
import math

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_folders import two_boxes, write, write_data_set

from nnunet_dsd.cli.main import main
from nnunet_dsd.evaluation.export import write_evaluation_json
from nnunet_dsd.evaluation.results import Evaluation, Score
from nnunet_dsd.evaluation.structures import Structure

CASES = tuple(f"case_{number}" for number in range(7))


def write_scores(path, *, gain=0.0, cases=CASES):
    """An evaluation of one structure whose Dice rises with the case's number."""
    measures = {name: math.nan for name in Score.__dataclass_fields__ if name not in ("case", "structure")}
    scores = []
    for number, case in enumerate(cases):
        values = {"dice": 0.7 + number / 100 + gain * (1 + number / 10), "hd95_mm": 3.0 - gain * number}
        scores.append(Score(case, "head", **{**measures, **values, "prediction_voxels": 25, "reference_voxels": 25}))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_evaluation_json(path, Evaluation((Structure("head", (1,)),), tuple(scores)))
    return path


@pytest.fixture
def words(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    better, stock = write_scores(tmp_path / "dsd.json", gain=0.05), write_scores(tmp_path / "stock.json")
    return [f"Stock={stock}", f"DSD={better}"]


def test_words_are_compared_with_the_first_method(words, tmp_path, capsys):
    assert main(["compare", "-o", str(tmp_path / "out"), *words]) == 0
    printed = capsys.readouterr().out
    assert f"report: {tmp_path / 'out/report.html'}" in printed
    assert "Dice (%), head, against Stock" in printed
    assert "HD95 (mm), head, against Stock" in printed
    content = json.loads((tmp_path / "out/comparison.json").read_text())
    (dice,) = content["measures"][0]["comparisons"]
    assert (dice["method"], dice["pairs"], dice["better"]) == ("DSD", 7, 7)
    assert dice["mean"] == pytest.approx(0.05 * 1.3)
    assert dice["p_holm"] == dice["p_value"] == pytest.approx(2 / 2**7)


def evaluated(root):
    """Predictions of two methods with their evaluations where `evaluate` puts them, images and references."""
    shifts = {f"case_{number}": number % 3 for number in range(7)}
    predictions, references = write_data_set(root / "A", shifts)
    worse, _ = write_data_set(root / "B", {case: 2 * shift + 1 for case, shift in shifts.items()})
    for case in shifts:
        write(root / "A" / "imagesTs" / f"{case}_0000.nii.gz", two_boxes().astype(np.float32))
    for folder in (predictions, worse):
        assert main(["evaluate", str(folder), str(references), "--dataset-json", str(root / "A")]) == 0
    words = [f"{folder.parent.name}={folder / 'evaluation' / 'evaluation.json'}" for folder in (predictions, worse)]
    return words, root / "A" / "imagesTs", references


def test_cases_are_drawn_with_the_images_and_references_that_are_named(tmp_path, capsys):
    words, images, references = evaluated(tmp_path)
    pictures = ["--images", str(images), "--references", str(references)]
    assert main(["compare", *words, *pictures, "-o", str(tmp_path / "out")]) == 0
    assert (tmp_path / "out" / "cases.png").is_file()
    assert "not drawn" not in capsys.readouterr().out


@pytest.mark.usefixtures("unrendered_figures")
def test_without_them_it_is_said_how_cases_are_drawn(tmp_path, capsys):
    words, _, _ = evaluated(tmp_path)
    assert main(["compare", *words, "-o", str(tmp_path / "out")]) == 0
    assert not (tmp_path / "out" / "cases.png").exists()
    assert "give --images and --references" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--images", "."], "--images and --references go together"),
        (["--references", "."], "--images and --references go together"),
        (["--images", "nowhere", "--references", "."], "images: the folder nowhere does not exist"),
    ],
)
def test_half_of_what_drawing_needs_is_refused(words, tmp_path, capsys, options, said):
    assert main(["compare", *words, *options, "-o", str(tmp_path / "out")]) == 1
    assert said in capsys.readouterr().err


def test_a_list_of_runs_names_its_images_itself(tmp_path, capsys):
    (tmp_path / "runs.json").write_text("{}")
    options = ["--runs", str(tmp_path / "runs.json"), "--images", ".", "--references", "."]
    assert main(["compare", *options, "-o", str(tmp_path / "out")]) == 1
    assert "names images and references itself" in capsys.readouterr().err


@pytest.mark.usefixtures("unrendered_figures")
def test_baseline_measures_and_seed_can_be_chosen(words, tmp_path):
    out = tmp_path / "out"
    assert main(["compare", *words, "-o", str(out), "--baseline", "DSD", "--seed", "5", "--measures", "dice"]) == 0
    content = json.loads((out / "comparison.json").read_text())
    assert (content["baseline"], content["seed"], [one["name"] for one in content["measures"]]) == ("DSD", 5, ["dice"])
    assert content["measures"][0]["comparisons"][0]["mean"] == pytest.approx(-0.05 * 1.3)


def test_the_same_command_gives_the_same_numbers(words, tmp_path):
    texts = []
    for name in ("one", "two"):
        assert main(["compare", *words, "-o", str(tmp_path / name), "--measures", "dice"]) == 0
        texts.append(
            [(tmp_path / name / file).read_text() for file in ("comparison.json", "report.html", "scores.csv")]
        )
    assert texts[0] == texts[1]


@pytest.fixture
def listed(tmp_path):
    """A list of two methods with two seeds each, whose images and predictions can be drawn."""
    labels = np.zeros((3, 12, 12), np.uint8)
    labels[1, 3:8, 3:8] = 1
    folders = ("raw/imagesTr", "raw/labelsTr", "Stock", "DSD")
    for folder in folders:
        (tmp_path / folder).mkdir(parents=True)
        for case in CASES:
            name = f"{case}_0000.nii.gz" if folder.endswith("imagesTr") else f"{case}.nii.gz"
            sitk.WriteImage(sitk.GetImageFromArray(labels), str(tmp_path / folder / name))
    (tmp_path / "raw/dataset.json").write_text(
        json.dumps({"labels": {"background": 0, "head": 1}, "file_ending": ".nii.gz"})
    )
    runs = []
    for method, gain in (("Stock", 0.0), ("DSD", 0.05)):
        for seed in (1, 2):
            write_scores(tmp_path / f"{method}_{seed}.json", gain=gain * seed + seed / 1000)
            run = {"method": method, "fold": 0, "seed": seed, "evaluation": f"{method}_{seed}.json"}
            runs.append({**run, "predictions": method if seed == 1 else None, "notes": None})
    content = {"title": "Two seeds", "baseline": "Stock", "runs": runs, "dataset_json": "raw/dataset.json"}
    folders = {"images": "raw/imagesTr", "references": "raw/labelsTr"}
    (tmp_path / "runs.json").write_text(json.dumps({**content, **folders}))
    return ["compare", "--runs", str(tmp_path / "runs.json"), "-o", str(tmp_path / "out"), "--measures", "dice"]


def test_a_list_of_runs_with_images_shows_cases(listed, tmp_path, capsys):
    assert main(listed) == 0
    assert (tmp_path / "out/cases.png").is_file()
    report = (tmp_path / "out/report.html").read_text()
    assert "<h1>Two seeds</h1>" in report
    assert "Not drawn" not in report
    assert "2 runs" in capsys.readouterr().out


def test_a_folder_of_other_predictions_is_refused_and_nothing_is_written(listed, tmp_path, capsys):
    for case in CASES:
        image = sitk.GetImageFromArray(np.zeros((3, 12, 12), np.uint8))
        sitk.WriteImage(image, str(tmp_path / "DSD" / f"{case}.nii.gz"))
    assert main(listed) == 1
    error = capsys.readouterr().err
    words = f"DSD fold 0 seed 1, case case_6: head has 0 voxels in {tmp_path / 'DSD'}, and 25 in the evaluation"
    assert words in error
    assert "Stock" not in error
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("unrendered_figures")
def test_methods_with_other_cases_are_refused_unless_the_common_ones_are_asked_for(words, tmp_path, capsys):
    fewer = write_scores(tmp_path / "fewer.json", cases=CASES[:6])
    command = ["compare", *words, f"Fewer={fewer}", "-o", str(tmp_path / "out"), "--measures", "dice"]
    assert main(command) == 1
    assert f"Fewer ({fewer}) has 6 of the 7 cases of its fold; it lacks case_6" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*command, "--common-cases"]) == 0
    assert "note: Only the cases that all runs of a fold and all methods have are compared." in capsys.readouterr().out
    report = (tmp_path / "out/report.html").read_text()
    assert [report.count(f"of {name} 1 that others lack (case_6)") for name in ("Stock", "DSD", "Fewer")] == [1, 1, 0]
    assert str(tmp_path) not in report


@pytest.mark.usefixtures("unrendered_figures")
def test_an_earlier_comparison_is_replaced_only_with_overwrite(words, tmp_path, capsys):
    command = ["compare", *words, "-o", str(tmp_path / "out"), "--measures", "dice"]
    assert main(command) == 0
    assert main(command) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert main([*command, "--overwrite"]) == 0


@pytest.mark.parametrize(
    ("options", "words_of_error"),
    [
        (["--measures", "volume"], "There is no measure 'volume'; there are dice"),
        (["--measures", "dice", "A=a.json"], "all words after --measures are measures, and A=a.json is none"),
        (["--baseline", "Basic"], "the baseline 'Basic' has no run; there are Stock, DSD"),
        (["--runs", "runs.json"], "one of the two"),
        (["--seed", "-1"], "seed -1, allowed is at least 0"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_written(words, tmp_path, capsys, options, words_of_error):
    assert main(["compare", *words, "-o", str(tmp_path / "out"), *options]) == 1
    error = capsys.readouterr().err
    assert error.startswith("nnunet-dsd compare: ")
    assert words_of_error in error
    assert not (tmp_path / "out").exists()


def test_no_runs_at_all_are_refused(tmp_path, capsys):
    assert main(["compare", "-o", str(tmp_path / "out")]) == 1
    assert "one of the two" in capsys.readouterr().err


def test_an_evaluation_that_is_no_json_is_told_in_words(tmp_path, capsys):
    (tmp_path / "scores.csv").write_text("case,structure")
    assert main(["compare", f"A={tmp_path / 'scores.csv'}", "-o", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "scores.csv is no JSON file (Expecting value" in error
    assert "JSONDecodeError" not in error


def test_an_impossible_folder_is_refused_before_the_evaluations_are_read(words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("nnunet_dsd.comparison.scores.read_scores", pytest.fail)
    (tmp_path / "file").write_text("mine")
    assert main(["compare", *words, "-o", str(tmp_path / "file/x")]) == 1
    assert f"{tmp_path / 'file'} is a file. Give another folder with -o" in capsys.readouterr().err


def test_a_question_has_no_full_stop_after_it(words, tmp_path, capsys):
    assert main(["compare", *words, "-o", str(tmp_path / "out"), "--measures", "dise"]) == 1
    assert capsys.readouterr().err.rstrip().endswith("; did you mean dice?")
    assert main(["compare", *words, "-o", str(tmp_path / "out"), "--measures", "volume"]) == 1
    assert capsys.readouterr().err.rstrip().endswith("reference_ml.")


@pytest.mark.usefixtures("unrendered_figures")
def test_measures_that_are_given_one_by_one_are_all_reported(words, tmp_path):
    options = ["--measures", "dice", "--measures", "hd95_mm"]
    assert main(["compare", *words, "-o", str(tmp_path / "out"), *options]) == 0
    measures = json.loads((tmp_path / "out/comparison.json").read_text())["measures"]
    assert [measure["name"] for measure in measures] == ["dice", "hd95_mm"]
