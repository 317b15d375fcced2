"""The settings of dual self-distillation; MISSU-style self-distillation and HLFD share some of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart

TeacherChoice = Literal["deepest", "mean", "reversed"]
Reduction = Literal["sum", "mean"]
Sharing = Literal["shared", "separate"]
BottleneckInit = Literal["nearest", "random"]


@dataclass(frozen=True, kw_only=True)
class DualSettings(SettingsPart):
    """What the loss and the heads of dual self-distillation are made of.

    Defaults are this package's; the preset "paper" holds the paper's. Symbols follow Eq. 2 to 5 of "Volumetric medical
    image segmentation through dual self-distillation in U-shaped networks" (IEEE TBME 2025).
    """

    title: ClassVar[str] = "dual self-distillation"

    temperature: float = setting(3.0, "temperature T of the soft labels (Eq. 2)", low=0, open_low=True)
    alpha: float = setting(0.1, "weight of the divergences between encoders (Eq. 5)", low=0)
    beta: float = setting(0.1, "weight of the divergences between decoders (Eq. 5)", low=0)
    eta: float = setting(1.0, "weight of the ground truth on each decoder level (Eq. 3)", low=0)
    eta_decay: float = setting(
        0.5, "factor on eta per level away from the output: decoder i gets eta * decay^i", low=0, high=1, open_low=True
    )
    reduction: Reduction = setting(
        "mean",
        "sum: add up the terms as in the paper; mean: average the terms of each kind, so that depth does not matter",
    )
    teacher: TeacherChoice = setting("deepest", "which level teaches the others on its side")
    detach_teacher: bool = setting(False, "stop the gradient into the teacher (the authors let it flow)")
    distillation_ramp: float = setting(
        0.0, "fraction of the training over which alpha and beta grow linearly to their value", low=0, high=1
    )
    encoder_supervision: float = setting(
        0.0, "weight of the ground truth on the deepest encoder, while alpha > 0; not in the paper", low=0
    )
    feature_l2: float = setting(0.0, "weight of the L2 distance between pooled, projected features", low=0)
    bottlenecks: Sharing = setting(
        "shared", "shared: encoder and decoder of one scale use one module; separate: each level has its own"
    )
    bottleneck_init: BottleneckInit = setting(
        "nearest", "how deconvolutions start: as nearest-neighbour upsampling, or random (torch's default)"
    )
    dice_background: bool = setting(False, "count the background in the Dice loss (the paper does, nnU-Net does not)")
