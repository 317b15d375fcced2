"""What every trainer whose loss is a sum of named terms needs: building it around nnU-Net's, logging, drawing."""

from __future__ import annotations

import math
import os
from abc import abstractmethod
from contextlib import AbstractContextManager
from typing import Any

import numpy as np
import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.utilities.collate_outputs import collate_outputs
from nnunetv2.utilities.helpers import dummy_context
from torch import distributed, nn

from nnunet_dsd.distillation.terms import formula
from nnunet_dsd.trainers.loss import LossOfTerms
from nnunet_dsd.trainers.loss_figure import draw_loss_terms
from nnunet_dsd.trainers.planned import PlannedTrainer

LOG_PREFIX = "distillation/"


class TermsTrainer(PlannedTrainer):
    """nnU-Net's trainer with a loss of named terms on top of nnU-Net's own; subclasses build it."""

    loss: LossOfTerms

    @abstractmethod
    def build_distillation_loss(self, supervised: nn.Module) -> LossOfTerms:
        """Return the training loss on top of nnU-Net's own."""

    def _build_loss(self) -> nn.Module:
        """Wrap nnU-Net's own loss at full resolution."""
        supervised = super()._build_loss()
        if self.settings.dual.dice_background:
            own = supervised.loss if isinstance(supervised, DeepSupervisionWrapper) else supervised
            own.dc.do_bg = True
        loss = self.build_distillation_loss(supervised)
        self.print_to_log_file("Training loss:", formula(loss.weights))
        return loss

    def initialize(self) -> None:
        """Build everything, and make room in the log for the loss terms."""
        super().initialize()
        self._open_log_entries()

    def _open_log_entries(self) -> None:
        entries = self.logger.local_logger.my_fantastic_logging
        for name in self.loss.term_names():
            entries.setdefault(LOG_PREFIX + name, [math.nan] * self.current_epoch)

    def on_train_epoch_start(self) -> None:
        """Start an epoch with the weights of the ramp."""
        super().on_train_epoch_start()
        self.loss.begin_epoch((self.current_epoch + 1) / self.num_epochs)

    def autocast(self) -> AbstractContextManager[Any]:
        """Return the context in which nnU-Net runs its forward passes: mixed precision on a GPU, nothing elsewhere."""
        on_gpu = self.device.type == "cuda"
        context: AbstractContextManager[Any] = torch.autocast("cuda", enabled=True) if on_gpu else dummy_context()
        return context

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Do nnU-Net's training step and report the loss terms beside the loss."""
        result: dict[str, Any] = super().train_step(batch)
        values = torch.stack(list(self.loss.last_terms.values())).cpu().numpy()
        return {**result, "terms": values}

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """Log the mean of each loss term over the epoch, over all processes."""
        super().on_train_epoch_end([{"loss": output["loss"]} for output in train_outputs])
        steps = collate_outputs([{"terms": output["terms"]} for output in train_outputs])["terms"]
        if self.is_ddp:
            gathered: list[Any] = [None] * distributed.get_world_size()
            distributed.all_gather_object(gathered, steps)
            steps = np.vstack(gathered)
        means = dict(zip(self.loss.last_terms, np.nanmean(steps, axis=0).tolist(), strict=True))
        for name, value in means.items():
            self.logger.log(LOG_PREFIX + name, value, self.current_epoch)
        self.print_to_log_file("loss terms", {name: round(value, 4) for name, value in means.items()})

    def on_epoch_end(self) -> None:
        """Finish the epoch as nnU-Net does and draw the loss terms next to its progress.png."""
        super().on_epoch_end()
        if self.local_rank == 0:
            entries = self.logger.local_logger.my_fantastic_logging
            terms = {k.removeprefix(LOG_PREFIX): v for k, v in entries.items() if k.startswith(LOG_PREFIX)}
            draw_loss_terms(terms, os.path.join(self.output_folder, "loss_terms.png"))

    def after_loading(self) -> None:
        """Make room in the restored log for the loss terms."""
        super().after_loading()
        self._open_log_entries()
