"""What the plans' block says reaches the training, and what it cannot mean is refused before anything is written."""

import pytest
import torch
from trainer_workplace import PLAIN, SETTINGS, made_up_batch, same_weights, small_network

from nnunet_dsd.common.errors import CheckpointError, NetworkStructureError, SettingsError
from nnunet_dsd.config.settings import PLANS_KEY, grouped_block
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.trainers.distilled import DistilledTrainer


def test_budget_optimiser_and_schedule_are_those_of_the_plans(nnunet):
    settings = {
        "epochs": 12,
        "iterations_per_epoch": 7,
        "validation_iterations_per_epoch": 3,
        "save_every": 5,
        "optimiser": "adamw",
        "schedule": "step",
        "learning_rate": 0.004,
        "weight_decay": 0.02,
    }
    trainer = nnunet.initialized(settings=settings)
    assert (trainer.num_epochs, trainer.num_iterations_per_epoch) == (12, 7)
    assert (trainer.num_val_iterations_per_epoch, trainer.save_every) == (3, 5)
    assert isinstance(trainer.optimizer, torch.optim.AdamW)
    assert trainer.optimizer.param_groups[0]["weight_decay"] == 0.02
    rates = []
    for epoch in range(12):
        trainer.lr_scheduler.step(epoch)
        rates.append(trainer.optimizer.param_groups[0]["lr"])
    assert rates == pytest.approx([0.004 * 0.5 ** (epoch // 2) for epoch in range(12)])


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerBasic", "nnUNetTrainerStock"])
def test_sgd_and_poly_are_nnunet_s_own(nnunet, name):
    ours = nnunet.initialized(name, settings={"optimiser": "sgd", "schedule": "poly", "epochs": 20})
    stock = nnunet.initialized("nnUNetTrainer")
    stock.num_epochs = 20
    stock.optimizer, stock.lr_scheduler = stock.configure_optimizers()
    for epoch in (0, 1, 10, 19):
        for trainer in (ours, stock):
            trainer.lr_scheduler.step(epoch)
        assert ours.optimizer.param_groups[0]["lr"] == stock.optimizer.param_groups[0]["lr"]
    kept = ("momentum", "nesterov", "weight_decay")
    assert [ours.optimizer.param_groups[0][k] for k in kept] == [stock.optimizer.param_groups[0][k] for k in kept]


def test_a_run_takes_exactly_the_epochs_and_iterations_of_the_plans(nnunet, without_progress_figure, monkeypatch):
    trainer = nnunet.trainer(settings={"epochs": 3, "iterations_per_epoch": 4, "validation_iterations_per_epoch": 2})
    counts = {"train_step": 0, "validation_step": 0}
    for method in counts:
        original = getattr(trainer, method)

        def counted(batch, method=method, original=original):
            counts[method] += 1
            return original(batch)

        monkeypatch.setattr(trainer, method, counted)
    trainer.run_training()
    assert counts == {"train_step": 12, "validation_step": 6}


def test_two_trainers_with_one_seed_start_with_equal_weights_and_heads(nnunet):
    first, second, other = (nnunet.initialized(settings={"seed": seed}) for seed in (5, 5, 6))
    assert same_weights(dict(first.network.named_parameters()), dict(second.network.named_parameters()))
    assert not same_weights(first.network.state_dict(), other.network.state_dict())


def test_without_a_seed_two_trainers_start_with_different_weights(nnunet):
    first, second = (nnunet.initialized(settings={"seed": None}) for _ in range(2))
    assert not same_weights(first.network.state_dict(), second.network.state_dict())


@pytest.mark.parametrize(
    "name", ["nnUNetTrainerDS", "nnUNetTrainerDSDMean", "nnUNetTrainerBasic", "nnUNetTrainerStock"]
)
def test_one_seed_gives_every_trainer_the_same_backbone(nnunet, name):
    first, second = nnunet.initialized("nnUNetTrainerDSD"), nnunet.initialized(name)
    assert same_weights(first.network.state_dict(), second.network.state_dict())


def test_the_loss_settings_of_the_plans_reach_the_loss(nnunet):
    settings = {"temperature": 2.0, "alpha": 0.5, "beta": 0.25, "eta": 0.125, "feature_l2": 0.01}
    trainer = nnunet.initialized(settings=settings)
    weights = trainer.loss.weights
    assert (weights["encoder_kl_1"], weights["decoder_kl_2"], weights["decoder_1"]) == (0.5, 0.25, 0.125)
    assert weights["encoder_l2_1"] == 0.01
    assert trainer.loss.settings.temperature == 2.0


def test_a_variant_s_own_settings_win_over_the_plans(nnunet):
    trainer = nnunet.trainer("nnUNetTrainerSDD", settings={"alpha": 9.0, "beta": 2.0})
    assert (trainer.settings.dual.alpha, trainer.settings.dual.beta) == (0.0, 2.0)


def test_separate_bottlenecks_are_built_for_every_level(nnunet):
    shared, separate = (nnunet.initialized(settings={"bottlenecks": kind}) for kind in ("shared", "separate"))
    assert len(shared.heads().bottlenecks) == 4
    assert len(separate.heads().bottlenecks) == 6


def test_a_block_in_one_configuration_leaves_the_others_at_the_defaults(nnunet):
    plans = nnunet.plans(settings={"epochs": 77})
    del plans["configurations"]["2d"][PLANS_KEY]
    assert nnunet.trainer(plans=plans, configuration="3d_fullres").num_epochs == 77
    assert nnunet.trainer(plans=plans, configuration="2d").num_epochs == 1000


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock"])
def test_impossible_settings_are_refused_all_at_once_before_any_folder_is_made(nnunet, name):
    with pytest.raises(SettingsError) as caught:
        nnunet.trainer(name, settings={"temprature": 2, "epochs": 0, "optimiser": "adam"})
    assert len(caught.value.problems) == 3
    assert "did you mean 'temperature'" in str(caught.value)
    assert not nnunet.results.exists()


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock", "nnUNetTrainerDynUNet_DSD"])
@pytest.mark.parametrize("place", ["top", "own", "parent", "child"])
def test_a_misspelt_block_is_refused_before_any_folder_is_made(nnunet, name, place):
    plans = nnunet.plans()
    configurations = plans["configurations"]
    configurations["child"] = {"inherits_from": "3d_fullres"}
    where = {"top": plans, "own": configurations["3d_fullres"], "parent": configurations["3d_fullres"]}
    where.get(place, configurations["child"])["self_destillation"] = {"epochs": 3}
    with pytest.raises(SettingsError, match="is called 'self_distillation'"):
        nnunet.trainer(name, plans=plans, configuration="child" if place in ("parent", "child") else "3d_fullres")
    assert not nnunet.results.exists()


def test_a_patch_too_small_for_the_stages_is_refused_and_one_that_fits_is_named(nnunet):
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["patch_size"] = [4, 8, 8]
    with pytest.raises(NetworkStructureError, match=r"\(4, 8, 8\) does not fit .* is \(8, 16, 16\)"):
        nnunet.trainer(plans=plans).initialize()


def test_a_network_with_two_stages_is_refused(nnunet):
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["architecture"] = small_network(PLAIN, [[1, 1, 1], [2, 2, 2]])
    with pytest.raises(NetworkStructureError, match="3 stages or more"):
        nnunet.trainer(plans=plans).initialize()


def primus_architecture():
    kwargs = {"embed_dim": 24, "patch_embed_size": [8, 8, 8], "eva_depth": 1, "eva_numheads": 1}
    kwargs["input_shape"] = [8, 16, 16]
    name = "dynamic_network_architectures.architectures.primus.Primus"
    return {"network_class_name": name, "arch_kwargs": kwargs, "_kw_requires_import": []}


def test_primus_in_the_plans_is_refused_before_training(nnunet):
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["architecture"] = primus_architecture()
    with pytest.raises(NetworkStructureError, match=r"Primus cannot be built .* U-shaped"):
        nnunet.trainer(plans=plans).initialize()


def test_a_trainer_that_builds_primus_is_refused_before_training(nnunet, monkeypatch):
    from nnunetv2.training.nnUNetTrainer.primus.primus_trainers import nnUNet_Primus_S_Trainer

    class PrimusDSD(DistilledTrainer):
        build_network_architecture = staticmethod(nnUNet_Primus_S_Trainer.build_network_architecture)

    monkeypatch.setattr("trainer_workplace.trainer_class", lambda name: PrimusDSD)
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"]["patch_size"] = [16, 16, 16]
    trainer = nnunet.trainer(plans=plans)
    with pytest.raises(NetworkStructureError, match="no encoder and decoder stages"):
        trainer.initialize()
    assert not trainer.uses_stock_network()


def test_the_settings_are_written_to_the_training_log(nnunet):
    trainer = nnunet.initialized(settings={"temperature": 2.75})
    with open(trainer.log_file) as file:
        text = file.read()
    assert "'temperature': 2.75" in text
    assert "1 * output + 1 * decoder_1" in text


def test_the_training_network_has_heads_and_the_class_s_own_builder_none(nnunet):
    trainer = nnunet.initialized()
    assert hasattr(trainer.network, HEADS_NAME)
    plain = type(trainer).build_network_architecture(
        trainer.plans_manager, trainer.configuration_manager, 1, 3, enable_deep_supervision=False
    )
    assert not hasattr(plain, HEADS_NAME)


def test_the_settings_of_these_tests_are_a_valid_block(nnunet):
    trainer = nnunet.initialized()
    assert trainer.settings.flat().items() >= SETTINGS.items()
    assert torch.isfinite(torch.as_tensor(trainer.train_step(made_up_batch(trainer))["loss"]))


def test_a_block_of_parts_reaches_the_training_and_goes_on_from_a_flat_one(nnunet, tmp_path):
    flat = nnunet.initialized(settings={"temperature": 2.5, "epochs": 9})
    flat.save_checkpoint(str(tmp_path / "checkpoint.pth"))
    plans = nnunet.plans(settings={"temperature": 2.5, "epochs": 9})
    configuration = plans["configurations"]["3d_fullres"]
    configuration[PLANS_KEY] = grouped_block(configuration[PLANS_KEY])
    grouped = nnunet.trainer(plans=plans)
    assert grouped.settings == flat.settings
    assert (grouped.num_epochs, grouped.settings.dual.temperature) == (9, 2.5)
    grouped.load_checkpoint(str(tmp_path / "checkpoint.pth"))
    configuration[PLANS_KEY]["dual"]["temperature"] = 3.5
    with pytest.raises(CheckpointError, match=r"temperature was 2\.5, is 3\.5"):
        nnunet.trainer(plans=plans).load_checkpoint(str(tmp_path / "checkpoint.pth"))


@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock", "nnUNetTrainerDynUNet_DSD"])
def test_a_setting_in_the_wrong_part_is_refused_before_any_folder_is_made(nnunet, name):
    plans = nnunet.plans()
    plans["configurations"]["3d_fullres"][PLANS_KEY] = {"dual": {"epochs": 3}, "alpha": 1.0}
    with pytest.raises(SettingsError) as caught:
        nnunet.trainer(name, plans=plans)
    assert caught.value.problems == (
        "'epochs' stands in 'dual'; it belongs into 'training'",
        "'alpha' stands beside the parts; it belongs into 'dual'",
    )
    assert not nnunet.results.exists()
