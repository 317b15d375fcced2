"""The frames of a step and its learning rate: functions of seed and epoch alone, so that a run resumes exactly."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch.utils.data import Sampler

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SettingsError


def cosine_learning_rate(epoch: int, epochs: int, *, initial: float, minimum: float) -> float:
    """Return the learning rate of an epoch, counted from 0: `initial` at first, near `minimum` in the last one.

    As torch's CosineAnnealingLR with T_max = epochs, stepped after each epoch.
    """
    return minimum + (initial - minimum) * (1 + math.cos(math.pi * epoch / epochs)) / 2


class HasEpochs(Protocol):
    """Frames whose augmentation depends on the epoch."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch."""


class EpochSampler(Sampler[int]):
    """Rows in an order that depends on seed and epoch only, dealt so that every step has `batch_size` of them.

    A step's rows are cut into `accumulate` parts and each part into one slice per process; what is left of an epoch
    after the last whole step is dropped. With any number of processes and parts, a step therefore has the same rows.

    Args:
        rows: How many there are.
        batch_size: Rows per optimiser step over all processes.
        accumulate: Parts per step.
        processes: How many processes train together.
        process: Which of them this is, from 0.
        seed: Of the order.
        frames: Told of each new epoch too, for its augmentation.
        what: What the rows are, for the message.

    Raises:
        SettingsError: if the rows do not fill a step or a step cannot be dealt evenly.
    """

    def __init__(
        self,
        rows: int,
        *,
        batch_size: int,
        accumulate: int = 1,
        processes: int = 1,
        process: int = 0,
        seed: int = 0,
        frames: HasEpochs | None = None,
        what: str = "training frames",
    ) -> None:
        problems = []
        if batch_size % (accumulate * processes):
            problems.append(
                f"batch_size {batch_size} is not divisible by accumulate {accumulate} times "
                f"{counted(processes, 'process', 'processes')}"
            )
        if rows < batch_size:
            problems.append(f"{rows} {what} do not fill one step of {batch_size}; lower batch_size")
        if problems:
            raise SettingsError(problems, source="the batches")
        self.rows, self.batch_size, self.seed, self.epoch = rows, batch_size, seed, 0
        self.processes, self.process, self.frames = processes, process, frames
        self.slice_size = batch_size // (accumulate * processes)

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch whose order comes next; Lightning calls this."""
        self.epoch = epoch
        if self.frames is not None:
            self.frames.set_epoch(epoch)

    def __len__(self) -> int:
        return self.rows // self.batch_size * self.batch_size // self.processes

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(batch_seed(self.seed, self.epoch))
        order = torch.randperm(self.rows, generator=generator)[: self.rows // self.batch_size * self.batch_size]
        yield from order.view(-1, self.processes, self.slice_size)[:, self.process].reshape(-1).tolist()


def batch_seed(*numbers: int) -> int:
    """Return a seed of its own for each tuple of numbers, such as seed, epoch, batch and process."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
