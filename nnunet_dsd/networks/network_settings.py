"""The settings of the networks that are not nnU-Net's own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from nnunet_dsd.common.declared_settings import setting
from nnunet_dsd.common.settings_part import SettingsPart


@dataclass(frozen=True, kw_only=True)
class NetworkSettings(SettingsPart):
    """How wide a network of MONAI's or a ResNet18 is."""

    title: ClassVar[str] = "networks that are not nnU-Net's own"

    feature_size: int | None = setting(
        None,
        "channels at full resolution of MONAI's networks, of ResNet18 at half; none: UNETR 16, Swin UNETR 12, UNet++ "
        "32, ResNet18 64, DynUNet as planned; VNet has 16 and no other",
        low=1,
    )
