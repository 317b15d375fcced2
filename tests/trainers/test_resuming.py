"""A training that is continued from a checkpoint goes on as if it had never stopped."""

import copy
import random
import signal
import time

import numpy as np
import pytest
import torch
from trainer_workplace import (
    ON_NNUNET_NETWORKS,
    TRAIN,
    command_line_arguments,
    fold_folder,
    made_up_batch,
    read,
    same_weights,
    write_small_plans,
)

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.trainers.checkpoint import HEADS_KEY, SETTINGS_KEY

NAMES = ON_NNUNET_NETWORKS
CASES = [(name, "sgd") for name in NAMES] + [("nnUNetTrainerDSD", "adamw")]


def weights_of(trainer):
    return {key: value.detach().clone() for key, value in trainer.bare_network().named_parameters()}


@pytest.mark.parametrize("configuration", ["3d_fullres", "2d"])
@pytest.mark.parametrize(("name", "optimiser"), CASES)
def test_the_step_after_loading_is_bitwise_the_one_without_interruption(nnunet, name, optimiser, configuration):
    options = {"configuration": configuration, "settings": {"optimiser": optimiser, "learning_rate": 1e-2}}
    trainer = nnunet.initialized(name, **options)
    for seed in range(3):
        trainer.train_step(made_up_batch(trainer, seed))
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued = nnunet.trainer(name, **options)
    continued.load_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued.set_deep_supervision_enabled(continued.enable_deep_supervision)
    assert continued.current_epoch == 1
    trainer.current_epoch = 1

    losses = []
    for one in (trainer, continued):
        one.on_train_epoch_start()
        losses.append([float(one.train_step(made_up_batch(one, seed))["loss"]) for seed in (10, 11)])

    assert losses[0] == losses[1]
    assert same_weights(weights_of(trainer), weights_of(continued))
    assert trainer.lr_scheduler.get_last_lr() == continued.lr_scheduler.get_last_lr()


def test_loading_restores_heads_that_differ_from_fresh_ones(nnunet):
    trainer = nnunet.initialized()
    trainer.train_step(made_up_batch(trainer))
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued = nnunet.initialized()
    assert not same_weights(trainer.heads().state_dict(), continued.heads().state_dict())
    continued.load_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    assert same_weights(trainer.heads().state_dict(), continued.heads().state_dict())
    first, second = (one.optimizer.state_dict()["state"] for one in (trainer, continued))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key]["momentum_buffer"], second[key]["momentum_buffer"]) for key in first)


def test_a_training_stopped_inside_an_epoch_has_a_gapless_log_after_continuing(
    nnunet, without_progress_figure, monkeypatch
):
    from nnunetv2.run.run_training import maybe_load_checkpoint

    settings = {"epochs": 4, "schedule": "poly", "learning_rate": 1e-2}
    trainer = nnunet.trainer(settings=settings)
    step, steps = trainer.train_step, []

    def stops_in_the_third_epoch(batch):
        if len(steps) == 5:
            raise KeyboardInterrupt
        steps.append(step(batch))
        return steps[-1]

    monkeypatch.setattr(trainer, "train_step", stops_in_the_third_epoch)
    with pytest.raises(KeyboardInterrupt):
        trainer.run_training()
    kept = copy.deepcopy(read(f"{trainer.output_folder}/checkpoint_latest.pth")["logging"])

    continued = nnunet.trainer(settings=settings)
    maybe_load_checkpoint(continued, continue_training=True, validation_only=False)
    assert continued.current_epoch == 2
    continued.run_training()

    log = read(f"{continued.output_folder}/checkpoint_final.pth")["logging"]
    assert {len(values) for values in log.values()} == {4}
    assert all(np.array_equal(log[key][:2], values[:2], equal_nan=True) for key, values in kept.items())
    assert log["lrs"] == pytest.approx([1e-2 * (1 - epoch / 4) ** 0.9 for epoch in range(4)])


def next_draws():
    """What Python, NumPy and torch draw next; their states stay as they are."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    drawn = random.random(), *np.random.random(3), *torch.rand(3).tolist()
    random.setstate(states[0])
    np.random.set_state(states[1])
    torch.set_rng_state(states[2])
    return drawn


def draws_of(seed):
    """The first draws of generators of their own, begun with a seed."""
    torchs = torch.rand(3, generator=torch.Generator().manual_seed(seed))
    return random.Random(seed).random(), *np.random.RandomState(seed).random(3), *torchs.tolist()


@pytest.mark.parametrize(("seed", "rank", "epochs_done"), [(1, 0, 1), (1, 0, 2), (7, 3, 2)])
def test_after_loading_random_numbers_follow_from_seed_process_and_epoch(nnunet, seed, rank, epochs_done):
    settings = {"seed": seed, "epochs": 4}
    trainer = nnunet.initialized(settings=settings)
    at_the_start = next_draws()
    trainer.current_epoch = epochs_done - 1  # a checkpoint names the epoch that comes next
    path = saved(trainer)
    found = []
    for drawn_before in (0, 5):
        continued = nnunet.initialized(settings=settings)
        continued.local_rank = rank
        torch.rand(drawn_before)
        continued.load_checkpoint(path)
        found.append(next_draws())
    assert found[0] == found[1] == draws_of(seed + rank + 1000 * epochs_done)
    assert not set(found[0]) & set(at_the_start)


def test_without_a_seed_loading_leaves_the_random_numbers_as_they_come(nnunet):
    settings = {"seed": None}
    path = saved(nnunet.initialized(settings=settings))
    continued = nnunet.initialized(settings=settings)
    before = next_draws()
    continued.load_checkpoint(path)
    assert next_draws() == before


def test_the_ramp_of_the_distillation_goes_on_where_it_was(nnunet):
    settings = {"epochs": 4, "distillation_ramp": 1.0, "alpha": 1.0, "reduction": "sum"}
    trainer = nnunet.initialized(settings=settings)
    assert trainer.loss.weights["encoder_kl_1"] == 0.25
    trainer.current_epoch = 2
    trainer.logger.local_logger.my_fantastic_logging["lrs"] = [0.0] * 3
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued = nnunet.trainer(settings=settings)
    continued.load_checkpoint(f"{trainer.output_folder}/checkpoint_latest.pth")
    continued.on_train_epoch_start()
    assert continued.loss.weights["encoder_kl_1"] == 1.0


def saved(trainer, name="checkpoint_latest.pth"):
    path = f"{trainer.output_folder}/{name}"
    trainer.save_checkpoint(path)
    return path


def test_a_checkpoint_of_another_architecture_is_refused_by_name_of_its_weights(nnunet):
    path = saved(nnunet.initialized(configuration="2d"))
    with pytest.raises(CheckpointError, match="belongs to another architecture") as caught:
        nnunet.trainer(configuration="3d_fullres").load_checkpoint(path)
    assert "encoder.stages" in str(caught.value)


def test_a_refused_checkpoint_leaves_the_trainer_as_it_was(nnunet):
    path = saved(nnunet.initialized("nnUNetTrainerBasic"))
    trainer = nnunet.initialized()
    trainer.train_step(made_up_batch(trainer))
    before = weights_of(trainer)
    with pytest.raises(CheckpointError):
        trainer.load_checkpoint(path)
    assert same_weights(before, weights_of(trainer))
    assert trainer.current_epoch == 0


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_a_truncated_checkpoint_is_refused_and_names_the_file(nnunet, kept):
    path = saved(nnunet.initialized())
    with open(path, "r+b") as file:
        file.truncate(int(file.seek(0, 2) * kept))
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint") as caught:
        nnunet.trainer().load_checkpoint(path)
    assert "checkpoint_latest.pth" in str(caught.value)


def test_a_missing_checkpoint_is_refused(nnunet):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        nnunet.trainer().load_checkpoint("nowhere.pth")


def test_a_stock_checkpoint_is_refused_for_continuing_and_the_message_names_the_way(nnunet):
    stock = nnunet.initialized("nnUNetTrainer")
    with pytest.raises(CheckpointError, match="-pretrained_weights"):
        nnunet.trainer().load_checkpoint(saved(stock))


@pytest.mark.parametrize("changed", [{"bottlenecks": "separate"}, {"feature_l2": 1e-4}])
def test_heads_made_with_other_settings_are_refused(nnunet, changed):
    path = saved(nnunet.initialized(settings={"bottlenecks": "shared", "feature_l2": 0.0}))
    with pytest.raises(CheckpointError, match="with other settings"):
        nnunet.trainer(settings=changed).load_checkpoint(path)


@pytest.mark.parametrize("wrong", ["missing", "of another shape", "unknown"])
def test_heads_that_do_not_fit_are_refused_before_any_is_taken(nnunet, wrong):
    content = read(saved(nnunet.initialized()))
    heads = content[HEADS_KEY]
    last = list(heads)[-1]
    if wrong == "missing":
        del heads[last]
    else:
        heads[last if wrong == "of another shape" else "foreign.weight"] = torch.zeros(1, 2, 3)
    trainer = nnunet.initialized()
    before = copy.deepcopy(trainer.heads().state_dict())
    with pytest.raises(CheckpointError, match=r"with other settings: 1 of their weights do not fit \('"):
        trainer.load_checkpoint(content)
    assert same_weights(before, trainer.heads().state_dict())


def test_a_training_older_than_a_setting_continues_with_the_trainers_own(nnunet):
    name = "nnUNetTrainerDSDFeatureL2"
    content = read(saved(nnunet.initialized(name)))
    del content[SETTINGS_KEY]["feature_l2"]
    nnunet.trainer(name).load_checkpoint(content)
    with pytest.raises(CheckpointError, match=r"feature_l2 was 0\.0001, is 0\.5"):
        nnunet.trainer(name, settings={"feature_l2": 0.5}).load_checkpoint(content)


def test_a_disk_without_room_leaves_the_earlier_checkpoint_whole(nnunet, monkeypatch):
    trainer = nnunet.initialized()
    path = saved(trainer)
    write = torch.save

    def full(value, target, *rest):
        if not hasattr(target, "write"):
            write({}, target)
            raise OSError(28, "No space left on device")
        write(value, target, *rest)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(CheckpointError, match="MiB are free"):
        trainer.save_checkpoint(path)
    assert "network_weights" in read(path)
    assert [entry.name for entry in nnunet.results.rglob("*.part")] == []


def test_disabled_checkpointing_writes_nothing(nnunet):
    trainer = nnunet.initialized()
    trainer.disable_checkpointing = True
    trainer.save_checkpoint(f"{trainer.output_folder}/checkpoint_final.pth")
    assert list(nnunet.results.rglob("*.pth*")) == []


def test_the_plans_in_a_checkpoint_hold_the_settings(nnunet):
    trainer = nnunet.initialized(settings={"temperature": 2.5})
    plans = read(saved(trainer))["init_args"]["plans"]
    assert plans["configurations"]["3d_fullres"][PLANS_KEY]["temperature"] == 2.5


@pytest.mark.slow
@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock"])
def test_a_training_killed_with_sigkill_continues(command_line, name):
    """The process dies in the middle of an epoch, without a chance to write anything."""
    write_small_plans(command_line, "long", epochs=200, iterations_per_epoch=10, schedule="constant")
    folder = fold_folder(command_line.results, name, "long")
    latest = folder / "checkpoint_latest.pth"
    with command_line.running(TRAIN, *command_line_arguments(name, "long")) as process:
        deadline = time.monotonic() + 300
        while not latest.exists() and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert latest.exists(), process.said()
        time.sleep(0.5)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    kept = read(latest)
    reached = kept["current_epoch"]
    assert 0 < reached < 200
    assert not (folder / "checkpoint_final.pth").exists()

    write_small_plans(command_line, "long", epochs=reached + 1, iterations_per_epoch=10, schedule="constant")
    command_line.run(TRAIN, *command_line_arguments(name, "long"), "--c")

    final = read(folder / "checkpoint_final.pth")
    assert final["current_epoch"] == reached + 1
    assert final["logging"]["train_losses"][:reached] == kept["logging"]["train_losses"][:reached]
    assert len(final["logging"]["train_losses"]) == reached + 1
    assert (folder / "validation" / "summary.json").exists()
