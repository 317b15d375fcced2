"""The students of HLFD's paper: a ResNet18 with a decoder, and without; and their levels."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import EncoderLevels, Level, UShape

DOWNSAMPLING = 32
FEATURE_SIZE = 64
WIDTH_STEP = 4
STAGES = ("encoder.act", "encoder.layer1", "encoder.layer2", "encoder.layer3", "encoder.layer4")


def build_resnet18_unet(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = FEATURE_SIZE
) -> nn.Module:
    """Build a U-Net with a ResNet18 as encoder, not pre-trained.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three), multiples of 32; only their number matters.
        feature_size: Channels of the stem, at half resolution; a multiple of 4.

    Raises:
        NetworkStructureError: if `feature_size` is no multiple of 4.
    """
    if feature_size % WIDTH_STEP:
        raise NetworkStructureError(
            f"ResNet18UNet halves its feature size twice in the decoder, so it must be a multiple of {WIDTH_STEP}, "
            f"got {feature_size}"
        )
    from nnunet_dsd.networks.resnet18_networks import ResNet18UNet

    return ResNet18UNet(in_channels, out_channels, feature_size, dimensions=len(size))


def build_resnet18_fcn(
    in_channels: int, out_channels: int, *, size: tuple[int, ...], feature_size: int = FEATURE_SIZE
) -> nn.Module:
    """Build a ResNet18 with a 1x1 convolution as its head and no decoder, not pre-trained.

    Args:
        in_channels: Image channels.
        out_channels: Classes or regions.
        size: Voxels per axis (two or three), multiples of 32; only their number matters.
        feature_size: Channels of the stem, at half resolution.
    """
    from nnunet_dsd.networks.resnet18_networks import ResNet18FCN

    return ResNet18FCN(in_channels, out_channels, feature_size, dimensions=len(size))


def describe_resnet18_unet(network: nn.Module) -> UShape:
    """Read the levels off a `ResNet18UNet`, a U that lies at half resolution.

    Encoders 1 to 4 are the stem and layers 1 to 3 (scales 2 to 16), decoders 4 to 1 layer 4 and the decoder's blocks 0
    to 2 (scales 32 to 4). Block 3, back at the stem's scale, and block 4, which has no skip, only lead to the output.

    Raises:
        NetworkStructureError: if the network is none.
    """
    if not (_has_resnet18(network) and hasattr(network, "decoder")):
        raise NetworkStructureError(f"{type(network).__name__} is not a ResNet18UNet: it lacks its encoder or decoder")
    *encoders, deepest = _encoder_levels(network)
    dimensions, width = len(deepest.scale), encoders[0].channels

    def block(index: int) -> Level:
        return Level(f"decoder.blocks.{index}", 4 * width // 2**index, (2 ** (4 - index),) * dimensions)

    return UShape(encoders=tuple(encoders), decoders=(block(2), block(1), block(0), deepest), last=block(4))


def describe_resnet18_fcn(network: nn.Module) -> EncoderLevels:
    """Read the levels off a `ResNet18FCN`: the stem and layers 1 to 4, at scales 2 to 32.

    Raises:
        NetworkStructureError: if the network is none.
    """
    if not (_has_resnet18(network) and hasattr(network, "classifier")):
        raise NetworkStructureError(
            f"{type(network).__name__} is not a ResNet18FCN: it lacks its encoder or classifier"
        )
    return EncoderLevels(tuple(_encoder_levels(network)))


def _has_resnet18(network: nn.Module) -> bool:
    return all(hasattr(getattr(network, "encoder", None), name.partition(".")[2]) for name in STAGES)


def _encoder_levels(network: Any) -> list[Level]:
    stem = network.encoder.conv1
    width, dimensions = int(stem.out_channels), len(stem.kernel_size)
    channels = (width, *(width * 2**layer for layer in range(4)))
    return [
        Level(name, count, (2 ** (stage + 1),) * dimensions)
        for stage, (name, count) in enumerate(zip(STAGES, channels, strict=True))
    ]
