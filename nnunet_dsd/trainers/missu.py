"""MISSU-style self-distillation, the rival of the paper, on any U-shaped network; partly inferred (see below)."""

from __future__ import annotations

from torch import Tensor, nn

from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.missu import missu_terms, missu_weights
from nnunet_dsd.distillation.missu_settings import MissuSettings
from nnunet_dsd.networks.missu import MissuHeads, MissuOutput
from nnunet_dsd.networks.ushape import NetworkLevels, u_shape
from nnunet_dsd.trainers.headed import HeadedTrainer
from nnunet_dsd.trainers.loss import LossOfTerms


class MissuLoss(LossOfTerms):
    """Loss of a network with MISSU-style heads.

    Args:
        supervised: nnU-Net's loss on logits and full-resolution target.
        settings: The weight of the divergences.
        shared: The settings that dual self-distillation has too: the other weights, whether the teachers are detached.
        pairs: Number of pairs of decoder and encoder levels.
    """

    def __init__(self, supervised: nn.Module, settings: MissuSettings, *, shared: DualSettings, pairs: int) -> None:
        self.settings, self.shared, self.pairs = settings, shared, pairs
        super().__init__(supervised)

    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weight of each term, the same throughout the training."""
        return missu_weights(
            pairs=self.pairs,
            weight=self.settings.missu_weight,
            eta=self.shared.eta,
            reduction=self.shared.reduction,
        )

    def terms(self, output: MissuOutput, target: Tensor) -> dict[str, Tensor]:
        """Return the terms by name."""
        return missu_terms(output, target, detach_teacher=self.shared.detach_teacher, supervised_loss=self.supervised)


class nnUNetTrainerMISSU(HeadedTrainer):
    """MISSU-style: decoder features follow the encoder's, refined by multi-scale fusion; partly inferred."""

    defaults = {"detach_teacher": True}

    def build_heads(self, network: nn.Module, shape: NetworkLevels, classes: int) -> MissuHeads:
        """Return a fusion block with a segmentation head for every pair of levels."""
        heads = MissuHeads(u_shape(shape), classes, init=self.settings.dual.bottleneck_init)
        self.pairs = len(heads.pairs)
        return heads

    def build_distillation_loss(self, supervised: nn.Module) -> MissuLoss:
        """Return the MISSU-style loss with the settings' weights."""
        return MissuLoss(supervised, self.settings.missu, shared=self.settings.dual, pairs=self.pairs)
