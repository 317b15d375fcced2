"""The U-shape of MONAI's DynUNet, the network the paper calls "nnU-Net"."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunet_dsd.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape, cumulative_scales


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
    return UShape(encoders=tuple(encoders), decoders=(*reversed(upsampled), deepest))
