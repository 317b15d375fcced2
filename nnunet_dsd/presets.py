"""Named sets of settings: the paper's loss, and the paper's whole training on each of its data sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from nnunet_dsd.errors import SettingsError

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
_PAPER_OPTIMISER: dict[str, Any] = {"optimiser": "adamw", "weight_decay": 1e-5}


@dataclass(frozen=True)
class Preset:
    """Settings of the plans block, and what the plans themselves should say, with one line on where they come from."""

    summary: str
    settings: Mapping[str, Any]
    batch_size: int | None = None
    patch_size: tuple[int, ...] | None = field(default=None)


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "paper": Preset("the paper's unnormalised loss (Eq. 3 to 5); nnU-Net's optimiser", _PAPER_LOSS),
        "paper-mmwhs": Preset(
            "the paper's training on MMWHS: AdamW 1e-3, halved every sixth of 300 epochs, batch 1, patch 96^3",
            {**_PAPER_LOSS, **_PAPER_OPTIMISER, "learning_rate": 1e-3, "schedule": "step", "epochs": 300},
            batch_size=1,
            patch_size=(96, 96, 96),
        ),
        "paper-brats": Preset(
            "the paper's training on MSD BraTS: as MMWHS, patch 128^3",
            {**_PAPER_LOSS, **_PAPER_OPTIMISER, "learning_rate": 1e-3, "schedule": "step", "epochs": 300},
            batch_size=1,
            patch_size=(128, 128, 128),
        ),
        "paper-hippocampus": Preset(
            "the paper's training on MSD Hippocampus: AdamW 1e-4 constant, 300 epochs, batch 1, patch 32^3",
            {**_PAPER_LOSS, **_PAPER_OPTIMISER, "learning_rate": 1e-4, "schedule": "constant", "epochs": 300},
            batch_size=1,
            patch_size=(32, 32, 32),
        ),
    }
)


def find_preset(name: str) -> Preset:
    """Return a preset by name.

    Raises:
        SettingsError: if there is none of that name; lists those there are.
    """
    if name not in PRESETS:
        raise SettingsError([f"unknown preset '{name}'; there are {', '.join(PRESETS)}"], source="--preset")
    return PRESETS[name]
