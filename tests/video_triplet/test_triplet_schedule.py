"""Order of frames and learning rate: functions of seed and epoch, the same on any number of processes."""

from types import SimpleNamespace

import pytest
import torch

from nnunet_dsd.common.errors import SettingsError
from video_triplet.trainers.schedule import EpochSampler, batch_seed, cosine_learning_rate


def steps(rows, *, batch_size, epoch=0, processes=1, accumulate=1, seed=1):
    """The rows of each optimiser step, as sets, put together over processes."""
    samplers = [
        EpochSampler(rows, batch_size=batch_size, accumulate=accumulate, processes=processes, process=p, seed=seed)
        for p in range(processes)
    ]
    for sampler in samplers:
        sampler.set_epoch(epoch)
    share = batch_size // processes
    dealt = [list(sampler) for sampler in samplers]
    return [
        {row for rows_of_one in dealt for row in rows_of_one[step * share : (step + 1) * share]}
        for step in range(len(dealt[0]) // share)
    ]


@pytest.mark.parametrize(("processes", "accumulate"), [(1, 1), (2, 1), (1, 4), (2, 2), (4, 2)])
def test_a_step_has_the_same_rows_however_it_is_dealt(processes, accumulate):
    found = steps(50, batch_size=16, processes=processes, accumulate=accumulate)
    assert found == steps(50, batch_size=16)
    assert all(len(rows) == 16 for rows in found)
    assert len(found) == 3


def test_no_row_comes_twice_in_an_epoch_and_all_come_over_epochs():
    epochs = [set().union(*steps(50, batch_size=16, epoch=epoch)) for epoch in range(8)]
    assert all(len(rows) == 48 for rows in epochs)
    assert set().union(*epochs) == set(range(50))


def test_each_epoch_and_seed_has_an_order_of_its_own():
    orders = set()
    for seed in (1, 2):
        sampler = EpochSampler(40, batch_size=8, seed=seed)
        for epoch in (0, 1):
            sampler.set_epoch(epoch)
            orders.add(tuple(sampler))
    assert len(orders) == 4


def test_the_frames_are_told_of_each_epoch():
    told = []
    sampler = EpochSampler(8, batch_size=8, frames=SimpleNamespace(set_epoch=told.append))
    sampler.set_epoch(3)
    assert told == [3]


@pytest.mark.parametrize(
    ("rows", "batch", "said"),
    [(10, 16, "10 training frames do not fill one step of 16"), (50, 15, "15 is not divisible by accumulate 2")],
)
def test_frames_that_cannot_be_dealt_are_refused(rows, batch, said):
    with pytest.raises(SettingsError, match=said):
        EpochSampler(rows, batch_size=batch, accumulate=2)


def test_the_learning_rate_is_that_of_torch_s_cosine():
    optimiser = torch.optim.Adam([torch.zeros(1, requires_grad=True)], lr=2e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, T_max=20, eta_min=2e-6)
    for epoch in range(21):
        expected = optimiser.param_groups[0]["lr"]
        assert cosine_learning_rate(epoch, 20, initial=2e-4, minimum=2e-6) == pytest.approx(expected, rel=1e-6)
        optimiser.step()
        schedule.step()


def test_seeds_of_neighbouring_numbers_differ():
    assert len({batch_seed(a, b, c) for a in range(5) for b in range(5) for c in range(5)}) == 125
