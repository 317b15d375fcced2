"""The folder of a study belongs to it: runs may be added, none may change."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from study_workplace import STUDY

from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.study_file import study_from_dict
from nnunet_dsd.ablation.study_folder import check_study_folder, open_study_folder, study_differences
from nnunet_dsd.common.errors import DataError, SetupError


def study(**changes: object) -> Study:
    read, problems = study_from_dict({**STUDY, **changes})
    assert problems == []
    return read


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": [1, 2]},
        {"seeds": [2, 1]},
        {"folds": [1, 0]},
        {"trainers": ["nnUNetTrainerSDD", *STUDY["trainers"]]},
        {"plans": {**STUDY["plans"], "more": {}}},
        {"trainers": ["nnUNetTrainerBasic", {"trainer": "nnUNetTrainerDSD", "label": "ours"}]},
        {"title": "other", "device": "cpu", "baseline": "nnUNetTrainerBasic"},
    ],
)
def test_runs_may_be_added_and_names_and_machine_may_differ(tmp_path: Path, changes: dict) -> None:
    open_study_folder(tmp_path / "o", study())
    open_study_folder(tmp_path / "o", study(**changes))
    recorded, _ = study_from_dict(json.loads((tmp_path / "o" / "study.json").read_text()))
    assert recorded == study(**changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "other"}, "name: 'trial' there, 'other' now"),
        ({"dataset": "4"}, "dataset: '99' there, '4' now"),
        ({"configuration": "2d"}, "configuration: '3d_fullres' there, '2d' now"),
        ({"from_plans": "Mine"}, "from_plans"),
        ({"evaluate_on": "test"}, "evaluate_on: 'validation' there, 'test' now"),
        ({"seeds": [2]}, "seeds: 1 there, not any more"),
        ({"folds": [1]}, "folds: 0 there"),
        ({"trainers": ["nnUNetTrainerDSD"]}, "trainers: nnUNetTrainerBasic on 'short' there"),
        ({"plans": {"short": {"width": 1}}}, "plans 'short': {'preset': 'paper'"),
        ({"plans": {"long": {}}}, "plans 'short': there, not any more"),
    ],
)
def test_what_would_change_or_remove_a_run_is_refused_with_the_difference(
    tmp_path: Path, changes: dict, words: str
) -> None:
    open_study_folder(tmp_path, study())
    before = (tmp_path / "study.json").read_bytes()
    with pytest.raises(DataError) as caught:
        open_study_folder(tmp_path, study(**changes))
    assert words in str(caught.value)
    assert (tmp_path / "study.json").read_bytes() == before


def test_an_unchanged_study_has_no_differences() -> None:
    assert study_differences(study(), study()) == []


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("x")
    with pytest.raises(SetupError, match=r"is not empty and holds no study\.json"):
        open_study_folder(tmp_path, study())
    with pytest.raises(SetupError, match="is a file"):
        check_study_folder(tmp_path / "thesis.txt", study())
    (tmp_path / "study.json").write_text("{")
    with pytest.raises(DataError, match="cannot be read"):
        open_study_folder(tmp_path, study())
