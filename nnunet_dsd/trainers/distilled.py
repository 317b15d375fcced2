"""The trainer that adds dual self-distillation to a U-shaped network; variants are tables of settings."""

from __future__ import annotations

from torch import nn

from nnunet_dsd.distillation.encoder_teacher import DICE_TERM, describe_encoder_teacher
from nnunet_dsd.networks.heads import DistillationHeads, heads_for
from nnunet_dsd.networks.ushape import NetworkLevels, u_shape
from nnunet_dsd.trainers.headed import HeadedTrainer
from nnunet_dsd.trainers.loss import DualDistillationLoss
from nnunet_dsd.trainers.term_trainer import LOG_PREFIX


class DistilledTrainer(HeadedTrainer):
    """nnU-Net's trainer with bottleneck modules and the loss of dual self-distillation."""

    def build_heads(self, network: nn.Module, shape: NetworkLevels, classes: int) -> DistillationHeads:
        """Return the bottleneck modules that the settings need."""
        return DistillationHeads(u_shape(shape), classes, heads_for(self.settings.dual))

    def build_distillation_loss(self, supervised: nn.Module) -> DualDistillationLoss:
        """Return the loss of Eq. 5 with the settings' weights."""
        return DualDistillationLoss(
            supervised,
            self.settings.dual,
            levels=self.levels,
            regions=self.label_manager.has_regions,
            ignore_label=self.label_manager.ignore_label,
        )

    def on_train_end(self) -> None:
        """Finish the training as nnU-Net does, and say what became of the encoder teacher."""
        super().on_train_end()
        dice = self.logger.local_logger.my_fantastic_logging.get(LOG_PREFIX + DICE_TERM, [])
        if found := describe_encoder_teacher(dice):
            self.print_to_log_file(found)
