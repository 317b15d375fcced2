"""Folders of predictions against folders of references: regions, ignore label, absent structures, bad input."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.cases import evaluate_arrays, evaluate_files, evaluate_folders
from nnunet_dsd.evaluation.images import read_labels
from nnunet_dsd.evaluation.results import summarise
from nnunet_dsd.evaluation.structures import Structure, label_set, read_label_set

LABELS = label_set({"background": 0, "head": 1, "body": 2})


def write(path: Path, array: np.ndarray, *, spacing=(1.0, 1.0, 2.5), origin=(0.0, 0.0, 0.0), direction=None) -> Path:
    image = sitk.GetImageFromArray(array)
    image.SetSpacing(spacing)
    image.SetOrigin(origin)
    if direction is not None:
        image.SetDirection(direction)
    path.parent.mkdir(parents=True, exist_ok=True)
    sitk.WriteImage(image, str(path))
    return path


def two_boxes(shift: int = 0) -> np.ndarray:
    labels = np.zeros((8, 12, 20), dtype=np.uint8)
    labels[2:6, 3:9, 2 + shift : 8 + shift] = 1
    labels[2:6, 3:9, 8 + shift : 14 + shift] = 2
    return labels


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


def test_missing_predictions_are_listed(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write(tmp_path / "ref" / f"{name}.nii.gz", two_boxes())
    write(tmp_path / "pred" / "b.nii.gz", two_boxes())
    with pytest.raises(DataError, match=r"2 of 3 references(.|\n)*a\.nii\.gz\n.*c\.nii\.gz"):
        evaluate_folders(tmp_path / "pred", tmp_path / "ref", LABELS)


def test_a_folder_without_references_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no reference ending in \.nii\.gz"):
        evaluate_folders(tmp_path, tmp_path / "nowhere", LABELS)


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
    with pytest.raises(DataError, match=f"  {named}: ") as caught:
        evaluate_files(prediction, reference, LABELS, case="x")
    assert str(caught.value).count("in the prediction,") == 1


def test_another_size_is_refused(tmp_path: Path) -> None:
    reference = write(tmp_path / "ref.nii.gz", two_boxes())
    prediction = write(tmp_path / "pred.nii.gz", two_boxes()[1:])
    with pytest.raises(DataError, match=r"size: \(20, 12, 7\) in the prediction, \(20, 12, 8\) in the reference"):
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
