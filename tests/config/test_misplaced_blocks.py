"""A settings block that nothing would read is refused, wherever and however it is misspelt."""

import copy

import pytest
from example_plans import example_plans

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.misplaced_blocks import misplaced_blocks, refuse_misplaced_blocks
from nnunet_dsd.config.settings import PLANS_KEY, setting_names
from nnunet_dsd.plans import PlanChanges, derive_plans

BLOCK = {"epochs": 2}
SPELLINGS = [
    *("self_destillation", "self_distilation", "self_distillaton", "selfdistillation", "self-distillation"),
    *("selfDistillation", "Self_Distillation", "SELF_DISTILLATION", "self distillation", "self__distillation"),
    *("self_distillation ", "self_distill", "self_distillations", "sel_distillation", "self_distillation_settings"),
    *("slef_distillation", "self_distilltaion", "dual_self_distillation", "self.distillation", "dsd", "DSD"),
]
OTHERS = [
    *("deep_supervision", "self_attention", "self_supervised", "self_training", "selection", "segmentation"),
    *("distillation", "distillation_loss", "deep_distillation", "online_distillation", "use_distillation"),
    *("kd_distillation", "knowledge_distillation", "mutual_distillation", "dual_distillation", "model_distillation"),
    *("self_supervised_distillation", "distillation_settings", "label_manager", "pretrain_info"),
]
OF_OTHERS = {
    "swin": {"feature_size": 48},
    "ssl": {"temperature": 0.1, "epochs": 100, "learning_rate": 1e-3, "seed": 1},
    "optimizer": {"learning_rate": 1e-3, "weight_decay": 1e-5},
    "training": {"epochs": 100, "learning_rate": 1e-3, "weight_decay": 1e-5, "schedule": "cosine", "seed": 7},
    "data_augmentation": {"mirror_axes": [0, 1]},
    "tversky": {"alpha": 0.3, "beta": 0.7, "reduction_of_classes": "mean"},
    "kd": {"teacher": "nnUNetTrainer__nnUNetPlans__3d_fullres", "temperature": 4.0},
    "network": {"name": "UNETR", "feature_size": 48},
    "dual": {"decoders": 2},
    "two": {"training": {"epochs": 100, "seed": 1}, "network": {"depth": 3}},
    "seed": 1234,
    "schedule": "cosine",
    "augmentation": "strong",
    "feature_size": 48,
    "learning_rate": 1e-3,
    "weight_decay": {"encoder": 1e-5},
    "pretrain_info": {"checkpoint_path": "/x/y.pth", "pt_num_in_channels": 1, "key_to_encoder": "encoder.stages"},
}


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


@pytest.mark.parametrize("place", [(), ("configurations", "3d_fullres")])
@pytest.mark.parametrize(
    "table",
    [
        {"temperature": 2.0, "alpha": 0.1, "beta": 0.1},
        {"temperature": 2.0, "alpha": 0.1, "epochs": 2},
        {"eta_decay": 0.5, "alhpa": 1},
        {"feedback_teacher": "x", "what": 1, "else": 2},
        {"dual": {"alpha": 0.1}},
        {"missu": {"missu_weight": 1.0}, "what": 1},
        {"training": {"epochs": 2, "iterations_per_epoch": 5}},
        *({"encoder_supervision": 0.5}, {"iterations_per_epoch": 5}, {"distillation_ramp": 0.1}),
    ],
)
def test_a_block_of_any_other_name_is_refused_where_its_settings_are_ours(place, table):
    (problem,) = misplaced_blocks(plans_with((*place, "my_settings"), table))
    assert "'my_settings'" in problem


@pytest.mark.parametrize("place", [(), ("configurations", "3d_fullres")])
@pytest.mark.parametrize("key", OF_OTHERS)
def test_what_other_planners_and_plugins_write_passes(place, key):
    assert misplaced_blocks(plans_with((*place, key), OF_OTHERS[key])) == []


@pytest.mark.parametrize("key", ["distillation", "self_distillation", "selfdistillation", "temperature", "alpha"])
def test_what_a_network_is_built_with_passes(key):
    path = ("configurations", "3d_fullres", "architecture", "arch_kwargs", key)
    assert misplaced_blocks(plans_with(path, value=False)) == []


@pytest.mark.parametrize("name", ["self_distillation", "3d_fullres_self_distillation", "self_distillation_2d", "dsd"])
def test_a_configuration_may_be_called_what_its_maker_likes(name):
    inheriting = {"inherits_from": "3d_fullres", PLANS_KEY: BLOCK}
    assert misplaced_blocks(plans_with(("configurations", name), inheriting)) == []
    (problem,) = misplaced_blocks(plans_with(("configurations", name), {**inheriting, "dsd": {}}))
    assert problem.startswith(f"'dsd' in configurations > {name}")


def test_plans_of_residual_encoders_pass():
    plans = {
        **example_plans(),
        "plans_name": "nnUNetResEncUNetLPlans",
        "experiment_planner_used": "nnUNetPlannerResEncL",
    }
    for configuration in plans["configurations"].values():
        if "architecture" in configuration:
            architecture = configuration["architecture"]
            architecture["network_class_name"] = "dynamic_network_architectures.architectures.unet.ResidualEncoderUNet"
            architecture["arch_kwargs"]["n_blocks_per_stage"] = architecture["arch_kwargs"].pop("n_conv_per_stage")
    assert misplaced_blocks(plans) == []


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


@pytest.mark.parametrize("place", [(), ("configurations", "3d_fullres")])
@pytest.mark.parametrize("part", ["dual", "missu", "hlfd", "epochwise"])
def test_a_part_outside_of_the_block_is_refused_with_where_it_belongs(place, part):
    (problem,) = misplaced_blocks(plans_with((*place, part), {setting_names(part)[0]: 0.5}))
    assert problem.startswith(f"'{part}' in ")
    assert "it belongs into the block 'self_distillation' of a configuration" in problem


def test_a_block_of_parts_is_no_problem_and_one_of_another_name_is_one():
    block = {"dual": {"alpha": 0.1}, "training": {"epochs": 2}}
    assert misplaced_blocks(plans_with(("configurations", "3d_fullres", PLANS_KEY), block)) == []
    (problem,) = misplaced_blocks(plans_with(("configurations", "3d_fullres", "self_destillation"), block))
    assert problem.startswith("'self_destillation' in configurations > 3d_fullres is not read")
