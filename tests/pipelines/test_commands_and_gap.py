"""A distillation's command says all that was asked for; before training it says what there is to be gained."""

from pathlib import Path

import pytest

from nnunet_dsd.cli.distill_command import SETTINGS
from nnunet_dsd.cli.main import build_parser
from nnunet_dsd.pipelines.commands import distill_command, label_command, label_request
from nnunet_dsd.pipelines.gap import gap_lines
from nnunet_dsd.pipelines.request import Distillation


@pytest.fixture
def asked(tmp_path):
    return Distillation(
        dataset="4",
        configuration="3d_fullres",
        from_plans="nnUNetPlans",
        teachers=("A__P__2d", "B__P__2d"),
        teacher_folds=("0", "1"),
        name="half",
        folder=tmp_path / "study",
        unlabelled=tmp_path,
        test=(tmp_path, tmp_path),
        seeds=(1, 2),
        start="own",
        width=0.5,
        patch_size=(32, 32, 16),
        batch_size=4,
        settings={"epochs": 3, "kd_levels": True, "augmentation": False, "mirror_axes": ()},
        mirroring=False,
        device="cpu",
    )


def parsed(words):
    return build_parser().parse_args(words[1:])


def test_its_command_asks_for_the_same(asked):
    found = parsed(distill_command(asked))
    assert (found.dataset, found.configuration, found.plans, found.name) == ("4", "3d_fullres", "nnUNetPlans", "half")
    assert (found.teacher, found.folds, found.seeds) == (["A__P__2d", "B__P__2d"], ["0", "1"], [1, 2])
    assert (found.output, found.unlabelled, found.test) == (asked.folder, asked.unlabelled, list(asked.test))
    assert (found.width, list(found.patch_size), found.batch_size) == (0.5, [32, 32, 16], 4)
    assert (found.start, found.fold, found.mirroring, found.device) == ("own", "all", False, "cpu")
    given = {name: getattr(found, name) for name in SETTINGS if getattr(found, name) is not None}
    assert given == {"epochs": 3, "kd_levels": True, "augmentation": False, "mirror_axes": ()}


def test_the_least_command_is_one_too(asked, tmp_path):
    least = Distillation(dataset="4", configuration="2d", teachers=("A__P__2d",), name="a", folder=Path(tmp_path))
    found = parsed(distill_command(least))
    assert (found.unlabelled, found.test, found.width, found.start, found.mirroring) == (None, None, None, None, True)


def test_the_soft_labels_command_is_the_request(asked):
    words, request = label_command(asked), label_request(asked)
    found = parsed(words)
    assert (found.name, tuple(found.teacher), tuple(found.folds)) == (request.name, request.teachers, request.folds)
    assert (found.unlabelled, found.mirroring, found.device) == (request.unlabelled, request.mirroring, "cpu")


def test_the_settings_that_the_pipeline_chooses_are_no_options():
    assert not {"seed", "soft_labels", "unlabelled_target", "start_from"} & set(SETTINGS)


def test_the_gap_is_that_of_the_best_teacher_to_the_start():
    teachers = {"one fold": 0.80, "five folds": 0.86}
    (line,) = gap_lines(teachers, ("one fold", 0.80), unlabelled=False)
    assert "five folds, has a mean Dice of 86.00 %" in line
    assert line.endswith("one fold, 80.00 %: +6.00 points")


@pytest.mark.parametrize(("gap", "unlabelled", "lines"), [(0.009, False, 2), (0.009, True, 1), (0.011, False, 1)])
def test_where_little_is_to_be_gained_that_is_said(gap, unlabelled, lines):
    found = gap_lines({"teachers": 0.8 + gap}, ("student", 0.8), unlabelled=unlabelled)
    assert len(found) == lines
    assert ("little is to be gained" in found[-1]) == (lines == 2)


def test_without_a_scored_start_only_the_teacher_is_named():
    assert gap_lines({"a": 0.5}, None, unlabelled=False) == ["the best of the teachers, a, has a mean Dice of 50.00 %"]
