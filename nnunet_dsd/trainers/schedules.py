"""Learning-rate schedules by epoch, in the form nnU-Net's loop calls: `scheduler.step(epoch)`."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch.optim import Optimizer

from nnunet_dsd.config.training_settings import Schedule

PAPER_STEPS = 6
PAPER_GAMMA = 0.5
COSINE_END = 1e-6


class EpochSchedule:
    """Set the learning rate to a function of the epoch, so that a resumed training is where it was.

    Args:
        optimizer: Its parameter groups' `lr` is set.
        rate: Learning rate of each epoch, counted from 0.
    """

    def __init__(self, optimizer: Optimizer, rate: Callable[[int], float]) -> None:
        self.optimizer, self.rate = optimizer, rate

    def step(self, epoch: int) -> None:
        """Set the learning rate of `epoch`."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(epoch)

    def get_last_lr(self) -> list[float]:
        """Return the current learning rate of each parameter group."""
        return [group["lr"] for group in self.optimizer.param_groups]


def learning_rate(schedule: Schedule, *, start: float, epochs: int) -> Callable[[int], float]:
    """Return the learning rate by epoch.

    "poly" is nnU-Net's, `lr * (1 - epoch / epochs) ** 0.9`; "step" the paper's for MMWHS, halved after every
    `max(epochs // 6, 1)` epochs; "constant" the paper's for Hippocampus; "cosine" that of HLFD's authors, half a cosine
    that would reach 1e-6 in the epoch after the last.

    Args:
        schedule: Which of them.
        start: Learning rate of epoch 0.
        epochs: Length of the training.
    """
    if schedule == "poly":
        return lambda epoch: start * (1 - epoch / epochs) ** 0.9
    if schedule == "step":
        width = max(epochs // PAPER_STEPS, 1)
        return lambda epoch: start * PAPER_GAMMA ** (epoch // width)
    if schedule == "cosine":
        return lambda epoch: COSINE_END + (start - COSINE_END) * (1 + math.cos(math.pi * epoch / epochs)) / 2
    return lambda epoch: start
