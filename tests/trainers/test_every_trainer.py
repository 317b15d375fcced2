"""Each trainer of the catalogue, on each kind of network, takes a step inside nnU-Net."""

import math

import pytest
import torch
from trainer_workplace import (
    ON_NNUNET_NETWORKS,
    PLAIN,
    RESIDUAL,
    made_up_batch,
    read,
    stock_network,
)

from nnunet_dsd.networks.taps import HEADS_NAME

NAMES = ON_NNUNET_NETWORKS
DISTILLED = [name for name in NAMES if name not in ("nnUNetTrainerBasic", "nnUNetTrainerStock")]
NETWORKS = [("3d_fullres", PLAIN), ("3d_fullres", RESIDUAL), ("2d", PLAIN), ("2d", RESIDUAL)]


class Trained:
    """A trainer after a step, and what was seen of that step; tests only look at it."""

    def __init__(self, name, trainer):
        self.name, self.trainer, self.batch = name, trainer, made_up_batch(trainer)
        before = {k: value.clone() for k, value in trainer.network.named_parameters() if value.requires_grad}
        self.loss = float(trainer.train_step(self.batch)["loss"])
        after = dict(trainer.network.named_parameters())
        self.trainable = list(before)
        self.without_gradient = [key for key in before if after[key].grad is None]
        self.unmoved = {key for key in before if torch.equal(after[key], before[key])}


@pytest.fixture(scope="module")
def trained(workplace, request):
    """A trainer on one kind of network, trained for a step for all tests of it, which run one after the other."""
    name, configuration, network = request.param
    return Trained(name, workplace.initialized(name, configuration=configuration, network=network))


def each_trained(names):
    cases = [(name, *network) for name in names for network in NETWORKS]
    return pytest.mark.parametrize("trained", cases, indirect=True, ids="-".join)


@each_trained(NAMES)
def test_a_step_moves_every_trainable_parameter_and_the_checkpoint_is_stock(trained):
    assert math.isfinite(trained.loss)
    without = trained.without_gradient
    # nnU-Net gives its coarsest deep supervision output weight 0; trainings that keep it leave a layer without one.
    deeply_supervised = trained.name in ("nnUNetTrainerStock", "nnUNetTrainerEpochSD")
    assert without == [] or (deeply_supervised and all("seg_layers.0" in key for key in without))
    # Biases are left out: instance normalisation after a convolution takes its bias away again.
    weights = {key for key in trained.trainable if key.endswith("weight") and key not in without}
    assert weights
    assert weights.isdisjoint(trained.unmoved)
    trainer = trained.trainer
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    checkpoint = read(f"{trainer.output_folder}/checkpoint_final.pth")
    assert checkpoint["trainer_name"] == "nnUNetTrainer"
    assert checkpoint["network_weights"].keys() == stock_network(trainer).state_dict().keys()


@each_trained(DISTILLED)
def test_the_stock_network_with_the_trained_weights_gives_bitwise_the_same_output(trained):
    trainer, image = trained.trainer, trained.batch["data"]
    stock = stock_network(trainer)
    stock.load_state_dict(trainer.network.state_dict())

    trainer.set_deep_supervision_enabled(False)
    with torch.no_grad():
        ours, theirs = trainer.network.eval()(image), stock.eval()(image)

    assert torch.equal(ours, theirs)


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("nnUNetTrainerDSD", {"encoder_kl_", "decoder_kl_", "decoder_1"}, {"_l2_"}),
        ("nnUNetTrainerDS", {"decoder_1"}, {"_kl_", "_l2_"}),
        ("nnUNetTrainerSDD", {"decoder_kl_", "decoder_1"}, {"encoder", "_l2_"}),
        ("nnUNetTrainerSDE", {"encoder_kl_", "decoder_1"}, {"decoder_kl_", "_l2_"}),
        ("nnUNetTrainerDSDMean", {"encoder_kl_1", "encoder_kl_3", "decoder_kl_1", "decoder_kl_3"}, {"_l2_"}),
        ("nnUNetTrainerDSDReversed", {"encoder_kl_3", "decoder_kl_1"}, {"encoder_kl_1", "decoder_kl_3"}),
        ("nnUNetTrainerDSDFeatureL2", {"encoder_l2_1", "decoder_l2_3", "encoder_kl_1"}, set()),
        ("nnUNetTrainerMISSU", {"fusion_1", "fusion_2", "missu_kl_1", "missu_kl_2"}, {"decoder", "encoder", "_l2_"}),
    ],
)
def test_each_ablation_has_its_own_loss_terms(nnunet, name, present, absent):
    trainer = nnunet.initialized(name)
    trainer.train_step(made_up_batch(trainer))
    terms = list(trainer.loss.last_terms)
    assert [part for part in present if not any(part in term for term in terms)] == []
    monitored = ("encoder_teacher_entropy", "encoder_teacher_dice")
    assert [term for term in terms if term not in monitored and any(part in term for part in absent)] == []


def test_the_logged_terms_with_their_weights_add_up_to_the_loss(nnunet):
    trainer = nnunet.initialized(settings={"alpha": 0.7, "beta": 0.3, "eta": 0.5, "temperature": 2.0})
    result = trainer.train_step(made_up_batch(trainer))
    terms, weights = trainer.loss.last_terms, trainer.loss.weights
    assert set(weights) <= set(terms)
    total = sum(weights[name] * float(terms[name]) for name in weights)
    assert float(result["loss"]) == pytest.approx(total, rel=1e-5)


def test_with_every_distillation_weight_at_zero_the_loss_is_the_baseline_s(nnunet):
    off = {"alpha": 0.0, "beta": 0.0, "eta": 0.0}
    ours = nnunet.initialized("nnUNetTrainerDSD", settings=off)
    basic = nnunet.initialized("nnUNetTrainerBasic", settings=off)
    batch = made_up_batch(ours)
    first, second = (float(trainer.train_step(batch)["loss"]) for trainer in (ours, basic))
    assert first == second


def test_the_stock_trainer_takes_bitwise_nnunet_s_own_steps(nnunet):
    ours, theirs = (nnunet.initialized(name) for name in ("nnUNetTrainerStock", "nnUNetTrainer"))
    theirs.network.load_state_dict(ours.network.state_dict())
    for seed in range(3):
        batch = made_up_batch(ours, seed)
        assert float(ours.train_step(batch)["loss"]) == float(theirs.train_step(batch)["loss"])
    assert all(torch.equal(a, b) for a, b in zip(ours.network.parameters(), theirs.network.parameters(), strict=True))


def test_segmentation_layers_that_only_deep_supervision_uses_keep_their_weights(nnunet):
    trainer = nnunet.initialized()
    unused = list(trainer.network.decoder.seg_layers)[:-1]
    before = [layer.weight.clone() for layer in unused]
    for seed in range(2):
        trainer.train_step(made_up_batch(trainer, seed))
    assert all(torch.equal(layer.weight, weight) for layer, weight in zip(unused, before, strict=True))


def test_no_captured_features_are_left_after_a_step(nnunet):
    trainer = nnunet.initialized()
    trainer.train_step(made_up_batch(trainer))
    assert getattr(trainer.network, HEADS_NAME)._features == {}


def test_the_network_takes_a_batch_of_one(nnunet):
    trainer = nnunet.initialized()
    trainer.batch_size = 1
    assert torch.isfinite(torch.as_tensor(trainer.train_step(made_up_batch(trainer))["loss"]))
