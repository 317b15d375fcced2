"""A settings block that nothing would read is refused, wherever and however it is misspelt."""

import copy

import pytest
from example_plans import example_plans

from nnunet_dsd.config import PLANS_KEY
from nnunet_dsd.errors import SettingsError
from nnunet_dsd.misplaced_blocks import misplaced_blocks, refuse_misplaced_blocks
from nnunet_dsd.plans import PlanChanges, derive_plans

BLOCK = {"epochs": 2}
SPELLINGS = [
    *("self_destillation", "self_distilation", "self_distillaton", "selfdistillation", "self-distillation"),
    *("selfDistillation", "Self_Distillation", "SELF_DISTILLATION", "self distillation", "self__distillation"),
    *("self_distillation ", "self_distill", "self_distillations", "distillation", "self_distillation_settings"),
    *("slef_distillation", "self_distilltaion", "dual_self_distillation", "self.distillation", "dsd", "DSD"),
]
OTHERS = ["knowledge_distillation", "deep_supervision", "self_attention", "selection", "segmentation", "label_manager"]


def plans_with(path, value):
    plans = copy.deepcopy(example_plans())
    table = plans
    for key in path[:-1]:
        table = table.setdefault(key, {})
    table[path[-1]] = value
    return plans


@pytest.mark.parametrize("key", SPELLINGS)
@pytest.mark.parametrize(
    "place", [(), ("configurations", "3d_fullres"), ("configurations", "3d_cascade_fullres"), ("configurations",)]
)
@pytest.mark.parametrize("value", [{"what": 1}, {}, None])
def test_a_misspelt_block_is_refused_with_the_right_name_and_its_place(place, key, value):
    with pytest.raises(SettingsError, match=r"'self_distillation', in a configuration") as refusal:
        refuse_misplaced_blocks(plans_with((*place, key), value), source="the plans")
    assert f"'{key}' in {' > '.join(place) or 'the plans'}" in str(refusal.value)


@pytest.mark.parametrize(
    "place",
    [
        (),
        ("configurations",),
        ("configurations", "3d_fullres", "architecture"),
        ("configurations", "3d_fullres", "architecture", "arch_kwargs"),
        ("somewhere", "else"),
    ],
)
def test_the_block_in_the_wrong_place_is_refused_with_the_right_one(place):
    (problem,) = misplaced_blocks(plans_with((*place, PLANS_KEY), BLOCK))
    assert "configurations > 3d_fullres > self_distillation" in problem


@pytest.mark.parametrize("place", [(), ("configurations", "3d_fullres")])
def test_settings_without_a_block_and_a_block_of_any_other_name_are_refused(place):
    (problem,) = misplaced_blocks(plans_with((*place, "temperature"), 2.0))
    assert "settings belong into the block 'self_distillation'" in problem
    (problem,) = misplaced_blocks(plans_with((*place, "my_settings"), {"temperature": 2.0, "alhpa": 1}))
    assert "'my_settings'" in problem


def test_the_block_itself_and_what_is_in_it_are_left_to_the_settings_own_check():
    assert misplaced_blocks(plans_with(("configurations", "3d_fullres", PLANS_KEY), {"self_destillation": {}})) == []
    assert misplaced_blocks(plans_with(("configurations", "2d", PLANS_KEY), BLOCK)) == []


@pytest.mark.parametrize("key", OTHERS)
@pytest.mark.parametrize("place", [(), ("configurations", "3d_fullres"), ("configurations", "2d", "architecture")])
def test_other_keys_are_none_of_ours(place, key):
    assert misplaced_blocks(plans_with((*place, key), {"some": "thing"})) == []


def test_derived_plans_are_not_refused_and_misspelt_ones_are_not_derived_from():
    derived = derive_plans(example_plans(), ["2d"], "Mine", PlanChanges(BLOCK))
    assert misplaced_blocks(derived) == []
    with pytest.raises(SettingsError, match="self_destillation"):
        derive_plans(plans_with(("self_destillation",), BLOCK), ["2d"], "Mine", PlanChanges(BLOCK))


def test_all_mistakes_are_listed_at_once():
    plans = plans_with(("configurations", "3d_fullres", "self_destillation"), BLOCK)
    plans["temperature"] = 2
    with pytest.raises(SettingsError, match="2 problems in the plans"):
        refuse_misplaced_blocks(plans, source="the plans")
