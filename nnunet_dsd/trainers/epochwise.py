"""Epoch-wise self-distillation inside nnU-Net, for fine-tuning from pre-trained weights."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from nnunet_dsd.distillation.epochwise import PreviousEpoch, epoch_distance
from nnunet_dsd.distillation.epochwise_settings import EpochwiseSettings
from nnunet_dsd.networks.epochwise import BottleneckTap, EpochOutput
from nnunet_dsd.networks.ushape import NetworkLevels, u_shape
from nnunet_dsd.trainers.headed import HeadedTrainer
from nnunet_dsd.trainers.loss import LossOfTerms


class EpochLoss(LossOfTerms):
    """nnU-Net's loss plus lambda times the distance to the previous epoch's bottleneck (Eq. 3).

    Args:
        supervised: nnU-Net's loss, with its deep supervision.
        settings: Weight and reduction.
    """

    previous: Tensor
    """The previous epoch's features of the batch that comes next."""

    def __init__(self, supervised: nn.Module, settings: EpochwiseSettings) -> None:
        self.settings = settings
        super().__init__(supervised)

    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weight of each term, the same throughout the training."""
        return {"labels": 1.0, "previous_epoch": self.settings.epoch_lambda}

    def terms(self, output: EpochOutput, target: Any) -> dict[str, Tensor]:
        """Return the terms by name; `target` is a list, as nnU-Net's deep supervision has it."""
        return {
            "labels": self.supervised(output.main, target),
            "previous_epoch": epoch_distance(output.features, self.previous, reduction=self.settings.epoch_reduction),
        }


class nnUNetTrainerEpochSD(HeadedTrainer):
    """Epoch-wise self-distillation: the encoder stays near its own last epoch, for `-pretrained_weights`."""

    nnunet_deep_supervision = True
    needed = ("epoch_lambda",)

    def build_heads(self, network: nn.Module, shape: NetworkLevels, classes: int) -> BottleneckTap:
        """Make the teacher, while the network has no taps that would be copied; return the tap on the bottleneck."""
        self.teacher = PreviousEpoch(network.get_submodule("encoder"))
        return BottleneckTap(u_shape(shape).decoders[-1].name)

    def build_distillation_loss(self, supervised: nn.Module) -> EpochLoss:
        """Return the loss with the settings' weight."""
        return EpochLoss(supervised, self.settings.epochwise)

    def on_train_epoch_start(self) -> None:
        """Start an epoch, taught by the encoder as it is now; in the first one these are the pre-trained weights."""
        super().on_train_epoch_start()
        self.teacher.to(self.device).renew(self.bare_network().get_submodule("encoder"))

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Let the previous epoch's encoder look at the batch, then do nnU-Net's step."""
        data = batch["data"].to(self.device, non_blocking=True)
        with self.autocast():
            self.loss.previous = self.teacher(data)[-1]
        return super().train_step({**batch, "data": data})
