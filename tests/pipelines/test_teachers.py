"""What of the teachers is scored, by which commands, and what the report is told of them."""

import json

import pytest

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.pipelines.teachers import TOGETHER, groups, runs_of, teacher_steps


@pytest.fixture
def places(tmp_path):
    (tmp_path / "preprocessed").mkdir()
    (tmp_path / "preprocessed" / "dataset.json").write_text(json.dumps({"file_ending": ".nii.gz"}))
    for name in ("imagesTs", "labelsTs"):
        (tmp_path / "raw" / name).mkdir(parents=True)
    (tmp_path / "raw" / "imagesTs" / "a_0000.nii.gz").touch()
    return Places(tmp_path / "raw", tmp_path / "preprocessed", tmp_path / "results", tmp_path / "study")


def models(tmp_path):
    return [(tmp_path / "A__P__2d", ("0", "1", "2")), (tmp_path / "B__Q__2d", ("all",))]


def test_one_fold_each_model_and_all_together_are_scored(tmp_path):
    found = groups(models(tmp_path))
    assert [group.name for group in found] == [
        "teacher A__P, fold 0 alone",
        "teacher A__P, 3 folds",
        "teacher B__Q, fold all",
        TOGETHER,
    ]
    assert [group.name for group in groups(models(tmp_path)[1:])] == ["teacher B__Q, fold all"]


def test_they_are_predicted_by_nnunets_own_commands(tmp_path, places):
    steps = teacher_steps(
        groups(models(tmp_path)), places, checkpoint="checkpoint_best.pth", device="cpu", mirroring=False
    )
    commands = [" ".join(step.command) for step in steps if step.name.startswith("predict")]
    assert f"-m {tmp_path / 'A__P__2d'} -f 0 1 2 -chk checkpoint_best.pth -device cpu --disable_tta" in commands[1]
    assert all("--save_probabilities" in command for command in commands[:3])
    assert commands[3].startswith("nnUNetv2_ensemble -i")
    assert commands[3].count(str(places.study / "predictions" / "teacher-")) == 2


def test_a_single_model_needs_no_probabilities(tmp_path, places):
    steps = teacher_steps(groups(models(tmp_path)[:1]), places, checkpoint="c.pth", device=None, mirroring=True)
    assert not any("--save_probabilities" in step.command or "--disable_tta" in step.command for step in steps)


def test_a_prediction_is_done_when_every_test_case_is_there(tmp_path, places):
    step = teacher_steps(groups(models(tmp_path)[1:]), places, checkpoint="c.pth", device=None, mirroring=True)[0]
    assert not step.is_done()
    folder = places.study / "predictions" / "teacher-1"
    folder.mkdir(parents=True)
    assert not step.is_done()
    (folder / "a.nii.gz").touch()
    assert step.is_done()


def test_the_report_gets_a_row_for_each(tmp_path, places):
    found = groups(models(tmp_path))
    rows = runs_of(found, places)
    assert [row["method"] for row in rows] == [group.name for group in found]
    assert all(row["evaluation"].endswith("evaluation.json") for row in rows)
