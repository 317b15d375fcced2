"""Study files: what is read, and what is refused, all of it at once."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from study_workplace import STUDY

from nnunet_dsd.ablation.commands import predict_command
from nnunet_dsd.ablation.papers import DATASETS, NETWORKS, TABLES, paper_study
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import plan_runs
from nnunet_dsd.ablation.study import PlansChoice, TrainerChoice, study_to_dict
from nnunet_dsd.ablation.study_file import load_study, study_from_dict
from nnunet_dsd.cli import ablate_command
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.registry import all_trainers


def changed(**changes: object) -> dict:
    return {**copy.deepcopy(STUDY), **changes}


def problems_of(**changes: object) -> list[str]:
    return study_from_dict(changed(**changes))[1]


def test_a_study_is_read_with_defaults_for_what_it_leaves_out() -> None:
    study, problems = study_from_dict(changed(folds=None, seeds=None, dataset=99))
    assert problems == []
    assert (study.dataset, study.folds, study.seeds, study.from_plans) == ("99", (0,), (1,), "nnUNetPlans")
    assert (study.evaluate_on, study.baseline, study.device) == ("validation", None, None)
    assert study.plans == (PlansChoice("short", "paper", {"epochs": 3}, (16, 16, 16), None, 0.5),)
    assert study.trainers[1] == TrainerChoice("nnUNetTrainerDSD", ("short",))


def test_settings_by_parts_are_those_of_the_same_names() -> None:
    study, problems = study_from_dict(changed(plans={"short": {"settings": {"training": {"epochs": 3}}}}))
    assert problems == []
    assert study.plans[0].settings == {"epochs": 3}


def test_test_cases_may_go_unmirrored(tmp_path: Path) -> None:
    study, problems = study_from_dict(changed(evaluate_on="test", mirroring=False))
    assert problems == []
    assert study_from_dict(study_to_dict(study)) == (study, [])
    mirrored, _ = study_from_dict(changed(evaluate_on="test"))
    run, places = plan_runs(study)[0], Places(tmp_path, tmp_path, tmp_path, tmp_path)
    assert predict_command(study, run, places, tmp_path)[-1] == "--disable_tta"
    assert "--disable_tta" not in predict_command(mirrored, run, places, tmp_path)


def test_a_written_study_reads_as_the_same_study() -> None:
    choices = ["nnUNetTrainerBasic", {"trainer": "nnUNetTrainerDSD", "plans": ["b"], "label": "ours"}]
    content = changed(plans={"a": {}, "b": {"batch_size": 3}}, trainers=choices, baseline="ours", device="cpu")
    study, problems = study_from_dict(content)
    assert problems == []
    assert study_from_dict(json.loads(json.dumps(study_to_dict(study)))) == (study, [])


def test_methods_name_the_plans_where_a_trainer_is_run_on_several() -> None:
    choices = ["nnUNetTrainerBasic", {"trainer": "nnUNetTrainerDSD", "plans": ["b"], "label": "ours"}]
    study, _ = study_from_dict(changed(plans={"a": {}, "b": {}}, trainers=choices))
    assert study.methods == ("nnUNetTrainerBasic, a", "nnUNetTrainerBasic, b", "ours")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"trainer": []}, "unknown entry 'trainer'; did you mean 'trainers'?"),
        ({"name": "a__b"}, "name is 'a__b', expected letters"),
        ({"name": "a/b"}, "name is 'a/b'"),
        ({"name": None}, "'name' is missing"),
        ({"dataset": True}, "dataset is True, expected a data set's number or name"),
        ({"configuration": ""}, "configuration is ''"),
        ({"plans": {}}, "plans is {}"),
        ({"plans": {"short": []}}, "plans 'short': expected an object with preset"),
        ({"plans": {"a b": {}}}, "plans 'a b': the name must be"),
        ({"plans": {"short": {"preset": "papr"}}}, "unknown preset 'papr'; did you mean 'paper'?"),
        ({"plans": {"short": {"width": 9}}}, "width is 9, expected a number above 0"),
        ({"plans": {"short": {"batch_size": 0}}}, "batch_size is 0"),
        ({"plans": {"short": {"patch_size": [16]}}}, "patch_size is [16], expected 2 or 3 numbers"),
        ({"plans": {"short": {"settings": {"epoch": 3}}}}, "unknown setting 'epoch'; did you mean 'epochs'?"),
        ({"plans": {"short": {"settings": {"epochs": 0}}}}, "plans 'short': epochs: got 0"),
        ({"plans": {"short": {"settings": {"seed": 3}}}}, "'seed' is given by the study's seeds"),
        ({"plans": {"short": {"settings": {"training": {"seed": 3}}}}}, "'seed' is given by the study's seeds"),
        ({"plans": {"short": {"settings": {"dual": {"epochs": 3}}}}}, "plans 'short': 'epochs' stands in 'dual'"),
        ({"trainers": []}, "trainers is []"),
        ({"trainers": ["nnUNetTrainerDSX"]}, "nnUNetTrainerDSX"),
        ({"trainers": ["SwinTripletTeacher"]}, "is of kind video"),
        ({"trainers": [{"trainer": "nnUNetTrainerDSD", "plans": ["shot"]}]}, "no plans 'shot'; did you mean 'short'?"),
        ({"trainers": [{"label": "x"}]}, "'trainer' is missing"),
        ({"trainers": ["nnUNetTrainerDSD", "nnUNetTrainerDSD"]}, "is there twice"),
        ({"folds": [0, 0]}, "folds is [0, 0], expected different whole numbers"),
        ({"folds": [-1]}, "folds is [-1]"),
        ({"folds": ["all"]}, "fold 'all' trains on every case"),
        ({"seeds": []}, "seeds is []"),
        ({"seeds": [2**32]}, "seeds is [4294967296]"),
        ({"evaluate_on": "train"}, "evaluate_on is 'train', expected validation or test"),
        ({"evaluate_on": "test", "mirroring": "no"}, "mirroring is 'no', expected true or false"),
        ({"mirroring": False}, "nnU-Net always mirrors the validation cases"),
        ({"baseline": "nnUNetTrainerBasik"}, "is no method; did you mean 'nnUNetTrainerBasic'?"),
        ({"device": "gpu"}, "device is 'gpu', expected cuda or cpu or mps"),
    ],
)
def test_what_cannot_be_is_named(changes: dict, words: str) -> None:
    assert any(words in problem for problem in problems_of(**changes)), problems_of(**changes)


def test_all_problems_are_reported_together() -> None:
    problems = problems_of(name="a/b", seeds=[], trainers=["nnUNetTrainerDSX"], plans={"short": {"width": 0}}, foo=1)
    assert [any(word in line for line in problems) for word in ("a/b", "seeds", "DSX", "width", "foo")] == [True] * 5


def test_something_else_than_an_object_is_refused() -> None:
    assert any("expected an object" in problem for problem in study_from_dict([1])[1])


@pytest.mark.parametrize("name", ["nnUNetTrainer", "nnUNetTrainer_5epochs", "nnUNetTrainerNoMirroring"])
def test_trainers_of_nnunets_own_are_accepted(name: str) -> None:
    assert problems_of(trainers=[name]) == []


def test_trainers_in_a_folder_of_the_user_are_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert problems_of(trainers=["nnUNetTrainerMine"]) != []
    code = "raise RuntimeError('must not be imported')\nclass nnUNetTrainerMine(Base):\n    pass\n"
    (tmp_path / "mine.py").write_text(code)
    monkeypatch.setenv("nnUNet_extTrainer", str(tmp_path))
    assert problems_of(trainers=["nnUNetTrainerMine"]) == []


def test_a_missing_and_a_broken_file_are_refused_with_a_cure(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="--print-study"):
        load_study(tmp_path / "none.json")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(DataError, match="is no study file"):
        load_study(tmp_path / "broken.json")


PAPER_TABLES = [("backbones", None), *((table, network) for table in TABLES for network in (None, *NETWORKS))]


@pytest.mark.parametrize(("table", "network"), PAPER_TABLES)
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_papers_studies_are_sound_and_name_registered_trainers_only(
    dataset: str, table: str, network: str | None
) -> None:
    study, problems = study_from_dict(paper_study(dataset, table, network))
    assert problems == []
    assert {choice.trainer for choice in study.trainers} <= {entry.name for entry in all_trainers("segmentation")}
    assert study.baseline in study.methods


def test_the_command_offers_the_papers_studies_that_there_are() -> None:
    assert set(ablate_command.PAPERS) == set(DATASETS)
    assert set(ablate_command.TABLES) == {*TABLES, "backbones"}
    assert ablate_command.NETWORKS == NETWORKS


def test_the_papers_ablations_are_its_seven_rows_on_each_network() -> None:
    planned, _ = study_from_dict(paper_study("mmwhs", "ablations"))
    names = ("Basic", "DS", "SDD", "SDE", "DSD", "DSDMean", "DSDReversed")
    assert [choice.trainer for choice in planned.trainers] == [f"nnUNetTrainer{name}" for name in names]
    unetr, _ = study_from_dict(paper_study("mmwhs", "ablations", "unetr"))
    assert [choice.trainer for choice in unetr.trainers] == [
        "nnUNetTrainerUNETR",
        *(f"nnUNetTrainerUNETR_{name}" for name in names[1:]),
    ]
    assert unetr.methods == planned.methods


def test_a_network_and_the_table_of_all_networks_contradict_each_other() -> None:
    with pytest.raises(SettingsError, match="holds all networks"):
        paper_study("mmwhs", "backbones", "unetr")
