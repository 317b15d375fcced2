"""MONAI's UNet++ with one output. This imports MONAI; `networks.unet_plus_plus` imports it when it builds one."""

from __future__ import annotations

from monai.networks.nets import BasicUNetPlusPlus
from torch import Tensor


class UNetPlusPlus(BasicUNetPlusPlus):
    """MONAI's BasicUNetPlusPlus, whose output is a list even without deep supervision, returning its main output."""

    def forward(self, x: Tensor) -> Tensor:
        """Return logits `(B, C, *S)` of images `(B, channels, *S)`."""
        logits: Tensor = super().forward(x)[-1]
        return logits
