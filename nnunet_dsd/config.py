"""Frozen settings of a training, read from and written to a block of their own in nnU-Net's plans.

The block sits in one configuration of a plans file, under the key `self_distillation`. It survives into the results
folder's `plans.json` and into every checkpoint, and with a plans name of its own each set of settings gets a results
folder of its own.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from nnunet_dsd.common.declared_settings import (
    declared_choices,
    declared_type,
    differing_settings,
    merged_settings,
    refuse_impossible,
    setting,
)

PLANS_KEY = "self_distillation"
DERIVED_FROM_KEY = "self_distillation_derived_from"  # at the top of derived plans: the name of the original ones

TeacherChoice = Literal["deepest", "mean", "reversed"]
Reduction = Literal["sum", "mean"]
Sharing = Literal["shared", "separate"]
BottleneckInit = Literal["nearest", "random"]
Optimiser = Literal["sgd", "adamw"]
Schedule = Literal["poly", "step", "constant", "cosine"]
EpochReduction = Literal["mean", "samples", "sum"]
SupervisedLossChoice = Literal["nnunet", "focal_dice"]
FeedbackMethod = Literal["hlfd", "feature", "pixel", "ufd", "ifd", "skd", "at", "dkd", "hifd", "none"]


LEARNING_RATES: dict[Optimiser, float] = {"sgd": 1e-2, "adamw": 1e-3}  # nnU-Net's; the paper's for MMWHS
WEIGHT_DECAYS: dict[Optimiser, float] = {"sgd": 3e-5, "adamw": 1e-5}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Everything a plans file can say about a self-distilled training.

    Defaults are this package's; `PRESETS` holds the paper's. Symbols follow Eq. 2 to 5 of "Volumetric medical image
    segmentation through dual self-distillation in U-shaped networks" (IEEE TBME 2025).

    Raises:
        SettingsError: listing every value that is not allowed.
    """

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
    feature_size: int | None = setting(
        None,
        "channels at full resolution of MONAI's networks, of ResNet18 at half; none: UNETR 16, Swin UNETR 12, UNet++ "
        "32, ResNet18 64, DynUNet as planned; VNet has 16 and no other",
        low=1,
    )
    missu_weight: float = setting(
        1.0, "weight of the divergences of MISSU-style self-distillation, for the trainers of that name", low=0
    )
    feedback: FeedbackMethod = setting(
        "hlfd", "what the student of nnUNetTrainerHLFD learns from its teacher; hlfd is the whole method"
    )
    feedback_beta: float = setting(0.9, "weight beta of the feedback on features", low=0)
    feedback_lambda: float = setting(0.1, "weight lambda of the feedback on maps and output", low=0)
    feedback_teacher: str | None = setting(
        None,
        "teacher: TRAINER__PLANS__CONFIGURATION among the data set's results, or a model folder's path, kept whole",
    )
    feedback_teacher_folds: str | None = setting(
        None, "folds of the teacher, with commas between them; none: the student's own fold"
    )
    feedback_teacher_checkpoint: str = setting("checkpoint_final.pth", "which of the teacher's checkpoints")
    feedback_known_cases: bool = setting(
        False, "allow a teacher that was trained on the student's validation cases; their scores then say little"
    )
    feedback_features: str | None = setting(
        None, "the student's encoder levels, from early to final: module paths with commas between them; none: by rule"
    )
    feedback_maps: str | None = setting(
        None, "the student's decoder levels, from early (deepest) to last, in the same form; none: by rule"
    )
    feedback_teacher_features: str | None = setting(None, "the teacher's encoder levels, in the same form")
    feedback_teacher_maps: str | None = setting(None, "the teacher's decoder levels, in the same form")
    feedback_cache: float = setting(
        0.0,
        "GiB of memory, per process, in which to keep what the teacher shows of a patch until it comes again; needs "
        "--no-augmentation",
        low=0,
    )
    epoch_lambda: float = setting(
        1.0, "weight lambda of the distance to the previous epoch's features, for nnUNetTrainerEpochSD", low=0
    )
    epoch_reduction: EpochReduction = setting(
        "mean",
        "that distance: mean over all values; samples: squared norm per sample, averaged; sum: as the paper prints it",
    )
    supervised_loss: SupervisedLossChoice = setting(
        "nnunet", "loss against the labels in nnUNetTrainerHLFD: nnU-Net's own, or HLFD's focal loss plus Dice"
    )
    dice_background: bool = setting(False, "count the background in the Dice loss (the paper does, nnU-Net does not)")

    epochs: int = setting(1000, "number of epochs", low=1)
    iterations_per_epoch: int = setting(250, "training steps per epoch", low=1)
    validation_iterations_per_epoch: int = setting(50, "validation steps per epoch", low=1)
    save_every: int = setting(50, "epochs between two checkpoints to resume from", low=1)
    optimiser: Optimiser = setting("sgd", "sgd: nnU-Net's, with Nesterov momentum 0.99; adamw: the paper's")
    learning_rate: float | None = setting(
        None, "initial learning rate; none: 0.01 with sgd, 0.001 with adamw", low=0, open_low=True
    )
    weight_decay: float | None = setting(None, "weight decay; none: 3e-5 with sgd, 1e-5 with adamw", low=0)
    schedule: Schedule = setting(
        "poly",
        "poly: nnU-Net's; step: halved after every sixth of the epochs (paper, MMWHS); constant; cosine: half a cosine "
        "down to 1e-6 (HLFD)",
    )
    augmentation: bool = setting(
        True, "nnU-Net's augmentation; without it patches stay as they are, and prediction does not mirror either"
    )
    mirror_axes: tuple[int, ...] | None = setting(
        None,
        "axes along which patches may be mirrored, in training and at prediction, numbered from 0 as in the patch size "
        "of the plans; [] in a file, none as an option: no mirroring, for structures with a left and a right one; "
        "not set: all, as nnU-Net does",
        low=0,
        high=2,
    )
    seed: int | None = setting(
        None, "seed of weights and sampling; none: as nnU-Net, not seeded", low=0, high=2**32 - 1
    )

    def __post_init__(self) -> None:
        """Refuse impossible values, all at once."""
        together = []
        if self.feedback_cache and self.augmentation:
            together.append(
                f"feedback_cache: got {self.feedback_cache} with augmentation, which makes every patch a new one; "
                "leave the cache out, or train without augmentation (--no-augmentation)"
            )
        if self.mirror_axes and not self.augmentation:
            together.append(
                f"mirror_axes: got {list(self.mirror_axes)} without augmentation, where nothing is mirrored; leave one "
                "of the two out"
            )
        folds = self.feedback_teacher_folds
        if folds is not None and not re.fullmatch(r"(\d+|all)(,(\d+|all))*", folds.replace(" ", "")):
            together.append(
                f"feedback_teacher_folds: got '{folds}', expected folds with commas between them and no more, such "
                "as 0,1,2"
            )
        if self.dice_background and self.supervised_loss == "focal_dice":
            together.append(
                "dice_background: the focal loss plus Dice (supervised_loss focal_dice) leaves the background out; "
                "take one of the two"
            )
        refuse_impossible(self, source="the self-distillation settings", further=together)

    @property
    def initial_learning_rate(self) -> float:
        """The learning rate asked for, or the optimiser's own."""
        return LEARNING_RATES[self.optimiser] if self.learning_rate is None else self.learning_rate

    @property
    def chosen_weight_decay(self) -> float:
        """The weight decay asked for, or the optimiser's own."""
        return WEIGHT_DECAYS[self.optimiser] if self.weight_decay is None else self.weight_decay

    def differences(self, base: Settings | None = None) -> dict[str, Any]:
        """Return the settings that differ from others, or from the defaults."""
        return differing_settings(self, base=base)


def mirror_axes_problems(axes: Sequence[int] | None, patch_size: Sequence[int]) -> list[str]:
    """Return why patches cannot be mirrored along these axes: at most one sentence.

    Args:
        axes: The setting.
        patch_size: Of the configuration, in voxels per axis.
    """
    if all(axis < len(patch_size) for axis in axes or ()):
        return []
    allowed = ", ".join(map(str, range(len(patch_size))))
    return [f"mirror_axes: got {list(axes or ())}, but patches of {list(patch_size)} have the axes {allowed} only"]


def named_by_path(teacher: str) -> bool:
    """Return whether a teacher is named by a model folder's path, not by its name among the results."""
    return os.sep in teacher.rstrip(os.sep)


def setting_names() -> tuple[str, ...]:
    """Return the names of all settings, in their documented order."""
    return tuple(spec.name for spec in dataclasses.fields(Settings))


def read_settings(
    block: Mapping[str, Any] | None,
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str = f"the plans' block '{PLANS_KEY}'",
) -> Settings:
    """Build settings from a plans block.

    Args:
        block: The block as read from the plans, or None where the plans have none.
        defaults: What a trainer uses where the block is silent.
        fixed: What makes a trainer the variant it is; wins over the block.
        source: Where the block comes from, for the error message.

    Raises:
        SettingsError: listing every unknown key (with its nearest match) and every impossible value.
    """
    return Settings(**merged_settings(Settings, block, defaults=defaults, fixed=fixed, source=source))


def setting_type(name: str) -> Any:
    """Return the declared type of a setting, without the `| None` of an optional one."""
    return declared_type(Settings, name)


def setting_choices(name: str) -> tuple[str, ...] | None:
    """Return the allowed words of a setting, or None where it is a number or a switch."""
    return declared_choices(Settings, name)
