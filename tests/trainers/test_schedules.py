"""Learning rates by epoch: nnU-Net's, the paper's two, and that of HLFD's authors."""

import copy

import pytest
import torch
from nnunetv2.training.lr_scheduler.polylr import PolyLRScheduler

from nnunet_dsd.presets import find_preset
from nnunet_dsd.trainers.schedules import EpochSchedule, learning_rate


def rates(epochs, **choices):
    rate = learning_rate(choices["schedule"], start=choices["learning_rate"], epochs=epochs)
    return [rate(epoch) for epoch in range(epochs)]


def optimiser(groups=1):
    return torch.optim.SGD([{"params": [torch.nn.Parameter(torch.zeros(1))]} for _ in range(groups)], lr=7.0)


def test_poly_is_what_nnunets_own_scheduler_sets():
    mine = rates(20, schedule="poly", learning_rate=0.01)
    stock = optimiser()
    scheduler, theirs = PolyLRScheduler(stock, 0.01, 20), []
    for epoch in range(20):
        scheduler.step(epoch)
        theirs.append(stock.param_groups[0]["lr"])
    assert mine == pytest.approx(theirs, rel=1e-12)
    assert mine[0] == 0.01
    assert mine[10] == pytest.approx(0.01 * 0.5**0.9)


def test_step_halves_after_every_sixth_of_300_epochs_as_torchs_step_schedule_does():
    mine = rates(300, schedule="step", learning_rate=1e-3)
    other = optimiser()
    other.param_groups[0]["lr"] = 1e-3
    scheduler, theirs = torch.optim.lr_scheduler.StepLR(other, step_size=50, gamma=0.5), []
    for _ in range(300):
        theirs.append(other.param_groups[0]["lr"])
        other.step()
        scheduler.step()
    assert mine == pytest.approx(theirs, rel=1e-12)
    assert (mine[49], mine[50], mine[299]) == pytest.approx((1e-3, 5e-4, 1e-3 / 32))


@pytest.mark.parametrize("epochs", [1, 3, 5, 7])
def test_step_works_with_few_epochs(epochs):
    assert rates(epochs, schedule="step", learning_rate=1.0) == pytest.approx([0.5**e for e in range(epochs)])


def test_constant_never_changes():
    assert rates(9, schedule="constant", learning_rate=1e-4) == [1e-4] * 9


@pytest.mark.parametrize("epochs", [1, 100, 120])
def test_cosine_is_what_torchs_cosine_annealing_sets(epochs):
    mine = rates(epochs, schedule="cosine", learning_rate=1e-2)
    other = optimiser()
    other.param_groups[0]["lr"] = 1e-2
    scheduler, theirs = torch.optim.lr_scheduler.CosineAnnealingLR(other, T_max=epochs, eta_min=1e-6), []
    for _ in range(epochs):
        theirs.append(other.param_groups[0]["lr"])
        other.step()
        scheduler.step()
    assert mine == pytest.approx(theirs, rel=1e-6)
    assert mine[0] == 1e-2


def test_the_rate_of_an_epoch_is_the_same_whatever_was_before_so_that_a_resumed_training_is_where_it_was():
    target = optimiser(groups=2)
    schedule = EpochSchedule(target, learning_rate("poly", start=1.0, epochs=10))
    for epoch in (9, 0, 5):
        schedule.step(epoch)
    assert schedule.get_last_lr() == pytest.approx([0.5**0.9] * 2)
    assert [group["lr"] for group in target.param_groups] == schedule.get_last_lr()


@pytest.mark.parametrize(("name", "epochs"), [("paper-hlfd-teacher", 100), ("paper-hlfd-student", 120)])
def test_a_trainer_with_hlfds_presets_steps_as_torchs_adam_along_a_cosine(nnunet, name, epochs):
    settings = {key: value for key, value in find_preset(name).settings.items() if key != "feature_size"}
    trainer = nnunet.trainer("nnUNetTrainerBasic", settings=settings)
    trainer.initialize()
    seen = []
    for epoch in range(trainer.num_epochs):
        trainer.lr_scheduler.step(epoch)
        seen.append(trainer.optimizer.param_groups[0]["lr"])
    assert len(seen) == epochs
    assert (seen[0], seen[epochs // 2]) == pytest.approx((1e-2, (1e-2 + 1e-6) / 2))
    assert 1e-6 < seen[-1] < 5e-6

    trainer.lr_scheduler.step(0)
    other = copy.deepcopy(trainer.network)
    adam = torch.optim.Adam(other.parameters(), lr=1e-2)
    for _ in range(3):
        for mine, theirs in zip(trainer.network.parameters(), other.parameters(), strict=True):
            mine.grad = torch.randn_like(mine)
            theirs.grad = mine.grad.clone()
        trainer.optimizer.step()
        adam.step()
    for mine, theirs in zip(trainer.network.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)
