"""What makes each ablation the ablation it is holds whatever the plans say."""

import pytest

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.settings import read_settings
from nnunet_dsd.trainers import variants

PLANS_SAY = {"alpha": 0.7, "beta": 0.6, "eta": 0.5, "feature_l2": 0.4, "teacher": "deepest", "temperature": 2.0}


@pytest.mark.parametrize(
    ("trainer", "kept"),
    [
        (variants.nnUNetTrainerDSD, ("alpha", "beta", "eta", "feature_l2", "teacher", "temperature")),
        (variants.nnUNetTrainerDS, ("eta", "teacher", "temperature")),
        (variants.nnUNetTrainerSDD, ("beta", "eta", "teacher", "temperature")),
        (variants.nnUNetTrainerSDE, ("alpha", "eta", "teacher", "temperature")),
        (variants.nnUNetTrainerDSDMean, ("alpha", "beta", "eta", "feature_l2", "temperature")),
        (variants.nnUNetTrainerDSDReversed, ("alpha", "beta", "eta", "feature_l2", "temperature")),
        (variants.nnUNetTrainerDSDFeatureL2, ("alpha", "beta", "eta", "feature_l2", "teacher", "temperature")),
    ],
)
def test_plans_set_what_the_variant_leaves_open_and_nothing_else(trainer, kept):
    settings = read_settings(PLANS_SAY, defaults=trainer.defaults, fixed=trainer.fixed).dual
    followed = [name for name, value in PLANS_SAY.items() if getattr(settings, name) == value]
    assert tuple(followed) == kept
    left_out = {name: getattr(settings, name) for name in PLANS_SAY if name not in kept and name != "teacher"}
    assert set(left_out.values()) <= {0.0}


def test_the_feature_variant_has_a_feature_distance_without_being_asked():
    trainer = variants.nnUNetTrainerDSDFeatureL2
    assert read_settings(None, defaults=trainer.defaults, fixed=trainer.fixed).dual.feature_l2 == 1e-4


def test_the_feature_variant_refuses_plans_that_take_its_feature_distance_away(nnunet):
    with pytest.raises(SettingsError, match="feature_l2: got 0, which nnUNetTrainerDSDFeatureL2"):
        nnunet.trainer("nnUNetTrainerDSDFeatureL2", settings={"feature_l2": 0.0})


def test_a_length_and_rate_set_as_nnunets_own_variants_do_drive_the_schedule(nnunet):
    trainer = nnunet.trainer(settings={"epochs": 1000, "schedule": "poly", "learning_rate": 0.01})
    trainer.num_epochs, trainer.initial_lr = 4, 0.5
    trainer.initialize()
    trainer.lr_scheduler.step(2)
    assert trainer.optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * 0.5**0.9)
