"""`nnunet-dsd evaluate`: from two folders to a table and two files, or to a message and nothing."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from made_up_folders import two_boxes, write, write_data_set, write_dataset_json

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.files import require_writable
from nnunet_dsd.common.machine import usable_processes
from nnunet_dsd.evaluation import cases
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.evaluation.images import read_geometry
from nnunet_dsd.evaluation.structures import label_set


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and references of three cases with a dataset.json; `b` is three voxels (3 mm) off."""
    return write_data_set(tmp_path, {"a": 0, "b": 3, "c": 0})


def evaluate(folders: tuple[Path, Path], *options: str) -> int:
    processes = () if "--processes" in options else ("--processes", "1")
    return main(["evaluate", *map(str, folders), *processes, *options])


def test_labels_that_are_given_one_by_one_are_all_evaluated(folders: tuple[Path, Path]) -> None:
    assert evaluate(folders, "--labels", "head=1", "--labels", " tail =2") == 0
    found = read_evaluation_json(folders[0] / "evaluation" / "evaluation.json")
    assert [structure.name for structure in found.structures] == ["head", "tail"]


def test_two_folders_become_a_table_and_two_files(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    assert evaluate(folders) == 0
    printed = capsys.readouterr()
    assert "3 cases: mean ± standard deviation" in printed.out
    row = next(line for line in printed.out.splitlines() if "head" in line)
    assert "0.833 ± 0.289" in row
    assert "1.00 ± 1.73" in row
    output = folders[0] / "evaluation"
    assert f"written: {output / 'scores.csv'}\nwritten: {output / 'evaluation.json'}" in printed.out
    assert f"labels: {folders[1].parent / 'dataset.json'}" in printed.out
    assert printed.err == ""
    assert sorted(path.name for path in output.iterdir()) == ["evaluation.json", "scores.csv"]
    evaluation = read_evaluation_json(output / "evaluation.json")
    assert (evaluation.cases, evaluation.surface_tolerance_mm, evaluation.missing) == (("a", "b", "c"), 1.0, ())
    assert evaluation.summary("head", "dice").mean == pytest.approx(2.5 / 3)
    rows = list(csv.DictReader((output / "scores.csv").open()))
    assert [row["case"] for row in rows] == ["a", "a", "b", "b", "c", "c"]
    assert float(rows[2]["prediction_ml"]) == pytest.approx(144 * 2.5 / 1000)


def test_a_second_evaluation_replaces_the_first(folders: tuple[Path, Path]) -> None:
    assert evaluate(folders) == 0
    write(folders[0] / "b.nii.gz", two_boxes())
    assert evaluate(folders) == 0
    assert read_evaluation_json(folders[0] / "evaluation" / "evaluation.json").dice_summary("head").mean == 1.0


def test_options_reach_the_result(folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    given = ("--surface-tolerance", "3", "--labels", "whole=1,2", "none=2", "-o", str(tmp_path / "new" / "out"))
    for folder in folders:
        write(folder / "c.nii.gz", np.minimum(two_boxes(), 1))
    assert evaluate(folders, *given, "--both-empty", "one") == 0
    evaluation = read_evaluation_json(tmp_path / "new" / "out" / "evaluation.json")
    assert [(entry.name, entry.labels) for entry in evaluation.structures] == [("whole", (1, 2)), ("none", (2,))]
    assert (evaluation.surface_tolerance_mm, evaluation.both_empty) == (3.0, "one")
    assert evaluation.summary("whole", "surface_dice").mean == 1.0
    last = evaluation.of("none")[-1]
    assert (last.dice, last.surface_dice, last.reference_voxels) == (1.0, 1.0, 0)
    printed = capsys.readouterr().out
    assert "Surface Dice at 3 mm" in printed
    assert "(2/3)" in printed
    assert not (folders[0] / "evaluation").exists()


def test_what_is_left_out_is_told(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    (folders[0] / "b.nii.gz").rename(folders[0] / "z.nii.gz")
    assert evaluate(folders) == 1
    assert "b.nii.gz has no prediction in" in capsys.readouterr().err
    assert not (folders[0] / "evaluation").exists()
    assert evaluate(folders, "--allow-missing") == 0
    printed = capsys.readouterr().out
    assert "1 reference has no prediction and was left out: b" in printed
    assert "1 prediction has no reference and was left aside: z" in printed
    assert json.loads((folders[0] / "evaluation" / "evaluation.json").read_text())["missing"] == ["b"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--labels", "head"], ["1 problem in --labels", "'head': NAME=VALUE"]),
        (["--labels", "tail=9"], ["--labels names the values [9]"]),
        (["--surface-tolerance", "-1"], ["surface tolerance: got -1.0 mm"]),
        (["--dataset-json", "nowhere.json"], ["nowhere.json does not exist"]),
        (["--processes", "0"], ["--processes is 0, it must be at least 1"]),
    ],
)
def test_wrong_options_are_refused_without_traceback_and_nothing_is_written(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture, options: list[str], words: list[str]
) -> None:
    assert evaluate(folders, *options) == 1
    printed = capsys.readouterr()
    assert printed.err.startswith("nnunet-dsd evaluate: ")
    assert all(word in printed.err for word in words)
    assert not (folders[0] / "evaluation").exists()


def test_problems_of_all_files_come_at_once_and_nothing_is_written(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    assert evaluate(folders) == 0
    before = (folders[0] / "evaluation" / "evaluation.json").read_bytes()
    write(folders[0] / "a.nii.gz", two_boxes() * 4)
    (folders[0] / "c.nii.gz").write_bytes((folders[0] / "c.nii.gz").read_bytes()[:-8])
    assert evaluate(folders) == 1
    error = capsys.readouterr().err
    assert "2 problems with the files, so there is no evaluation" in error
    assert "a.nii.gz holds label values that the data set does not have: 4 (144 voxels), 8 (144 voxels)" in error
    assert "c.nii.gz could not be read to its end" in error
    assert (folders[0] / "evaluation" / "evaluation.json").read_bytes() == before


def test_without_a_dataset_json_the_places_are_named_and_labels_are_enough(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    (folders[1].parent / "dataset.json").unlink()
    assert evaluate(folders) == 1
    assert str(folders[1].parent / "dataset.json") in capsys.readouterr().err
    assert evaluate(folders, "--labels", "head=1") == 0
    assert "no dataset.json was found" in capsys.readouterr().out


def test_another_file_ending_comes_from_the_dataset_json(tmp_path: Path) -> None:
    for folder in ("predictions", "labelsTs"):
        write(tmp_path / folder / "a.mha", two_boxes())
    write_dataset_json(tmp_path, ending=".mha")
    assert evaluate((tmp_path / "predictions", tmp_path / "labelsTs")) == 0


def test_an_output_that_cannot_be_written_is_refused_before_the_work(
    folders: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    for output in (tmp_path / "file", tmp_path / "file" / "below"):
        assert evaluate(folders, "-o", str(output)) == 1
        assert f"{tmp_path / 'file'} is a file. Give another folder with -o" in capsys.readouterr().err
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(SetupError, match="is read-only"):
        require_writable(tmp_path / "new")


def test_names_with_brackets_are_shown_as_they_are(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    assert evaluate(folders, "--labels", "[red]=1") == 0
    assert "[red]" in capsys.readouterr().out


def test_at_least_one_and_at_most_eight_processes_are_used_unless_asked_for() -> None:
    assert 1 <= usable_processes(8) <= 8


def test_folders_in_the_wrong_order_are_refused(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    (folders[0] / "predict_from_raw_data_args.json").write_text("{}")
    assert evaluate(folders[::-1]) == 1
    assert "The order is: nnunet-dsd evaluate PREDICTIONS REFERENCES." in capsys.readouterr().err
    assert not (folders[1] / "evaluation").exists()
    assert evaluate(folders) == 0


def test_a_dataset_json_that_is_no_json_is_told_in_words(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    (folders[1].parent / "dataset.json").write_text("labels:")
    assert evaluate(folders) == 1
    error = capsys.readouterr().err
    assert "dataset.json is no JSON file (Expecting value" in error
    assert "JSONDecodeError" not in error


def test_small_images_are_evaluated_in_this_process_unless_asked_for(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def pool(processes: int, killed: str) -> object:
        started.append(processes)
        raise RuntimeError("a process was started")

    monkeypatch.setattr("nnunet_dsd.common.workers._pool", pool)
    assert main(["evaluate", *map(str, folders)]) == 0
    with pytest.raises(RuntimeError):
        main(["evaluate", *map(str, folders), "--processes", "2"])
    assert started == [2]


@pytest.mark.parametrize(("voxels_per_process", "expected"), [(1, 4), (3 * 12**3, 1), (12**3, 3)])
def test_processes_follow_the_voxels(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch, voxels_per_process: float, expected: int
) -> None:
    monkeypatch.setattr("nnunet_dsd.common.machine.usable_processes", lambda most: 4)
    started = []
    monkeypatch.setattr(cases, "_run", lambda jobs, processes: started.append(processes) or ())
    shape = read_geometry(folders[1] / "a.nii.gz").size
    monkeypatch.setattr(cases, "VOXELS_PER_PROCESS", voxels_per_process * np.prod(shape) / 12**3)
    cases.evaluate_folders(*folders, label_set({"head": 1}), processes=None)
    assert started == [expected]


def test_folders_that_are_not_there_are_named_before_anything_else(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    missing = tmp_path / "a", tmp_path / "b"
    assert evaluate(missing) == 1
    assert capsys.readouterr().err == (
        f"nnunet-dsd evaluate: PREDICTIONS {missing[0]}: there is no such folder; "
        f"REFERENCES {missing[1]}: there is no such folder\n"
    )
    missing[0].write_text("")
    missing[1].mkdir()
    assert evaluate(missing) == 1
    assert capsys.readouterr().err == f"nnunet-dsd evaluate: PREDICTIONS {missing[0]}: this is no folder\n"


@pytest.mark.parametrize(
    ("left_out", "said"),
    [
        ("b", "1 reference has no prediction and was left out: b"),
        ("bc", "2 references have no prediction and were left out: b, c"),
    ],
)
def test_counts_agree_with_their_verbs(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture, left_out: str, said: str
) -> None:
    for name in left_out:
        (folders[0] / f"{name}.nii.gz").unlink()
    assert evaluate(folders, "--allow-missing") == 0
    assert said in capsys.readouterr().out


def test_a_folder_compared_with_itself_is_noted(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    assert evaluate((folders[1], folders[1])) == 0
    assert "note: PREDICTIONS and REFERENCES are one folder" in capsys.readouterr().out
    assert evaluate(folders) == 0
    assert "are one folder" not in capsys.readouterr().out


def test_results_are_not_mixed_with_the_references(folders: tuple[Path, Path], capsys: pytest.CaptureFixture) -> None:
    before = sorted(folders[1].iterdir())
    for output in (folders[1], folders[1] / ".." / folders[1].name):
        assert evaluate(folders, "-o", str(output)) == 1
        assert f"-o is REFERENCES ({folders[1]})" in capsys.readouterr().err
    assert sorted(folders[1].iterdir()) == before


def test_labels_of_the_command_line_are_said_to_be_so(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    assert evaluate(folders, "--labels", "head=1", "Ignore=2") == 0
    said = capsys.readouterr().out
    source = folders[1].parent / "dataset.json"
    assert f"labels: --labels; file ending and known values: {source}\n" in said
    assert "note: 'Ignore' is taken as the name of a structure; nnU-Net's word for voxels to leave out is `ign" in said


def test_a_dataset_json_that_does_not_fit_is_not_answered_with_repairs(
    folders: tuple[Path, Path], capsys: pytest.CaptureFixture
) -> None:
    path = write_dataset_json(folders[0].parent, {"background": 0, "head": 1})
    assert evaluate(folders) == 1
    said = capsys.readouterr().err
    assert "holds label values that the data set does not have" in said
    assert "Repair" not in said
    assert said.splitlines()[-1].startswith("Evaluate images with the dataset.json and the plans of their own data set")
    content = json.loads(path.read_text()) | {"overwrite_image_reader_writer": "NaturalImage2DIO"}
    path.write_text(json.dumps(content))
    assert evaluate(folders) == 1
    said = capsys.readouterr().err
    assert "`overwrite_image_reader_writer` in the dataset.json" in said
    assert "Repair" not in said
    assert "damaged" not in said
