"""Evaluations as CSV and JSON, and back."""

from __future__ import annotations

import csv
import errno
import json
import math
from pathlib import Path

import pytest
from made_up_evaluations import score

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.evaluation.export import read_evaluation_json, write_csv, write_evaluation_json
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import Structure

EVALUATION = Evaluation(
    (Structure("head", (1,)), Structure("whole", (1, 2))),
    (
        score("a", "head", dice=0.5, hd95_mm=2.0, rvd=-0.25, prediction_voxels=9, reference_voxels=12),
        score("a", "whole"),
        score("b", "head", dice=0.9),
        score("b", "whole", dice=0.25, hd95_mm=4.5),
    ),
    surface_tolerance_mm=2.5,
    both_empty="one",
    missing=("c",),
)


def test_csv_has_a_row_per_case_and_structure_and_empty_cells_for_undefined_values(tmp_path: Path) -> None:
    write_csv(tmp_path / "scores.csv", EVALUATION)
    rows = list(csv.DictReader((tmp_path / "scores.csv").open()))
    assert len(rows) == 4
    assert rows[0] == {
        "case": "a",
        "structure": "head",
        "dice": "0.5",
        "hd95_mm": "2.0",
        "asd_mm": "",
        "surface_dice": "",
        "rvd": "-0.25",
        "abs_rvd": "",
        "prediction_ml": "",
        "reference_ml": "",
        "prediction_voxels": "9",
        "reference_voxels": "12",
    }
    assert rows[1]["dice"] == rows[1]["hd95_mm"] == ""


def test_json_summarises_and_is_strict_json(tmp_path: Path) -> None:
    write_evaluation_json(tmp_path / "scores.json", EVALUATION)
    content = json.loads((tmp_path / "scores.json").read_text(), parse_constant=pytest.fail)
    head = content["summary"]["head"]
    assert head["dice"]["mean"] == pytest.approx(0.7)
    assert head["dice"]["deviation"] == pytest.approx(math.sqrt(0.08))
    assert (head["hd95_mm"]["defined"], head["hd95_mm"]["undefined"]) == (1, 1)
    assert content["summary"]["whole"]["dice"]["deviation"] is None


def test_reading_gives_back_what_was_written(tmp_path: Path) -> None:
    write_evaluation_json(tmp_path / "scores.json", EVALUATION)
    again = read_evaluation_json(tmp_path / "scores.json")
    assert str(again) == str(EVALUATION)


def test_a_file_that_is_no_json_is_refused(tmp_path: Path) -> None:
    (tmp_path / "scores.csv").write_text("case,dice")
    with pytest.raises(DataError, match=r"scores.csv is no JSON file \(.*give the evaluation.json"):
        read_evaluation_json(tmp_path / "scores.csv")


@pytest.mark.parametrize("text", ["[]", "{}", '{"summary": {}, "scores": [{"dice": 1}]}'])
def test_another_file_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "scores.json").write_text(text)
    with pytest.raises(DataError, match="no evaluation written by this version of nnunet-dsd"):
        read_evaluation_json(tmp_path / "scores.json")


def test_a_file_that_may_not_be_read_is_not_called_one_of_another_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> str:
        raise PermissionError(errno.EACCES, "Permission denied")

    with pytest.raises(DataError, match=r"scores\.json does not exist"):
        read_evaluation_json(tmp_path / "scores.json")
    monkeypatch.setattr("pathlib.Path.read_text", refuse)
    with pytest.raises(DataError, match=r"scores\.json cannot be read: Permission denied"):
        read_evaluation_json(tmp_path / "scores.json")
