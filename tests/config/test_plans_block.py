"""The block of settings in plans: by parts, flat as in earlier versions, and what is refused of its form."""

import json

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.settings import (
    PART_OF,
    PARTS,
    Settings,
    flat_block,
    grouped_block,
    read_settings,
    setting_names,
    setting_specs,
)

FLAT = {"alpha": 0.25, "missu_weight": 2.0, "feedback": "pixel", "epoch_lambda": 0.5, "feature_size": 8, "epochs": 7}
GROUPED = {
    "dual": {"alpha": 0.25},
    "missu": {"missu_weight": 2.0},
    "hlfd": {"feedback": "pixel"},
    "epochwise": {"epoch_lambda": 0.5},
    "network": {"feature_size": 8},
    "training": {"epochs": 7},
}


def problems_of(block):
    with pytest.raises(SettingsError) as refusal:
        read_settings(block)
    with pytest.raises(SettingsError):
        flat_block(block)
    assert "the plans' block 'self_distillation'" in str(refusal.value)
    return list(refusal.value.problems)


def test_no_two_methods_have_a_setting_of_one_name():
    assert len(setting_names()) == len(set(setting_names())) == len(PART_OF) == len(setting_specs())
    assert {part: setting_names(part) for part in PARTS} == {
        part: tuple(name for name in setting_names() if PART_OF[name] == part) for part in PARTS
    }


def test_no_part_is_called_as_a_setting():
    assert set(PARTS).isdisjoint(PART_OF)


def test_a_block_of_parts_and_a_flat_one_say_the_same():
    settings = read_settings(GROUPED)
    assert settings == read_settings(FLAT)
    assert (settings.dual.alpha, settings.hlfd.feedback, settings.training.epochs) == (0.25, "pixel", 7)
    assert settings.differences() == FLAT


def test_a_block_goes_from_one_form_to_the_other_and_back():
    assert grouped_block(FLAT) == GROUPED
    assert flat_block(GROUPED) == flat_block(FLAT) == FLAT
    assert grouped_block(flat_block(GROUPED)) == GROUPED
    assert grouped_block({}) == flat_block({}) == flat_block(None) == {}


def test_every_setting_survives_the_way_through_a_block_of_parts():
    everything = Settings().flat()
    block = json.loads(json.dumps(grouped_block(everything)))
    assert list(block) == list(PARTS)
    assert read_settings(block) == Settings()


@pytest.mark.parametrize("part", PARTS)
def test_a_part_may_be_empty(part):
    assert read_settings({part: {}}) == Settings()


@pytest.mark.parametrize(
    ("block", "problems"),
    [
        ({"dual": {}, "alpha": 1.0}, ["'alpha' stands beside the parts; it belongs into 'dual'"]),
        ({"epochs": 3, "dual": {"beta": 1.0}}, ["'epochs' stands beside the parts; it belongs into 'training'"]),
        ({"dual": {"epochs": 3}}, ["'epochs' stands in 'dual'; it belongs into 'training'"]),
        (
            {"hlfd": {"temperature": 3.0}, "training": {"feature_size": 8}},
            [
                "'temperature' stands in 'hlfd'; it belongs into 'dual'",
                "'feature_size' stands in 'training'; it belongs into 'network'",
            ],
        ),
        (
            {"dual": {"alpha": 1.0}, "training": {"alpha": 1.0}},
            ["'alpha' is named in 'dual' and in 'training'; it belongs into 'dual' alone"],
        ),
        (
            {"alpha": 1.0, "dual": {"alpha": 2.0}},
            ["'alpha' is named in 'dual' and beside the parts; it belongs into 'dual' alone"],
        ),
        (
            {"missu": {"seed": 1}, "hlfd": {"seed": 1}},
            ["'seed' is named in 'missu' and in 'hlfd'; it belongs into 'training' alone"],
        ),
        ({"dual": {"alhpa": 1.0}}, ["unknown setting 'alhpa' in 'dual'; did you mean 'alpha'?"]),
        ({"dual": 3}, ["'dual' is 3, expected a table of settings of dual self-distillation"]),
        ({"training": None}, ["'training' is None, expected a table of settings of the training"]),
        ({"hlfd": "pixel"}, ["'hlfd' is 'pixel', expected a table of settings of HLFD, feedback of a finished model"]),
        ({"Dual": {"gamma": 1}}, ["there is no part 'Dual'; did you mean 'dual'?"]),
        ({"feedback": {"feedback_beta": 1}}, ["there is no part 'feedback'; what is in it belongs into 'hlfd'"]),
        (
            {"mine": {"alpha": 1.0, "epochs": 3}},
            ["there is no part 'mine'; what is in it belongs into 'dual' and 'training'"],
        ),
    ],
)
def test_what_stands_in_the_wrong_place_is_refused_with_the_right_one(block, problems):
    assert problems_of(block) == problems


def test_a_flat_block_with_a_table_of_no_part_gets_one_problem():
    assert problems_of({"alpha": 1.0, "Dual": {"beta": 1.0}}) == [
        "there is no part 'Dual'; what is in it belongs into 'dual'"
    ]


def test_an_unknown_part_without_a_near_match_gets_all_parts():
    (problem,) = problems_of({"qqqq": {}})
    assert all(f"{part}" in problem for part in PARTS)


def test_what_is_unknown_beside_parts_is_told_once():
    with pytest.raises(SettingsError) as refusal:
        read_settings({"dual": {"alpha": 1.0}, "temprature": 2.0})
    assert refusal.value.problems == ("unknown setting 'temprature'; did you mean 'temperature'?",)


def test_the_form_and_the_values_are_reported_at_once():
    block = {"dual": {"temperature": 0, "epochs": 2}, "training": {"optimiser": "adam"}, "beta": -1}
    problems = "\n".join(problems_of(block))
    assert problems.count("\n") == 4
    for words in ("'epochs' stands in", "'beta' stands", "temperature: got 0", "optimiser: got", "beta: got -1"):
        assert words in problems


def test_a_table_as_the_value_of_a_setting_is_an_impossible_value():
    with pytest.raises(SettingsError, match=r"alpha: got \{'weight': 1\}, expected a finite number"):
        read_settings({"alpha": {"weight": 1}})


def test_a_trainers_own_settings_are_joined_with_a_block_of_parts():
    settings = read_settings(
        {"dual": {"alpha": 0.25, "beta": 0.25}}, defaults={"alpha": 0.5, "epochs": 9}, fixed={"beta": 0.75}
    )
    assert (settings.dual.alpha, settings.dual.beta, settings.training.epochs) == (0.25, 0.75, 9)


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({"hlfd": {"feedback_cache": 1.0}}, "feedback_cache: got 1.0 with augmentation"),
        ({"dual": {"dice_background": True}, "hlfd": {"supervised_loss": "focal_dice"}}, "dice_background: the focal"),
        ({"training": {"mirror_axes": [0], "augmentation": False}}, "mirror_axes: got [0] without augmentation"),
        ({"hlfd": {"feedback_teacher_folds": "a"}}, "feedback_teacher_folds: got 'a'"),
    ],
)
def test_settings_that_do_not_go_together_are_refused_across_parts(block, words):
    for form in (block, flat_block(block)):
        with pytest.raises(SettingsError) as refusal:
            read_settings(form)
        assert words in str(refusal.value)


def test_no_block_is_made_of_a_setting_that_there_is_not():
    with pytest.raises(SettingsError, match="unknown setting 'alhpa'; did you mean 'alpha'"):
        grouped_block({"alhpa": 1.0})
