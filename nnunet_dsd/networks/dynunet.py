"""MONAI's DynUNet, the network the paper calls "nnU-Net", and its levels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape, cumulative_scales

PAPER_STAGES = 5
MAXIMUM_FILTERS = 320


def build_dynunet(
    in_channels: int,
    out_channels: int,
    *,
    filters: Sequence[int],
    kernel_sizes: Sequence[Sequence[int]],
    strides: Sequence[Sequence[int]],
) -> nn.Module:
    """Build a DynUNet as the authors do: residual blocks, instance normalisation without parameters.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        filters: Channels of each stage, full resolution first.
        kernel_sizes: Voxels per axis of each stage's convolutions.
        strides: Downsampling per axis into each stage; 1 for the first.
    """
    from monai.networks.nets import DynUNet

    network: nn.Module = DynUNet(
        spatial_dims=len(strides[0]),
        in_channels=in_channels,
        out_channels=out_channels,
        kernel_size=kernel_sizes,
        strides=strides,
        upsample_kernel_size=strides[1:],
        filters=filters,
        norm_name="instance",
        res_block=True,
    )
    return network


def paper_layout(feature_size: int, dimensions: int) -> dict[str, Any]:
    """Return the paper's arguments of `build_dynunet`: five stages that halve every axis, kernels of 3 voxels.

    Args:
        feature_size: Channels at full resolution, doubled per stage up to 320; the paper has 32, and 16 for its small
            network and for Hippocampus.
        dimensions: Number of spatial axes.
    """
    return {
        "filters": [min(feature_size * 2**stage, MAXIMUM_FILTERS) for stage in range(PAPER_STAGES)],
        "kernel_sizes": [[3] * dimensions] * PAPER_STAGES,
        "strides": [[1] * dimensions, *([[2] * dimensions] * (PAPER_STAGES - 1))],
    }


def describe_dynunet(network: nn.Module) -> UShape:
    """Read the levels off a MONAI DynUNet, with the roles of the authors' code.

    Args:
        network: A `monai.networks.nets.DynUNet` without its own deep supervision.

    Raises:
        NetworkStructureError: if the network is no DynUNet or has fewer than three stages.
    """
    if not all(hasattr(network, name) for name in ("input_block", "downsamples", "bottleneck", "upsamples")):
        raise NetworkStructureError(f"{type(network).__name__} is not a DynUNet: it lacks input_block or upsamples")
    net: Any = network
    filters = [int(count) for count in net.filters]
    scales = cumulative_scales(net.strides, len(filters), dimensions=int(net.spatial_dims))
    bottleneck = len(filters) - 1
    names = ["input_block", *(f"downsamples.{i}" for i in range(bottleneck - 1))]
    encoders = [Level(name, filters[stage], scales[stage]) for stage, name in enumerate(names)]
    upsampled = [
        Level(f"upsamples.{i}", filters[bottleneck - 1 - i], scales[bottleneck - 1 - i]) for i in range(bottleneck - 1)
    ]
    deepest = Level("bottleneck", filters[bottleneck], scales[bottleneck])
    last = Level(f"upsamples.{bottleneck - 1}", filters[0], scales[0])
    return UShape(encoders=tuple(encoders), decoders=(*reversed(upsampled), deepest), last=last)
