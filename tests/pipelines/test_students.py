"""The students and their controls differ in what teaches them, and in nothing else."""

import dataclasses
from pathlib import Path

import pytest

from nnunet_dsd.ablation.derived_plans import plan_changes
from nnunet_dsd.ablation.runs import plan_runs
from nnunet_dsd.ablation.study import study_to_dict
from nnunet_dsd.ablation.study_file import study_from_dict
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.pipelines.request import WARM_LEARNING_RATE, Distillation
from nnunet_dsd.pipelines.students import ALONE, FIRST, PSEUDO, TAUGHT, first_phase, start_of, students

STARTS = {1: "one.pth", 2: "two.pth"}


@pytest.fixture
def asked(tmp_path):
    return Distillation(
        dataset="4",
        configuration="3d_fullres",
        teachers=("T__P__3d_fullres",),
        name="half",
        folder=tmp_path,
        seeds=(1, 2),
        width=0.5,
        unlabelled=tmp_path,
        settings={"epochs": 5, "kd_weight": 2.0, "temperature": 2.0},
    )


def settings_of(study, method, seed):
    run = next(run for run in plan_runs(study) if (run.method, run.seed) == (method, seed))
    choice = next(choice for choice in study.plans if choice.name == run.choice)
    return run.trainer, plan_changes(choice, seed)


def test_the_control_has_the_same_start_and_the_same_steps(asked):
    study = students(asked, STARTS)
    for seed, start in STARTS.items():
        taught_by, taught = settings_of(study, TAUGHT, seed)
        alone_by, alone = settings_of(study, ALONE, seed)
        _, pseudo = settings_of(study, PSEUDO, seed)
        assert (taught_by, alone_by) == ("nnUNetTrainerKD", "nnUNetTrainerStock")
        own = {"soft_labels": "half", "kd_weight": 2.0, "temperature": 2.0}
        common = {"epochs": 5, "start_from": start, "seed": seed, "learning_rate": WARM_LEARNING_RATE}
        assert alone.settings == common
        assert taught.settings == {**common, **own}
        assert pseudo.settings == {**common, **own, "unlabelled_target": "hard"}
        assert taught.width == alone.width == pseudo.width == 0.5


def test_pseudo_labels_know_nothing_of_teachers_that_look_at_the_patches(asked):
    online = {"kd_dice_weight": 0.5, "teacher_online": True, "kd_feature_weight": 0.02, "kd_feature_ramp": 0.25}
    study = students(dataclasses.replace(asked, settings=online), {})
    assert settings_of(study, TAUGHT, 1)[1].settings == {**online, "seed": 1, "soft_labels": "half"}
    assert settings_of(study, ALONE, 1)[1].settings == {"seed": 1}
    assert settings_of(study, PSEUDO, 1)[1].settings == {
        "seed": 1,
        "soft_labels": "half",
        "unlabelled_target": "hard",
    }


def test_from_weights_by_chance_the_learning_rate_is_nnunets(asked):
    study = students(asked, {})
    assert settings_of(study, ALONE, 1)[1].settings == {"epochs": 5, "seed": 1}


def test_a_learning_rate_that_is_asked_for_wins(asked):
    asked = dataclasses.replace(asked, settings={"learning_rate": 0.02})
    assert settings_of(students(asked, STARTS), TAUGHT, 2)[1].settings["learning_rate"] == 0.02


def test_without_further_images_there_are_no_pseudo_labels(asked):
    study = students(dataclasses.replace(asked, unlabelled=None), STARTS)
    assert study.methods == (TAUGHT, ALONE)
    assert study.baseline == ALONE


def test_the_second_phase_starts_where_the_first_one_ended(asked):
    first = first_phase(asked)
    assert first.methods == (FIRST,)
    assert settings_of(first, FIRST, 2)[1].settings == {"epochs": 5, "seed": 2}
    run = next(run for run in plan_runs(first) if run.seed == 2)
    assert start_of(first, 2, "all") == f"{run.model}/fold_all/checkpoint_final.pth"


def test_a_students_study_is_a_study_file_too(asked):
    asked = dataclasses.replace(asked, test=(Path(asked.folder), Path(asked.folder)))
    for study in (students(asked, STARTS), first_phase(asked)):
        read, problems = study_from_dict(study_to_dict(study))
        assert (problems, read) == ([], study)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": "a__b"}, "the name 'a__b' must be"),
        ({"seeds": (1, 1)}, "seeds 1, 1: each once"),
        ({"unlabelled": Path("nowhere")}, "nowhere is no folder"),
        ({"test": (Path("images"), Path("labels"))}, "images is no folder"),
        ({"settings": {"seed": 3}}, "seed is chosen by the pipeline"),
    ],
)
def test_what_cannot_be_is_refused(asked, changes, said):
    with pytest.raises(SettingsError, match=said):
        dataclasses.replace(asked, **changes)
