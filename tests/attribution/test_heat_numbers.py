"""How much heat lies inside, by hand."""

import math

import numpy as np
import pytest

from nnunet_dsd.attribution.map_names import map_name, shared_name_problems
from nnunet_dsd.attribution.table import heat_inside

HEAT = np.array([[1.0, 3.0], [0.0, 4.0]])


@pytest.mark.parametrize(
    ("mask", "expected"),
    [([[1, 1], [0, 0]], 0.5), ([[0, 0], [0, 1]], 0.5), ([[1, 1], [1, 1]], 1.0), ([[0, 0], [1, 0]], 0.0)],
)
def test_the_fraction_inside_is_the_sum_inside_over_the_sum(mask, expected):
    assert heat_inside(HEAT, np.array(mask, bool)) == pytest.approx(expected)
    assert heat_inside(7 * HEAT, np.array(mask, bool)) == pytest.approx(expected)


def test_a_map_that_is_equal_everywhere_has_the_structures_share_inside():
    mask = np.zeros((4, 5), bool)
    mask[:2] = True
    assert heat_inside(np.full((4, 5), 3.0), mask) == pytest.approx(mask.mean())


def test_without_heat_or_without_a_structure_it_is_undefined():
    assert math.isnan(heat_inside(np.zeros((2, 2)), np.ones((2, 2), bool)))
    assert math.isnan(heat_inside(HEAT, None))


def test_file_names_hold_no_signs_that_a_path_is_made_of():
    assert map_name("case_1", "a b/c", "decoder5:input") == "case_1__a-b-c__decoder5-input.nii.gz"


@pytest.mark.parametrize(
    ("cases", "models", "levels", "problem"),
    [
        (["c"], ["a b", "a-b"], ["last"], "the maps of model a b and of model a-b would have the same file name; name"),
        (["c"], ["a"], ["x:input", "x-input"], "the maps of level x:input and of level x-input would have"),
        (["c", "d"], ["Net", "net"], ["x", "last"], "the maps of model Net and of model net would have the same"),
        (
            ["Case", "case"],
            ["a"],
            ["last"],
            "the maps of case Case and of case case would have the same file name; look",
        ),
        (["a", "a__b"], ["b__c", "c"], ["x"], "the maps of case a, model b__c and of case a__b, model c would have"),
    ],
)
def test_maps_that_would_have_one_file_name_are_named_once(cases, models, levels, problem):
    (found,) = shared_name_problems(cases, models, levels)
    assert found.startswith(problem)


def test_names_that_differ_in_the_file_name_may_stay_and_repeated_ones_are_told_elsewhere():
    assert shared_name_problems(["c", "c"], ["a", "b", "a"], ["bottleneck", "last"]) == []
