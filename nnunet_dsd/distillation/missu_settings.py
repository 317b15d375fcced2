"""The settings of MISSU-style self-distillation that it does not share with dual self-distillation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart


@dataclass(frozen=True, kw_only=True)
class MissuSettings(SettingsPart):
    """What MISSU-style self-distillation has of its own."""

    title: ClassVar[str] = "MISSU-style self-distillation"

    missu_weight: float = setting(1.0, "weight of the divergences between the levels' features", low=0)
