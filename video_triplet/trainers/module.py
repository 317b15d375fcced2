"""What the Lightning modules of this package share: everything random or scheduled follows from seed and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from nnunet_dsd.common.errors import DivergenceError
from video_triplet.trainers.callbacks import ADVICE
from video_triplet.trainers.epochwise import EpochwiseDistillation
from video_triplet.trainers.schedule import batch_seed, cosine_learning_rate


class EpochSeededModule(LightningModule):
    """Sets learning rate and random numbers so that a resumed training repeats the uninterrupted one.

    Args:
        settings: With `seed`, `epochs`, `learning_rate` and `minimum_learning_rate`.
    """

    def __init__(self, settings: Any) -> None:
        super().__init__()
        self.epochwise: EpochwiseDistillation | None = None
        self.settings = settings
        self._validated: list[tuple[Tensor, Tensor]] = []

    def learning_rate(self, epoch: int) -> float:
        """Return the learning rate of an epoch, counted from 0: a cosine, stepped per epoch."""
        settings = self.settings
        return cosine_learning_rate(
            epoch, settings.epochs, initial=settings.learning_rate, minimum=settings.minimum_learning_rate
        )

    def on_train_epoch_start(self) -> None:
        """Set the learning rate of this epoch, the same after a resume."""
        rate = self.learning_rate(self.current_epoch)
        for group in self.trainer.optimizers[0].param_groups:
            group["lr"] = rate
        self.log("learning_rate", rate, rank_zero_only=True)

    def on_train_batch_start(self, batch: Mapping[str, Any], batch_idx: int) -> None:
        """Set the random numbers (stochastic depth) of this part of a step, the same after a resume."""
        torch.manual_seed(batch_seed(self.settings.seed, self.current_epoch, batch_idx, self.global_rank))

    def log_training(self, values: Mapping[str, Tensor], rows: int) -> None:
        """Log the mean over an epoch of values of one part of a step, as `train_NAME`.

        Args:
            values: Scalars, by name.
            rows: How many they are the mean over.
        """
        for name, value in values.items():
            self.log(f"train_{name}", value.detach(), on_step=False, on_epoch=True, sync_dist=True, batch_size=rows)

    def keep_validated(self, rows: Tensor, values: Tensor) -> None:
        """Keep what one validation batch gave until the epoch's end; rows `(B,)`, values `(B, classes)`."""
        self._validated.append((rows, values))

    def take_validated(self) -> tuple[Tensor, Tensor]:
        """Return what all batches on all processes gave; a row may come twice, from a padded last batch.

        Raises:
            DivergenceError: if something is not a finite number.
        """
        rows, values = (torch.cat(parts) for parts in zip(*self._validated, strict=True))
        self._validated.clear()
        if not bool(torch.isfinite(values).all()):
            raise DivergenceError(
                f"the training diverged: after epoch {self.current_epoch + 1} the network's outputs are no finite "
                f"numbers. {ADVICE}"
            )
        if self.trainer.world_size > 1:
            rows, values = self.all_gather(rows).flatten(), self.all_gather(values).flatten(0, 1)
        return rows, values
