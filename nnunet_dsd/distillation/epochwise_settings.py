"""The settings of epoch-wise self-distillation inside nnU-Net."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart

EpochReduction = Literal["mean", "samples", "sum"]


@dataclass(frozen=True, kw_only=True)
class EpochwiseSettings(SettingsPart):
    """How near an encoder is held to what it was an epoch ago."""

    title: ClassVar[str] = "epoch-wise self-distillation"

    epoch_lambda: float = setting(1.0, "weight lambda of the distance to the previous epoch's features", low=0)
    epoch_reduction: EpochReduction = setting(
        "mean",
        "that distance: mean over all values; samples: squared norm per sample, averaged; sum: as the paper prints it",
    )
