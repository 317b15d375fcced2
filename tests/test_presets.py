"""The named sets of settings, held against the paper's."""

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.settings import read_settings
from nnunet_dsd.presets import PRESETS, find_preset
from nnunet_dsd.registry import find_trainer

PAPER_LOSS = {
    "temperature": 3.0,
    "alpha": 1.0,
    "beta": 1.0,
    "eta": 1.0,
    "eta_decay": 1.0,
    "reduction": "sum",
    "teacher": "deepest",
    "detach_teacher": False,
    "distillation_ramp": 0.0,
    "encoder_supervision": 0.0,
    "bottlenecks": "shared",
    "dice_background": True,
}


@pytest.mark.parametrize("name", ["paper", "paper-mmwhs", "paper-brats", "paper-hippocampus"])
def test_the_papers_loss_is_in_each_of_its_presets_word_for_word(name):
    block = find_preset(name).settings
    assert {key: block[key] for key in PAPER_LOSS} == PAPER_LOSS


@pytest.mark.parametrize(
    ("name", "rate", "schedule", "patch"),
    [
        ("paper-mmwhs", 1e-3, "step", (96, 96, 96)),
        ("paper-brats", 1e-3, "step", (128, 128, 128)),
        ("paper-hippocampus", 1e-4, "constant", (32, 32, 32)),
    ],
)
def test_the_papers_training_is_adamw_for_300_epochs_of_batch_one(name, rate, schedule, patch):
    preset = find_preset(name)
    settings = read_settings(preset.settings).training
    assert (settings.optimiser, settings.weight_decay, settings.epochs) == ("adamw", 1e-5, 300)
    assert (settings.learning_rate, settings.schedule) == (rate, schedule)
    assert (preset.batch_size, preset.patch_size) == (1, patch)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("paper-mmwhs-unetr", (32, 1e-3, "step", 600, "separate", 96)),
        ("paper-mmwhs-unetr-small", (16, 1e-3, "step", 600, "separate", 96)),
        ("paper-mmwhs-dynunet", (32, 1e-3, "step", 300, "shared", 96)),
        ("paper-mmwhs-dynunet-small", (16, 1e-3, "step", 300, "shared", 96)),
        ("paper-brats-unetr", (64, 1e-4, "constant", 325, "separate", 128)),
        ("paper-brats-unetr-light", (16, 1e-4, "constant", 325, "separate", 128)),
        ("paper-brats-swin-light", (12, 1e-4, "constant", 325, "shared", 128)),
        ("paper-hippocampus-dynunet", (16, 1e-4, "constant", 300, "shared", 32)),
        ("paper-hippocampus-unetr", (16, 1e-4, "constant", 300, "separate", 32)),
    ],
)
def test_the_papers_networks_have_their_sizes_and_trainings(name, expected):
    preset = find_preset(name)
    s = read_settings(preset.settings)
    training = (s.training.learning_rate, s.training.schedule, s.training.epochs)
    assert (s.network.feature_size, *training, s.dual.bottlenecks, preset.patch_size[0]) == expected
    assert (s.training.optimiser, s.training.weight_decay, preset.batch_size) == ("adamw", 1e-5, 1)
    without_heads = {key: value for key, value in PAPER_LOSS.items() if key != "bottlenecks"}
    assert {key: preset.settings[key] for key in without_heads} == without_heads


def test_the_trial_is_200_seeded_steps_of_a_narrow_network_that_save_every_epoch():
    preset = find_preset("trial")
    s = read_settings(preset.settings).training
    assert s.epochs * s.iterations_per_epoch == 200
    assert (s.optimiser, s.learning_rate, s.seed, s.save_every) == ("adamw", 2e-3, 1, 1)
    assert s.validation_iterations_per_epoch < 10
    assert (preset.width, preset.batch_size, preset.patch_size) == (0.5, 2, None)


@pytest.mark.parametrize("name", ["paper-hlfd-teacher", "paper-hlfd-student"])
def test_hlfd_trains_on_eight_slices_of_384_pixels(name):
    preset = find_preset(name)
    assert (preset.batch_size, preset.patch_size) == (8, (384, 384))


def test_hlfds_teacher_has_its_students_loss_and_no_teacher():
    s = read_settings(find_preset("paper-hlfd-teacher").settings).hlfd
    assert (s.supervised_loss, s.feedback) == ("focal_dice", "none")


def test_hlfds_student_has_the_papers_loss():
    s = read_settings(find_preset("paper-hlfd-student").settings)
    assert (s.hlfd.supervised_loss, s.hlfd.feedback, s.dual.temperature) == ("focal_dice", "hlfd", 4.0)
    assert (s.hlfd.feedback_beta, s.hlfd.feedback_lambda) == (0.9, 0.1)


def test_the_paper_preset_leaves_nnunets_optimiser_and_plans_alone():
    preset = find_preset("paper")
    assert not {"optimiser", "learning_rate", "schedule", "epochs", "weight_decay"} & set(preset.settings)
    assert (preset.batch_size, preset.patch_size) == (None, None)


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_is_allowed_and_has_a_line_of_summary(name):
    read_settings(PRESETS[name].settings)
    assert PRESETS[name].summary.strip()
    assert "\n" not in PRESETS[name].summary


def test_an_unknown_preset_is_refused_with_those_there_are():
    with pytest.raises(SettingsError) as refusal:
        find_preset("papr")
    assert "unknown preset 'papr'" in str(refusal.value)
    assert all(name in str(refusal.value) for name in PRESETS)


def test_presets_cannot_be_changed_by_accident():
    with pytest.raises(TypeError):
        PRESETS["mine"] = PRESETS["paper"]


@pytest.mark.parametrize("name", PRESETS)
def test_a_presets_trainer_is_registered_and_takes_its_settings(name):
    preset = find_preset(name)
    trainer = find_trainer(preset.trainer).load()
    assert trainer.takes_feature_size == ("feature_size" in preset.settings) or not preset.settings.get("feature_size")
    read_settings(preset.settings, defaults=trainer.defaults, fixed=trainer.fixed)
