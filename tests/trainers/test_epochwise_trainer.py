"""Epoch-wise self-distillation inside nnU-Net: who teaches when, also after an interruption."""

import copy

import pytest
import torch
from nnunetv2.run.load_pretrained_weights import load_pretrained_weights
from trainer_workplace import RESIDUAL, made_up_batch, read, same_weights, start, stock_network, write_model

NAME = "nnUNetTrainerEpochSD"


def encoder_of(trainer):
    return trainer.bare_network().encoder.state_dict()


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
@pytest.mark.parametrize("network", ["PlainConvUNet", RESIDUAL])
def test_the_term_is_the_distance_of_the_bottlenecks(nnunet, configuration, network):
    trainer = nnunet.initialized(NAME, network=network, configuration=configuration, settings={"epoch_lambda": 3.0})
    begun = copy.deepcopy(trainer.bare_network().encoder).eval()
    first = trainer.train_step(made_up_batch(trainer, 0))
    assert trainer.loss.last_terms["previous_epoch"] == pytest.approx(0, abs=1e-10)
    assert first["loss"] == pytest.approx(float(trainer.loss.last_terms["labels"]), rel=1e-5)
    batch = made_up_batch(trainer, 1)
    with torch.no_grad():
        now = trainer.bare_network().encoder(batch["data"])[-1]
        distance = (now - begun(batch["data"])[-1]).square().mean()
    result = trainer.train_step(batch)
    assert float(trainer.loss.last_terms["previous_epoch"]) == pytest.approx(float(distance), rel=1e-4)
    assert float(distance) > 0
    expected = float(trainer.loss.last_terms["labels"]) + 3.0 * float(distance)
    assert float(result["loss"]) == pytest.approx(expected, rel=1e-4)


def test_every_epoch_has_the_encoder_of_its_start_as_teacher(nnunet):
    trainer = nnunet.initialized(NAME, settings={"epochs": 4})
    for epoch in range(3):
        begun = copy.deepcopy(encoder_of(trainer))
        for seed in range(2):
            trainer.train_step(made_up_batch(trainer, seed))
            assert same_weights(trainer.teacher.encoder.state_dict(), begun)
        assert not same_weights(encoder_of(trainer), begun)
        trainer.current_epoch = epoch + 1
        trainer.on_train_epoch_start()


def test_the_first_teacher_is_the_pre_trained_encoder(nnunet):
    pre_trained = nnunet.initialized("nnUNetTrainerStock", settings={"seed": 7})
    folder = write_model(pre_trained)
    trainer = nnunet.trainer(NAME)
    trainer.initialize()
    load_pretrained_weights(trainer.network, str(folder / "fold_0" / "checkpoint_final.pth"))
    start(trainer)
    trainer.train_step(made_up_batch(trainer))
    assert same_weights(trainer.teacher.encoder.state_dict(), encoder_of(pre_trained))


def test_the_epoch_after_loading_is_bitwise_the_one_without_interruption(nnunet):
    trainer = nnunet.initialized(NAME)
    for seed in range(2):
        trainer.train_step(made_up_batch(trainer, seed))
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued = nnunet.trainer(NAME, plans=copy.deepcopy(trainer.plans_manager.plans))
    continued.load_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued.set_deep_supervision_enabled(True)
    trainer.current_epoch = 1
    losses = []
    for one in (trainer, continued):
        one.on_train_epoch_start()
        losses.append([float(one.train_step(made_up_batch(one, seed))["loss"]) for seed in (10, 11)])
    assert losses[0] == losses[1]
    assert same_weights(trainer.teacher.state_dict(), continued.teacher.state_dict())


def test_the_checkpoint_is_a_stock_one(nnunet):
    trainer = nnunet.initialized(NAME)
    trainer.train_step(made_up_batch(trainer))
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    checkpoint = read(f"{trainer.output_folder}/checkpoint_final.pth")
    assert checkpoint["trainer_name"] == "nnUNetTrainer"
    stock_network(trainer).load_state_dict(checkpoint["network_weights"])


def test_a_compiled_network_is_one_graph_that_is_compiled_once(nnunet):
    trainer = nnunet.initialized(NAME)
    torch._dynamo.reset()
    compiled = torch.compile(trainer.network.train(), backend="eager", fullgraph=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for seed in range(3):
            made = compiled(made_up_batch(trainer, seed)["data"])
    assert torch.allclose(made.features, trainer.teacher(made_up_batch(trainer, 2)["data"])[-1], atol=1e-5)


def test_half_precision_gives_a_finite_loss(nnunet):
    trainer = nnunet.initialized(NAME)
    batch = made_up_batch(trainer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        trainer.loss.previous = trainer.teacher(1000 * batch["data"])[-1]
        loss = trainer.loss(trainer.network.train()(batch["data"]), batch["target"])
    loss.backward()
    assert torch.isfinite(loss)
