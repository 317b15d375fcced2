"""Settings: what is refused, and how a plans block is read and written."""

import dataclasses
import json
import math

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.settings import (
    PART_OF,
    PARTS,
    Settings,
    read_settings,
    setting_choices,
    setting_names,
    setting_specs,
    setting_type,
)
from nnunet_dsd.config.training_settings import TrainingSettings
from nnunet_dsd.distillation.dual_settings import DualSettings

NUMBERS = {"alpha": 0.25, "temperature": 2.5, "epochs": 7, "seed": 3, "eta_decay": 0.125}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("temperature", 0, "allowed is more than 0"),
        ("temperature", -1.0, "allowed is more than 0"),
        ("temperature", math.nan, "expected a finite number"),
        ("temperature", math.inf, "expected a finite number"),
        ("temperature", "3", "expected a finite number"),
        ("temperature", None, "expected a finite number"),
        ("temperature", True, "expected a finite number"),
        ("temperature", [3.0], "expected a finite number"),
        ("alpha", -0.1, "allowed is at least 0"),
        ("beta", -math.inf, "expected a finite number"),
        ("eta", False, "expected a finite number"),
        ("eta_decay", 0.0, "allowed is more than 0 and at most 1"),
        ("eta_decay", 1.5, "allowed is more than 0 and at most 1"),
        ("distillation_ramp", 1.01, "allowed is at least 0 and at most 1"),
        ("feature_l2", -1, "allowed is at least 0"),
        ("epochs", 0, "allowed is at least 1"),
        ("epochs", 2.0, "expected a whole number"),
        ("epochs", True, "expected a whole number"),
        ("iterations_per_epoch", -5, "allowed is at least 1"),
        ("save_every", "often", "expected a whole number"),
        ("learning_rate", 0, "allowed is more than 0"),
        ("weight_decay", -1e-5, "allowed is at least 0"),
        ("seed", -1, "allowed is at least 0"),
        ("seed", 2**32, "at most"),
        ("seed", 1.5, "expected a whole number"),
        ("teacher", "shallowest", "allowed are deepest, mean, reversed"),
        ("teacher", None, "allowed are deepest, mean, reversed"),
        ("reduction", "Sum", "allowed are sum, mean"),
        ("bottlenecks", True, "allowed are shared, separate"),
        ("bottleneck_init", ["nearest"], "allowed are nearest, random"),
        ("optimiser", "adam", "allowed are sgd, adamw"),
        ("schedule", 3, "allowed are poly, step, constant"),
        ("detach_teacher", 1, "allowed are true and false"),
        ("detach_teacher", "false", "allowed are true and false"),
        ("dice_background", None, "allowed are true and false"),
    ],
)
def test_an_impossible_value_is_refused_with_what_is_allowed(name, value, words):
    with pytest.raises(SettingsError) as direct:
        PARTS[PART_OF[name]](**{name: value})
    with pytest.raises(SettingsError) as from_block:
        read_settings({name: value})
    for refusal in (direct, from_block):
        (problem,) = refusal.value.problems
        assert problem.startswith(f"{name}: got ")
        assert words in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("temperature", 1e-3),
        ("alpha", 0),
        ("beta", 0.0),
        ("eta", 12),
        ("eta_decay", 1.0),
        ("eta_decay", 1),
        ("distillation_ramp", 0),
        ("distillation_ramp", 1),
        ("epochs", 1),
        ("seed", 0),
        ("seed", 2**32 - 1),
        ("seed", None),
        ("teacher", "reversed"),
        ("detach_teacher", True),
    ],
)
def test_values_at_the_edge_of_what_is_allowed_are_accepted(name, value):
    assert getattr(PARTS[PART_OF[name]](**{name: value}), name) == value
    assert read_settings({name: value}).flat()[name] == value


@pytest.mark.parametrize("name", ["temperature", "epochs"])
def test_a_number_too_long_for_a_float_is_refused(name):
    with pytest.raises(SettingsError, match=f"{name}: got 1000000"):
        read_settings(json.loads(f'{{"{name}": 1{"0" * 400}}}'))


def test_an_unknown_setting_is_refused_with_its_nearest_match():
    with pytest.raises(SettingsError) as refusal:
        read_settings({"temprature": 3.0})
    assert refusal.value.problems == ("unknown setting 'temprature'; did you mean 'temperature'?",)


def test_an_unknown_setting_without_a_near_match_gets_the_whole_list():
    with pytest.raises(SettingsError) as refusal:
        read_settings({"qqqq": 1})
    assert all(name in refusal.value.problems[0] for name in setting_names())


def test_all_problems_are_reported_at_once_with_the_source():
    block = {"alfa": 1.0, "temperature": -1, "teacher": "me", "epochs": 1.5, "beta": 1.0}
    with pytest.raises(SettingsError) as refusal:
        read_settings(block, source="my file")
    assert len(refusal.value.problems) == 4
    message = str(refusal.value)
    assert message.startswith("4 problems in my file:")
    assert all(word in message for word in ("'alfa'", "temperature: got -1", "teacher: got 'me'", "epochs: got 1.5"))
    with pytest.raises(SettingsError) as refusal:
        DualSettings(alpha=-1, beta=-1, teacher="me")
    assert len(refusal.value.problems) == 3


@pytest.mark.parametrize("block", [[], "temperature", 3, [["alpha", 1]]])
def test_a_block_that_is_no_table_is_refused(block):
    with pytest.raises(SettingsError, match=f"expected a table of settings, got {type(block).__name__}"):
        read_settings(block)


@pytest.mark.parametrize("block", [None, {}])
def test_without_a_block_the_defaults_hold(block):
    assert read_settings(block) == Settings()


@pytest.mark.parametrize("where", ["defaults", "fixed"])
def test_a_trainer_that_misspells_a_setting_is_refused_too(where):
    with pytest.raises(SettingsError, match="unknown setting 'alhpa'; did you mean 'alpha'"):
        read_settings({}, **{where: {"alhpa": 0.0}})


def test_what_does_not_go_together_is_told_with_everything_else():
    block = {"temperature": -1, "feedback_cache": 1.0}
    with pytest.raises(SettingsError) as caught:
        read_settings(block)
    first, second = caught.value.problems
    assert first.startswith("temperature")
    assert second.startswith("feedback_cache: got 1.0 with augmentation")


def test_the_block_wins_over_a_trainers_defaults_and_what_is_fixed_wins_over_both():
    settings = read_settings(
        {"alpha": 0.25, "beta": 0.25},
        defaults={"alpha": 0.5, "eta": 0.5},
        fixed={"beta": 0.75},
    )
    assert (settings.dual.alpha, settings.dual.beta, settings.dual.eta) == (0.25, 0.75, 0.5)


def test_a_block_holds_only_what_differs_from_the_defaults():
    assert Settings().differences() == {}
    defaults = Settings().flat()
    assert tuple(defaults) == setting_names()
    assert read_settings(defaults | NUMBERS).differences() == {k: v for k, v in NUMBERS.items() if defaults[k] != v}
    assert len(read_settings(NUMBERS).differences()) >= 4


@pytest.mark.parametrize(
    "values",
    [{}, NUMBERS, {"teacher": "mean", "detach_teacher": True, "learning_rate": 1e-4, "weight_decay": 0.0, "seed": 0}],
)
def test_settings_survive_the_way_through_json(values):
    settings = read_settings(values)
    again = read_settings(json.loads(json.dumps(settings.differences())))
    assert again == settings


def test_a_whole_number_from_json_becomes_the_float_that_was_declared():
    settings = read_settings({"temperature": 2, "epochs": 7})
    assert (type(settings.dual.temperature), type(settings.training.epochs)) == (float, int)


def test_settings_cannot_be_changed_afterwards():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Settings().dual.alpha = 0.0


def test_reading_changes_neither_block_nor_tables():
    block, defaults, fixed = {"alpha": 1}, {"beta": 1}, {"eta": 1}
    read_settings(block, defaults=defaults, fixed=fixed)
    assert (block, defaults, fixed) == ({"alpha": 1}, {"beta": 1}, {"eta": 1})


def test_types_and_choices_are_those_declared():
    assert setting_type("seed") is int
    assert setting_type("alpha") is float
    assert setting_type("detach_teacher") is bool
    assert setting_choices("teacher") == ("deepest", "mean", "reversed")
    assert setting_choices("alpha") is None
    assert setting_choices("detach_teacher") is None


def test_every_setting_says_what_it_means():
    helps = [spec.metadata["help"] for spec in setting_specs()]
    assert all(helps)
    assert len(set(helps)) == len(helps)


@pytest.mark.parametrize(("optimiser", "rate", "decay"), [("sgd", 1e-2, 3e-5), ("adamw", 1e-3, 1e-5)])
def test_each_optimiser_has_a_learning_rate_and_weight_decay_of_its_own(optimiser, rate, decay):
    settings = TrainingSettings(optimiser=optimiser)
    assert (settings.initial_learning_rate, settings.chosen_weight_decay) == (rate, decay)
    asked = TrainingSettings(optimiser=optimiser, learning_rate=0.5, weight_decay=0.0)
    assert (asked.initial_learning_rate, asked.chosen_weight_decay) == (0.5, 0.0)
