"""MONAI's UNETR with the paper's arguments, and its levels."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape

PATCH_VOXELS = 16
PAPER_FEATURE_SIZE = 16


def build_unetr(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = PAPER_FEATURE_SIZE
) -> nn.Module:
    """Build a UNETR: ViT with 12 layers, 768 embedding channels, 12 heads, MLP 3072; convolutional decoder.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three) of every input, multiples of 16.
        feature_size: Channels at full resolution; the paper has 16 (Hippocampus, light), 32 (MMWHS) and 64 (BraTS).
    """
    from monai.networks.nets import UNETR

    network: nn.Module = UNETR(
        in_channels=in_channels,
        out_channels=out_channels,
        img_size=size,
        feature_size=feature_size,
        spatial_dims=len(size),
    )
    _freeze_unused_cross_attention(network)
    return network


def _freeze_unused_cross_attention(network: nn.Module) -> None:
    """Stop training the norms that MONAI builds for a cross attention which UNETR does not have: they get no gradient.

    Data-parallel training reports such parameters as an error, and the paper does not count them.
    """
    for name, parameter in network.named_parameters():
        if "norm_cross_attn" in name:
            parameter.requires_grad_(False)


def describe_unetr(network: nn.Module) -> UShape:
    """Read the levels off a MONAI UNETR, with the roles of the authors' code.

    Encoders 1 to 4 are the blocks on the skip connections. Decoder 4 is the transformer's output on its grid, which
    is what `decoder5` is given; decoders 3 to 1 are the outputs of `decoder5` to `decoder3`; `decoder2` only feeds the
    output.

    Raises:
        NetworkStructureError: if the network is no UNETR.
    """
    if not all(hasattr(network, name) for name in ("vit", "encoder1", "encoder4", "decoder5", "decoder2")):
        raise NetworkStructureError(f"{type(network).__name__} is not a UNETR: it lacks vit, encoder1 or decoder5")
    net: Any = network
    dimensions = len(net.feat_size)
    width, embedding = int(net.encoder1.layer.conv1.conv.out_channels), int(net.hidden_size)
    level = partial(Level.isotropic, dimensions=dimensions)
    return UShape(
        encoders=tuple(level(f"encoder{i}", width * 2 ** (i - 1), 2 ** (i - 1)) for i in range(1, 5)),
        decoders=(
            *(level(f"decoder{i + 2}", width * 2**i, 2**i) for i in range(1, 4)),
            level("decoder5:input", embedding, PATCH_VOXELS),
        ),
        last=level("decoder2", width, 1),
    )
