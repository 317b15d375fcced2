"""MONAI's VNet with the paper's arguments, and its levels."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape

FEATURE_SIZE = 16
DOWNSAMPLING = 16


def build_vnet(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = FEATURE_SIZE
) -> nn.Module:
    """Build a VNet: 16 to 256 channels, kernels of 5 voxels, dropout of 0.5 in the deep stages.

    Args:
        in_channels: Image channels; MONAI's VNet repeats them to 16, so a divisor of 16.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three), multiples of 16; only their number matters.
        feature_size: 16; MONAI's VNet knows no other.

    Raises:
        NetworkStructureError: if `feature_size` is another, or MONAI's VNet cannot take that many image channels.
    """
    from monai.networks.nets import VNet

    if feature_size != FEATURE_SIZE:
        raise NetworkStructureError(f"VNet has a feature size of {FEATURE_SIZE} and no other, got {feature_size}")
    if FEATURE_SIZE % in_channels:
        raise NetworkStructureError(
            f"MONAI's VNet repeats its input to {FEATURE_SIZE} channels, so it takes 1, 2, 4, 8 or 16 image channels; "
            f"got {in_channels}. Use another network"
        )
    network: nn.Module = VNet(spatial_dims=len(size), in_channels=in_channels, out_channels=out_channels)
    return network


def describe_vnet(network: nn.Module) -> UShape:
    """Read the levels off a MONAI VNet, with the roles of the authors' code.

    Encoders 1 to 4 are `in_tr` and `down_tr32` to `down_tr128`; decoder 4 is the output of `down_tr256`, decoders 3 to
    1 those of `up_tr256` to `up_tr64`; `up_tr32` only feeds the output.

    Raises:
        NetworkStructureError: if the network is no VNet.
    """
    if not all(hasattr(network, name) for name in ("in_tr", "down_tr32", "down_tr256", "up_tr256", "up_tr32")):
        raise NetworkStructureError(f"{type(network).__name__} is not a VNet: it lacks in_tr, down_tr32 or up_tr256")
    net: Any = network
    dimensions = len(net.in_tr.conv_block.conv.kernel_size)
    level = partial(Level.isotropic, dimensions=dimensions)
    return UShape(
        encoders=(
            level("in_tr", 16, 1),
            *(level(f"down_tr{16 * 2**i}", 16 * 2**i, 2**i) for i in range(1, 4)),
        ),
        decoders=(
            *(level(f"up_tr{32 * 2**i}", 32 * 2**i, 2**i) for i in range(1, 4)),
            level("down_tr256", 256, DOWNSAMPLING),
        ),
        last=level("up_tr32", 32, 1),
    )
