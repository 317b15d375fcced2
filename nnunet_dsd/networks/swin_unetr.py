"""MONAI's Swin UNETR with the paper's arguments, and its levels."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape

PAPER_FEATURE_SIZE = 12
DOWNSAMPLING = 32


def build_swin_unetr(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = PAPER_FEATURE_SIZE
) -> nn.Module:
    """Build a Swin UNETR: four stages of two blocks, 3, 6, 12 and 24 heads, windows of 7 voxels, patches of 2.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three), multiples of 32; only their number matters.
        feature_size: Channels at full resolution, a multiple of 12; the paper has 12 (its light network, BraTS), Swin
            UNETR's own paper 48.

    Raises:
        NetworkStructureError: if `feature_size` is no multiple of 12.
    """
    from monai.networks.nets import SwinUNETR

    if feature_size % PAPER_FEATURE_SIZE:
        raise NetworkStructureError(f"Swin UNETR needs a feature size that is a multiple of 12, got {feature_size}")
    network: nn.Module = SwinUNETR(
        in_channels=in_channels, out_channels=out_channels, feature_size=feature_size, spatial_dims=len(size)
    )
    return network


def describe_swin_unetr(network: nn.Module) -> UShape:
    """Read the levels off a MONAI Swin UNETR, with the roles of the authors' code.

    Encoders 1 to 4 are the blocks on the skip connections at scales 1 to 8; decoder 4 is the output of `decoder5`
    (scale 16), decoders 3 to 1 those of `decoder4` to `decoder2`; `decoder1` only feeds the output.

    Raises:
        NetworkStructureError: if the network is no Swin UNETR.
    """
    if not all(hasattr(network, name) for name in ("swinViT", "encoder10", "encoder4", "decoder5", "decoder1")):
        raise NetworkStructureError(f"{type(network).__name__} is not a Swin UNETR: it lacks swinViT or encoder10")
    net: Any = network
    convolution = net.encoder1.layer.conv1.conv
    width, dimensions = int(convolution.out_channels), len(convolution.kernel_size)
    level = partial(Level.isotropic, dimensions=dimensions)
    return UShape(
        encoders=(
            level("encoder1", width, 1),
            *(level(f"encoder{i + 1}", width * 2 ** (i - 1), 2**i) for i in range(1, 4)),
        ),
        decoders=tuple(level(f"decoder{i + 1}", width * 2 ** (i - 1), 2**i) for i in range(1, 5)),
        last=level("decoder1", width, 1),
    )
