"""Folders of predictions against folders of references: regions, ignore label, absent structures, bad input."""

from __future__ import annotations

import gzip
import json
import math
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from ending_processes import die, end_at_work
from made_up_folders import two_boxes, write, write_data_set

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.evaluation.cases import evaluate_files, evaluate_folders
from nnunet_dsd.evaluation.images import read_labels
from nnunet_dsd.evaluation.results import summarise
from nnunet_dsd.evaluation.scoring import evaluate_arrays
from nnunet_dsd.evaluation.structures import LabelSet, Structure, label_set, read_label_set

LABELS = label_set({"background": 0, "head": 1, "body": 2})


def test_folders_are_evaluated_case_by_case_with_spacing_from_the_files(tmp_path: Path) -> None:
    for name, shift in (("b", 0), ("a", 3)):
        write(tmp_path / "ref" / f"{name}.nii.gz", two_boxes(), spacing=(0.5, 1.0, 2.5))
        write(tmp_path / "pred" / f"{name}.nii.gz", two_boxes(shift), spacing=(0.5, 1.0, 2.5))
    evaluation = evaluate_folders(tmp_path / "pred", tmp_path / "ref", LABELS)
    assert evaluation.cases == ("a", "b")
    head, body = evaluation.scores[:2]
    assert (head.case, head.structure, body.structure) == ("a", "head", "body")
    assert head.dice == pytest.approx(0.5)
    assert head.hd95_mm == pytest.approx(1.5)
    assert [score.dice for score in evaluation.scores[2:]] == [1.0, 1.0]
    assert evaluation.dice_summary("head").mean == pytest.approx(0.75)


def test_a_region_is_the_union_of_its_labels() -> None:
    prediction = np.where(two_boxes() > 0, 1, 0)
    region, head = Structure("whole", (1, 2)), Structure("head", (1,))
    scores = evaluate_arrays(prediction, two_boxes(), (region, head), spacing_mm=(1, 1, 1), case="x")
    assert scores[0].dice == 1.0
    assert scores[0].hd95_mm == 0.0
    assert scores[1].dice == pytest.approx(2 * 1 / (2 + 1))


def test_ignored_voxels_count_neither_in_prediction_nor_in_reference() -> None:
    reference, prediction = two_boxes(), two_boxes()
    reference[:, :, 8:] = 9
    prediction[:, :, 8:] = 1
    scores = evaluate_arrays(prediction, reference, LABELS.structures, spacing_mm=(1, 1, 1), case="x", ignore_label=9)
    assert scores[0].dice == 1.0
    assert math.isnan(scores[1].dice)


def test_absent_structures_are_undefined_and_counted() -> None:
    reference = np.where(two_boxes() == 2, 0, two_boxes())
    empty = evaluate_arrays(reference, reference, LABELS.structures, spacing_mm=(1, 1, 1), case="x")[1]
    missed = evaluate_arrays(reference, two_boxes(), LABELS.structures, spacing_mm=(1, 1, 1), case="y")[1]
    assert math.isnan(empty.dice)
    assert math.isnan(empty.hd95_mm)
    assert missed.dice == 0.0
    assert math.isnan(missed.hd95_mm)
    distances = summarise([empty.hd95_mm, missed.hd95_mm, 2.0])
    assert (distances.mean, distances.defined, distances.undefined) == (2.0, 1, 2)
    assert math.isnan(distances.deviation)


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Predictions and references of four cases, all equal."""
    return write_data_set(tmp_path, {"a": 0, "b": 0, "c": 0, "d": 0})


def test_missing_predictions_are_all_listed(folders: tuple[Path, Path]) -> None:
    for name in ("a", "c"):
        (folders[0] / f"{name}.nii.gz").unlink()
    with pytest.raises(DataError, match=r"2 problem(.|\n)*a\.nii\.gz has no prediction in .*\n.*c\.nii\.gz"):
        evaluate_folders(*folders, LABELS)


def test_missing_predictions_that_are_allowed_are_named_in_the_result(folders: tuple[Path, Path]) -> None:
    (folders[0] / "c.nii.gz").unlink()
    evaluation = evaluate_folders(*folders, LABELS, allow_missing=True)
    assert (evaluation.cases, evaluation.missing) == (("a", "b", "d"), ("c",))
    assert evaluation.summary("head", "dice").defined == 3


def test_predictions_of_other_cases_only_are_refused_even_where_missing_ones_are_allowed(
    folders: tuple[Path, Path],
) -> None:
    for path in folders[0].iterdir():
        path.rename(folders[0] / f"other_{path.name}")
    with pytest.raises(DataError, match="No prediction has the name of a reference"):
        evaluate_folders(*folders, LABELS, allow_missing=True)


def test_headers_are_checked_before_any_image_is_read_and_every_problem_is_told(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    predictions = folders[0]
    (predictions / "a.nii.gz").unlink()
    write(predictions / "b.nii.gz", two_boxes(), origin=(0.0, 0.0, -7.5), spacing=(1.0, 1.5, 2.5))
    (predictions / "c.nii.gz").write_bytes(b"no image")
    monkeypatch.setattr("nnunet_dsd.evaluation.cases.read_labels", pytest.fail)
    with pytest.raises(DataError) as caught:
        evaluate_folders(*folders, LABELS)
    message = str(caught.value)
    assert message.startswith("3 problems")
    assert "(1.0, 1.5, 2.5) in the prediction, (1.0, 1.0, 2.5) in the reference" in message
    assert "corners are up to 9.3 mm apart, allowed are 0.1 mm" in message  # 11 x 0.5 mm along y, 7.5 mm along z
    assert "origin_mm (0.0, 0.0, -7.5) in the prediction, (0.0, 0.0, 0.0) in the reference" in message
    assert "c.nii.gz could not be read as an image" in message
    assert "direction" not in message


def test_a_broken_file_does_not_hide_the_problems_of_the_others(folders: tuple[Path, Path]) -> None:
    predictions, references = folders
    whole = (predictions / "a.nii.gz").read_bytes()
    (predictions / "a.nii.gz").write_bytes(whole[:-12])
    write(predictions / "c.nii.gz", np.where(two_boxes() == 2, 7, two_boxes()))
    write(references / "d.nii.gz", two_boxes() * np.float32(0.5))
    with pytest.raises(DataError) as caught:
        evaluate_folders(*folders, LABELS)
    message = str(caught.value)
    assert message.startswith("3 problems")
    assert "a.nii.gz could not be read to its end" in message
    assert f"{predictions / 'c.nii.gz'} holds label values that the data set does not have: 7 (144 voxels)" in message
    assert "it has [0, 1, 2]" in message
    assert f"{references / 'd.nii.gz'} holds values that are no whole numbers" in message


def test_two_processes_find_what_one_finds_and_the_same_problems(folders: tuple[Path, Path]) -> None:
    write(folders[0] / "b.nii.gz", two_boxes(2))
    seen: list[int] = []

    def count(results, total):
        for result in results:
            seen.append(total)
            yield result

    alone, shared = evaluate_folders(*folders, LABELS), evaluate_folders(*folders, LABELS, processes=2, track=count)
    assert str(shared) == str(alone)
    assert seen == [4, 4, 4, 4]
    (folders[0] / "b.nii.gz").write_bytes((folders[0] / "b.nii.gz").read_bytes()[:-9])
    with pytest.raises(DataError, match=r"1 problem(.|\n)*b\.nii\.gz could not be read to its end"):
        evaluate_folders(*folders, LABELS, processes=2)


def test_a_process_that_is_killed_is_told_and_not_waited_for(
    folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nnunet_dsd.evaluation.cases._run_job", die)
    with pytest.raises(SetupError, match=r"one of 2 processes was killed.*fewer with --processes"):
        evaluate_folders(*folders, LABELS, processes=2)
    with pytest.raises(SetupError, match="0 processes"):
        evaluate_folders(*folders, LABELS, processes=0)


EVALUATE_AND_WAIT = """
import sys
from pathlib import Path
from ending_processes import tell_and_wait
from nnunet_dsd.evaluation import cases
from nnunet_dsd.evaluation.structures import label_set
cases._run_job = tell_and_wait
cases.evaluate_folders(Path(sys.argv[1]), Path(sys.argv[2]), label_set({"head": 1}), processes=2)
"""


def test_the_processes_end_with_an_evaluation_that_is_killed(folders: tuple[Path, Path]) -> None:
    assert end_at_work(EVALUATE_AND_WAIT, *folders)[0] == -signal.SIGKILL


def test_a_folder_without_label_images_is_refused(folders: tuple[Path, Path], tmp_path: Path) -> None:
    predictions, references = folders
    with pytest.raises(DataError, match=r"nowhere is no folder; the one with the references is needed"):
        evaluate_folders(predictions, tmp_path / "nowhere", LABELS)
    with pytest.raises(DataError, match=r"holds no reference ending in \.nii\.gz"):
        evaluate_folders(predictions, tmp_path, LABELS)
    with pytest.raises(DataError, match=r"holds no prediction ending in \.nii\.gz"):
        evaluate_folders(tmp_path, references, LABELS)


def test_values_that_are_not_known_are_accepted_where_nothing_says_which_there_are(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nii.gz", two_boxes())
    only_head = LabelSet((Structure("head", (1,)),))
    assert evaluate_files(path, path, only_head, case="a")[0].dice == 1.0
    with pytest.raises(DataError, match="does not have: 2"):
        evaluate_files(path, path, label_set({"head": 1}), case="a")


def test_flat_images_are_evaluated_without_volumes(tmp_path: Path) -> None:
    flat = tmp_path / "flat.png"
    sitk.WriteImage(sitk.GetImageFromArray(two_boxes()[3]), str(flat))
    score = evaluate_files(flat, flat, LABELS, case="a")[0]
    assert (score.dice, score.hd95_mm, score.rvd, score.prediction_voxels) == (1.0, 0.0, 0.0, 36)
    assert math.isnan(score.prediction_ml)


def test_colours_are_no_labels(tmp_path: Path) -> None:
    coloured = tmp_path / "coloured.png"
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((8, 9, 3), dtype=np.uint8), isVector=True), str(coloured))
    with pytest.raises(DataError, match="one value per voxel in 2 or 3 dimensions"):
        evaluate_files(coloured, coloured, LABELS, case="a")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"spacing": (1.0, 1.0, 2.0)}, "spacing_mm"),
        ({"origin": (0.0, 5.0, 0.0)}, "origin_mm"),
        ({"direction": (-1.0, 0, 0, 0, -1, 0, 0, 0, 1)}, "direction"),
    ],
)
def test_another_geometry_is_refused_by_name(tmp_path: Path, change: dict, named: str) -> None:
    reference = write(tmp_path / "ref.nii.gz", two_boxes())
    prediction = write(tmp_path / "pred.nii.gz", two_boxes(), **change)
    with pytest.raises(DataError, match=f"  {named} ") as caught:
        evaluate_files(prediction, reference, LABELS, case="x")
    assert str(caught.value).count("in the prediction,") == 1


def test_another_size_is_refused(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nii.gz", two_boxes())
    prediction = write(tmp_path / "pred.nii.gz", two_boxes()[1:])
    with pytest.raises(DataError, match=r"size \(20, 12, 7\) in the prediction, \(20, 12, 8\) in the reference"):
        evaluate_files(prediction, reference, LABELS, case="x")


def test_probabilities_are_no_labels(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nii.gz", two_boxes())
    soft = write(tmp_path / "soft.nii.gz", two_boxes() * np.float32(0.3))
    with pytest.raises(DataError, match="no whole numbers"):
        evaluate_files(soft, reference, LABELS, case="x")


@pytest.mark.parametrize(
    ("ending", "keep"), [("nii.gz", 10), ("nii.gz", 100), ("nii.gz", -4), ("nii", 900), ("nii", -1)]
)
def test_a_file_that_is_cut_off_is_refused_and_not_read_as_zeros(tmp_path: Path, ending: str, keep: int) -> None:
    reference = write(tmp_path / f"ref.{ending}", two_boxes())
    assert read_labels(reference).array.sum() > 0
    broken = tmp_path / f"broken.{ending}"
    broken.write_bytes(reference.read_bytes()[:keep])
    with pytest.raises(DataError, match="cut off or damaged"):
        evaluate_files(broken, reference, LABELS, case="x")


def test_a_cut_off_image_in_a_sound_compressed_file_is_refused(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nii", two_boxes())
    broken = tmp_path / "broken.nii.gz"
    broken.write_bytes(gzip.compress(reference.read_bytes()[:900]))
    with pytest.raises(DataError, match=r"holds 900 bytes of 2272; it is cut off or damaged"):
        evaluate_files(broken, reference, LABELS, case="x")


@pytest.mark.parametrize("ending", ["nii.gz", "nii", "mha"])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_numbers_that_are_not_finite_are_refused_and_not_read_as_background(
    tmp_path: Path, ending: str, value: float
) -> None:
    reference = write(tmp_path / f"ref.{ending}", two_boxes())
    floats = two_boxes().astype(np.float32)
    floats[3, 4, 5:8] = value
    broken = write(tmp_path / f"broken.{ending}", floats)
    with pytest.raises(DataError, match=r"broken.* holds numbers that are not finite in 3 voxels"):
        evaluate_files(broken, reference, LABELS, case="x")


@pytest.mark.parametrize(
    ("kind", "value"), [(np.int16, -1), (np.int64, 2**40), (np.float32, 65536), (np.uint32, 2**32 - 1)]
)
def test_values_that_no_label_has_are_refused(tmp_path: Path, kind: type, value: int) -> None:
    reference = write(tmp_path / "ref.nrrd", two_boxes())
    foreign = two_boxes().astype(kind)
    foreign[0, 0, 0] = value
    wrong = write(tmp_path / "wrong.nrrd", foreign)
    with pytest.raises(DataError, match="labels are whole numbers from 0 to 65535"):
        evaluate_files(wrong, reference, LABELS, case="x")


def test_the_largest_label_is_evaluated(tmp_path: Path) -> None:
    path = write(tmp_path / "a.nrrd", two_boxes().astype(np.uint16) * 32767 + 1)
    assert (
        evaluate_files(path, path, label_set({"low": [1, 32768], "top": 65535}), case="x")[1].prediction_voxels == 144
    )


def test_images_that_differ_by_the_rounding_of_their_headers_are_compared(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nrrd", two_boxes(), origin=(-212.3456789, 7.0, 1.0))
    prediction = write(tmp_path / "pred.nrrd", two_boxes(), origin=(-212.34, 7.0, 1.0))
    assert evaluate_files(prediction, reference, LABELS, case="x")[0].dice == 1.0


def test_a_shift_by_a_voxel_of_a_microscope_is_refused(tmp_path: Path) -> None:
    fine = (2e-4, 2e-4, 5e-4)
    reference = write(tmp_path / "ref.nrrd", two_boxes(), spacing=fine)
    prediction = write(tmp_path / "pred.nrrd", two_boxes(), spacing=fine, origin=(2e-4, 0.0, 0.0))
    with pytest.raises(DataError, match=r"origin_mm \(0\.0002, 0\.0, 0\.0\) in the prediction"):
        evaluate_files(prediction, reference, LABELS, case="x")


def test_a_file_that_is_no_image_is_refused(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nrrd", two_boxes())
    broken = tmp_path / "broken.nrrd"
    broken.write_text("no image")
    with pytest.raises(DataError, match="SimpleITK says"):
        evaluate_files(broken, reference, LABELS, case="x")


def test_dataset_json_gives_structures_regions_and_the_ignore_label(tmp_path: Path) -> None:
    path = tmp_path / "dataset.json"
    labels = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3, "ignore": 4}
    path.write_text(json.dumps({"labels": labels, "file_ending": ".mha"}))
    found = read_label_set(path)
    assert [(entry.name, entry.labels) for entry in found.structures] == [
        ("whole", (1, 2, 3)),
        ("core", (2, 3)),
        ("enhancing", (3,)),
    ]
    assert (found.ignore_label, found.file_ending) == (4, ".mha")


@pytest.mark.parametrize(
    "text", ["", "[]", '{"labels": {"a": 1}}', '{"labels": {"background": 0}, "file_ending": "x"}']
)
def test_a_file_that_is_no_dataset_json_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "dataset.json"
    path.write_text(text)
    with pytest.raises(DataError):
        read_label_set(path)


def test_importing_evaluation_loads_no_nnunet() -> None:
    code = "import sys, nnunet_dsd.evaluation.cases, nnunet_dsd.evaluation.figures; sys.exit('nnunetv2' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
