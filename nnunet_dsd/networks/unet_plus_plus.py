"""UNet++, the teacher of HLFD's paper, and its levels."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape

DOWNSAMPLING = 16
FEATURE_SIZE = 32


def build_unet_plus_plus(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = FEATURE_SIZE
) -> nn.Module:
    """Build MONAI's UNet++ with five stages, without its own deep supervision.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three), multiples of 16; only their number matters.
        feature_size: Channels at full resolution, doubled per stage; HLFD's paper has 64, in 2D.
    """
    from nnunet_dsd.networks.unet_plus_plus_network import UNetPlusPlus

    network: nn.Module = UNetPlusPlus(
        spatial_dims=len(size),
        in_channels=in_channels,
        out_channels=out_channels,
        features=(*(feature_size * 2**stage for stage in range(5)), feature_size),
    )
    for name, parameter in network.named_parameters():
        if name.startswith(("final_conv_0_1", "final_conv_0_2", "final_conv_0_3")):
            parameter.requires_grad_(False)  # heads of its own deep supervision, which get no gradient
    return network


def describe_unet_plus_plus(network: nn.Module) -> UShape:
    """Read the levels off a UNet++.

    Encoders 1 to 4 are the backbone nodes X(0,0) to X(3,0) and decoder 4 the deepest, X(4,0). Decoders 3 to 1 are the
    last nodes of their rows, X(3,1), X(2,2) and X(1,3); X(0,4) only feeds the output.

    Raises:
        NetworkStructureError: if the network is no UNet++.
    """
    if not all(hasattr(network, name) for name in ("conv_0_0", "conv_4_0", "upcat_3_1", "upcat_0_4")):
        raise NetworkStructureError(f"{type(network).__name__} is not a UNet++: it lacks conv_0_0 or upcat_0_4")
    net: Any = network
    convolution = net.conv_0_0.conv_0.conv
    dimensions = len(convolution.kernel_size)
    level = partial(Level.isotropic, dimensions=dimensions)
    width = int(convolution.out_channels)
    return UShape(
        encoders=tuple(level(f"conv_{row}_0", width * 2**row, 2**row) for row in range(4)),
        decoders=(
            *(level(f"upcat_{row}_{4 - row}", width * 2**row, 2**row) for row in range(1, 4)),
            level("conv_4_0", width * DOWNSAMPLING, DOWNSAMPLING),
        ),
        last=level("upcat_0_4", width, 1),
    )
