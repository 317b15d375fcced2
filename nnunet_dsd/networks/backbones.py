"""Networks of MONAI's that train inside nnU-Net, as one table: the papers' networks, teachers and students."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks import resnet18, swin_unetr, unet_plus_plus, unetr, vnet
from nnunet_dsd.networks.dynunet import build_dynunet, describe_dynunet, paper_layout
from nnunet_dsd.networks.padding import pad_inside, padded_size
from nnunet_dsd.networks.staged import describe_staged_network
from nnunet_dsd.networks.ushape import NetworkLevels


@dataclass(frozen=True, kw_only=True)
class NetworkRequest:
    """What a network is built for.

    `patch_size` is in voxels per axis; `feature_size` is the channels at full resolution, None for the architecture's
    own; `planned` holds nnU-Net's architecture arguments (`features_per_stage`, `kernel_sizes`, `strides`), which only
    DynUNet follows.
    """

    in_channels: int
    out_channels: int
    patch_size: tuple[int, ...]
    feature_size: int | None = None
    planned: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Backbone:
    """One architecture: how it is built, what its input must be a multiple of, and where its levels are.

    `transformer` tells whether it trains as transformers do (AdamW, a small learning rate), `u_shaped` whether it has a
    decoder.
    """

    name: str
    build: Callable[[NetworkRequest, tuple[int, ...]], nn.Module]
    multiple: Callable[[NetworkRequest], tuple[int, ...]]
    describe: Callable[[nn.Module], NetworkLevels]
    transformer: bool
    u_shaped: bool = True


def build_backbone(backbone: Backbone, request: NetworkRequest) -> nn.Module:
    """Build a network that takes the request's patch size, padding inside where the architecture cannot take it.

    Raises:
        NetworkStructureError: if the patch is too small, or the architecture cannot be built as asked for.
    """
    size = computed_size(backbone, request)
    network = backbone.build(request, size)
    pad_inside(network, request.patch_size, size)
    return network


def computed_size(backbone: Backbone, request: NetworkRequest) -> tuple[int, ...]:
    """Return the voxels per axis that the network computes on: the patch, raised to what the architecture takes.

    Raises:
        NetworkStructureError: if the patch is too small.
    """
    return padded_size(request.patch_size, backbone.multiple(request))


def describe_network(network: nn.Module) -> NetworkLevels:
    """Return the levels of any network of this table, or of nnU-Net's own.

    Raises:
        NetworkStructureError: if it is none of them.
    """
    backbone = BACKBONES.get(type(network).__name__)
    return backbone.describe(network) if backbone else describe_staged_network(network)


def _fixed(downsampling: int) -> Callable[[NetworkRequest], tuple[int, ...]]:
    return lambda request: (downsampling,) * len(request.patch_size)


def _sized(build: Callable[..., nn.Module]) -> Callable[[NetworkRequest, tuple[int, ...]], nn.Module]:
    def built(request: NetworkRequest, size: tuple[int, ...]) -> nn.Module:
        options = {} if request.feature_size is None else {"feature_size": request.feature_size}
        return build(request.in_channels, request.out_channels, size=size, **options)

    return built


def _dynunet_layout(request: NetworkRequest) -> dict[str, Any]:
    """Return the paper's layout where a feature size is asked for, else nnU-Net's planned one."""
    dimensions = len(request.patch_size)
    if request.feature_size is not None:
        return paper_layout(request.feature_size, dimensions)
    planned = request.planned or {}
    missing = [name for name in ("features_per_stage", "kernel_sizes", "strides") if name not in planned]
    if missing:
        raise NetworkStructureError(
            f"the plans' architecture has no {', '.join(missing)} for DynUNet to follow; plan with nnU-Net's own "
            "planner, or give a feature size (`nnunet-dsd plan --feature-size 32`), which takes the paper's layout"
        )
    stages = len(planned["strides"])
    kernels = planned["kernel_sizes"]
    return {
        "filters": list(planned["features_per_stage"]),
        "kernel_sizes": [_per_axis(kernel, dimensions) for kernel in _per_axis(kernels, stages)],
        "strides": [_per_axis(stride, dimensions) for stride in planned["strides"]],
    }


def _per_axis(value: int | Sequence[Any], count: int) -> list[Any]:
    return [value] * count if isinstance(value, int) else list(value)


def _dynunet(request: NetworkRequest, size: tuple[int, ...]) -> nn.Module:
    return build_dynunet(request.in_channels, request.out_channels, **_dynunet_layout(request))


def _dynunet_multiple(request: NetworkRequest) -> tuple[int, ...]:
    strides = _dynunet_layout(request)["strides"]
    return tuple(math.prod(axis) for axis in zip(*strides, strict=True))


BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        backbone.name: backbone
        for backbone in (
            Backbone(
                "UNETR",
                _sized(unetr.build_unetr),
                _fixed(unetr.PATCH_VOXELS),
                unetr.describe_unetr,
                transformer=True,
            ),
            Backbone(
                "SwinUNETR",
                _sized(swin_unetr.build_swin_unetr),
                _fixed(swin_unetr.DOWNSAMPLING),
                swin_unetr.describe_swin_unetr,
                transformer=True,
            ),
            Backbone("VNet", _sized(vnet.build_vnet), _fixed(vnet.DOWNSAMPLING), vnet.describe_vnet, transformer=False),
            Backbone(
                "UNetPlusPlus",
                _sized(unet_plus_plus.build_unet_plus_plus),
                _fixed(unet_plus_plus.DOWNSAMPLING),
                unet_plus_plus.describe_unet_plus_plus,
                transformer=False,
            ),
            Backbone("DynUNet", _dynunet, _dynunet_multiple, describe_dynunet, transformer=False),
            Backbone(
                "ResNet18UNet",
                _sized(resnet18.build_resnet18_unet),
                _fixed(resnet18.DOWNSAMPLING),
                resnet18.describe_resnet18_unet,
                transformer=False,
            ),
            Backbone(
                "ResNet18FCN",
                _sized(resnet18.build_resnet18_fcn),
                _fixed(resnet18.DOWNSAMPLING),
                resnet18.describe_resnet18_fcn,
                transformer=False,
                u_shaped=False,
            ),
        )
    }
)
