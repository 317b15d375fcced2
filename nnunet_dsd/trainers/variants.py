"""The trainers nnU-Net finds by name: dual self-distillation and the paper's ablations, each a table of settings."""

from __future__ import annotations

from nnunet_dsd.trainers.distilled import DistilledTrainer
from nnunet_dsd.trainers.planned import PlannedTrainer


class nnUNetTrainerDSD(DistilledTrainer):
    """Dual self-distillation: ground truth on every decoder, distillation between encoders and between decoders."""


class nnUNetTrainerDS(DistilledTrainer):
    """Deep supervision only: every decoder map at full resolution against the labels, no distillation."""

    fixed = {"alpha": 0.0, "beta": 0.0, "feature_l2": 0.0}


class nnUNetTrainerSDD(DistilledTrainer):
    """Self-distillation between decoders only, with deep supervision."""

    fixed = {"alpha": 0.0, "feature_l2": 0.0}


class nnUNetTrainerSDE(DistilledTrainer):
    """Self-distillation between encoders only, with deep supervision."""

    fixed = {"beta": 0.0, "feature_l2": 0.0}


class nnUNetTrainerDSDMean(DistilledTrainer):
    """Dual self-distillation with the mean of all levels of a side as its teacher."""

    fixed = {"teacher": "mean"}


class nnUNetTrainerDSDReversed(DistilledTrainer):
    """Dual self-distillation with the shallowest level of each side as its teacher."""

    fixed = {"teacher": "reversed"}


class nnUNetTrainerDSDFeatureL2(DistilledTrainer):
    """Dual self-distillation with an L2 distance between features added (weight 1e-4, as in the authors' code)."""

    defaults = {"feature_l2": 1e-4}
    needed = ("feature_l2",)


class nnUNetTrainerBasic(PlannedTrainer):
    """The paper's baseline: nnU-Net without deep supervision, its budget read from the plans."""

    nnunet_deep_supervision = False


class nnUNetTrainerStock(PlannedTrainer):
    """nnU-Net's own training, deep supervision included, its budget read from the plans."""
