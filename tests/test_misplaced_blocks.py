"""A settings block that nothing would read is refused, wherever and however it is misspelt."""

import copy

import pytest
from example_plans import example_plans

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config import PLANS_KEY
from nnunet_dsd.misplaced_blocks import misplaced_blocks, refuse_misplaced_blocks
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
