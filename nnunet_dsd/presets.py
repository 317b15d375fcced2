"""Named sets of settings: a trial, the paper's loss, its whole training on each of its data sets, HLFD's training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import listed

_PAPER_LOSS: dict[str, Any] = {
    "temperature": 3.0,
    "alpha": 1.0,
    "beta": 1.0,
    "eta": 1.0,
    "eta_decay": 1.0,
    "reduction": "sum",
    "teacher": "deepest",
    "detach_teacher": False,
    "distillation_ramp": 0.0,
    "encoder_supervision": 0.0,
    "bottlenecks": "shared",
    "bottleneck_init": "random",
    "dice_background": True,
}
# What is quick in few steps on a CPU, and ends in something to look at: not a training to judge a method by.
_TRIAL: dict[str, Any] = {
    "epochs": 5,
    "iterations_per_epoch": 40,
    "validation_iterations_per_epoch": 4,
    "save_every": 1,
    "optimiser": "adamw",
    "learning_rate": 2e-3,
    "seed": 1,
}
_PAPER_OPTIMISER: dict[str, Any] = {"optimiser": "adamw", "weight_decay": 1e-5}


@dataclass(frozen=True)
class Preset:
    """Settings of the plans block, what the plans themselves should say, and the trainer that they are meant for.

    `summary` is one line on where they come from; `width` is a factor on the feature channels of every stage.
    """

    summary: str
    settings: Mapping[str, Any]
    batch_size: int | None = None
    patch_size: tuple[int, ...] | None = field(default=None)
    width: float | None = None
    trainer: str = "nnUNetTrainerDSD"


# The transformers on BraTS train at a constant 1e-4 for 325 epochs; UNETR on MMWHS as nnU-Net there, for 600.
_MMWHS: dict[str, Any] = {**_PAPER_OPTIMISER, "learning_rate": 1e-3, "schedule": "step", "epochs": 300}
_BRATS_TRANSFORMER: dict[str, Any] = {**_PAPER_OPTIMISER, "learning_rate": 1e-4, "schedule": "constant", "epochs": 325}
_HIPPOCAMPUS: dict[str, Any] = {**_PAPER_OPTIMISER, "learning_rate": 1e-4, "schedule": "constant", "epochs": 300}
# AdamW without weight decay is Adam.
_HLFD: dict[str, Any] = {"optimiser": "adamw", "weight_decay": 0.0, "learning_rate": 1e-2, "schedule": "cosine"}
_SEPARATE: dict[str, Any] = {"bottlenecks": "separate"}  # the authors' UNETR and VNet share no heads


def _paper(
    summary: str, patch: int, training: Mapping[str, Any], *, network: str = "", feature_size: int | None = None
) -> Preset:
    """Return one of the paper's trainings: its loss, batch 1, a cubic patch in voxels.

    `network` is one that is not nnU-Net's own, as it stands in the names of trainers.
    """
    settings = {**_PAPER_LOSS, **training, **({} if feature_size is None else {"feature_size": feature_size})}
    trainer = f"nnUNetTrainer{network}_DSD" if network else Preset.trainer
    return Preset(summary, settings, batch_size=1, patch_size=(patch,) * 3, trainer=trainer)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "trial": Preset(
            "a short look on a CPU: 5 epochs of 40 steps, half of the width, batch 2, AdamW 0.002, seed 1",
            _TRIAL,
            batch_size=2,
            width=0.5,
        ),
        "paper": Preset("the paper's unnormalised loss (Eq. 3 to 5); nnU-Net's optimiser", _PAPER_LOSS),
        "paper-mmwhs": _paper(
            "the paper's training on MMWHS: AdamW 1e-3, halved every sixth of 300 epochs, batch 1, patch 96^3",
            96,
            _MMWHS,
        ),
        "paper-mmwhs-dynunet": _paper(
            "as paper-mmwhs, for DynUNet with the paper's 32 to 320 filters",
            96,
            _MMWHS,
            network="DynUNet",
            feature_size=32,
        ),
        "paper-mmwhs-dynunet-small": _paper(
            "as paper-mmwhs, for DynUNet with the paper's 16 to 256 filters (Table 7)",
            96,
            _MMWHS,
            network="DynUNet",
            feature_size=16,
        ),
        "paper-mmwhs-unetr": _paper(
            "as paper-mmwhs, for UNETR: feature size 32, 600 epochs, separate heads",
            96,
            {**_MMWHS, **_SEPARATE, "epochs": 600},
            network="UNETR",
            feature_size=32,
        ),
        "paper-mmwhs-unetr-small": _paper(
            "as paper-mmwhs-unetr with feature size 16 (Table 7)",
            96,
            {**_MMWHS, **_SEPARATE, "epochs": 600},
            network="UNETR",
            feature_size=16,
        ),
        "paper-brats": _paper("the paper's training on MSD BraTS: as MMWHS, patch 128^3", 128, _MMWHS),
        "paper-brats-unetr": _paper(
            "the paper's UNETR on BraTS: feature size 64, AdamW 1e-4 constant, 325 epochs, separate heads",
            128,
            {**_BRATS_TRANSFORMER, **_SEPARATE},
            network="UNETR",
            feature_size=64,
        ),
        "paper-brats-unetr-light": _paper(
            "the paper's light UNETR on BraTS: as paper-brats-unetr with feature size 16",
            128,
            {**_BRATS_TRANSFORMER, **_SEPARATE},
            network="UNETR",
            feature_size=16,
        ),
        "paper-brats-swin-light": _paper(
            "the paper's light Swin UNETR on BraTS: feature size 12, AdamW 1e-4 constant, 325 epochs",
            128,
            _BRATS_TRANSFORMER,
            network="SwinUNETR",
            feature_size=12,
        ),
        "paper-hippocampus": _paper(
            "the paper's training on MSD Hippocampus: AdamW 1e-4 constant, 300 epochs, batch 1, patch 32^3",
            32,
            _HIPPOCAMPUS,
        ),
        "paper-hippocampus-dynunet": _paper(
            "as paper-hippocampus, for DynUNet with the paper's 16 to 256 filters",
            32,
            _HIPPOCAMPUS,
            network="DynUNet",
            feature_size=16,
        ),
        "paper-hippocampus-unetr": _paper(
            "as paper-hippocampus, for UNETR and VNet: feature size 16, separate heads",
            32,
            {**_HIPPOCAMPUS, **_SEPARATE},
            network="UNETR",
            feature_size=16,
        ),
        "paper-hlfd-teacher": Preset(
            "HLFD's teacher on tumour slices, a UNet++ of 64 to 1024 filters: Adam 1e-2, cosine to 1e-6, 100 epochs, "
            "focal loss plus Dice, batch 8, patch 384^2",
            {**_HLFD, "epochs": 100, "feature_size": 64, "supervised_loss": "focal_dice", "feedback": "none"},
            batch_size=8,
            patch_size=(384, 384),
            trainer="nnUNetTrainerUNetPlusPlus_HLFD",
        ),
        "paper-hlfd-student": Preset(
            "HLFD's student on tumour slices: as its teacher, 120 epochs; focal loss plus Dice, T 4, weights 0.9, 0.1",
            {
                **_HLFD,
                "epochs": 120,
                "supervised_loss": "focal_dice",
                "feedback": "hlfd",
                "temperature": 4.0,
                "feedback_beta": 0.9,
                "feedback_lambda": 0.1,
            },
            batch_size=8,
            patch_size=(384, 384),
            trainer="nnUNetTrainerResNet18FCN_HLFD",
        ),
    }
)


def find_preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        SettingsError: if there is none of that name; lists those there are.
    """
    if name not in PRESETS:
        known = listed(name, PRESETS)
        raise SettingsError([f"unknown preset '{name}'; there are {known}"], source="--preset")
    return PRESETS[name]
