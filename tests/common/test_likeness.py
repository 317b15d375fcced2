"""Which known names somebody may have meant."""

import pytest

from nnunet_dsd.common.likeness import did_you_mean, nearest, nearest_first, nearest_names

TRAINERS = ("nnUNetTrainerBasic", "nnUNetTrainerDS", "nnUNetTrainerDSD", "nnUNetTrainerDSDE", "SwinTripletTeacher")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nnUNetTrainerdsd", ["nnUNetTrainerDSD"]),
        ("NNUNETTRAINERDSD", ["nnUNetTrainerDSD"]),
        ("swintripletteacher", ["SwinTripletTeacher"]),
        ("SwinTripletTeachr", ["SwinTripletTeacher"]),
        ("quite another", []),
    ],
)
def test_names_are_found_whatever_their_case(name, expected):
    assert nearest_names(name, TRAINERS) == expected


def test_the_most_alike_comes_first():
    assert nearest_names("nnUNetTrainerDSDD", TRAINERS)[0] == "nnUNetTrainerDSD"


@pytest.mark.parametrize("name", ["--patch_size", "patch-size", "--Patch-Size", "-patch-size"])
def test_hyphens_and_underscores_make_no_difference(name):
    assert nearest_names(name, ["--batch-size", "--patch-size"]) == ["--patch-size"]


@pytest.mark.parametrize("name", ["temp", "--temp", "ature"])
def test_a_part_of_a_long_name_is_enough(name):
    assert nearest_names(name, ["--alpha", "--temperature"]) == ["--temperature"]


def test_nothing_is_like_a_name_where_none_is_known():
    assert nearest_names("x", []) == []
    assert did_you_mean("x", []) == ""


def test_the_question_names_all_that_are_about_as_near():
    assert did_you_mean("fold_", ["fold_1", "fold_2", "other"]) == "did you mean fold_1 or fold_2?"


def test_a_listing_starts_with_the_nearest_and_keeps_the_others_order():
    assert nearest_first("gama", ["beta", "alpha", "gamma"]) == ["gamma", "beta", "alpha"]


def test_a_hint_on_a_setting_names_the_nearest_or_all_of_them():
    assert nearest("temprature", ["alpha", "temperature"]) == "; did you mean 'temperature'?"
    assert nearest("xyz", iter(["alpha", "temperature"])) == "; known: alpha, temperature"
