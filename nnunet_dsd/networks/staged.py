"""The U-shape of nnU-Net's own networks: PlainConvUNet, ResidualEncoderUNet and others with stages."""

from __future__ import annotations

from typing import Any

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.ushape import Level, UShape, cumulative_scales


def describe_staged_network(network: nn.Module) -> UShape:
    """Read the levels off a network with `encoder.stages` and `decoder.stages`.

    With S stages the encoders are stages 0 to S-2; the decoders are, from the output down, decoder stages S-3 to 0 and
    the bottleneck, encoder stage S-1. The last decoder stage feeds the output and is no level.

    Args:
        network: The network as nnU-Net builds it, not compiled and not wrapped.

    Raises:
        NetworkStructureError: if the network has no such stages, or fewer than three.
    """
    encoder, decoder = _parts(network)
    scales = cumulative_scales(encoder.strides, len(encoder.stages), dimensions=_dimensions(encoder))
    channels = [int(count) for count in encoder.output_channels]
    bottleneck = len(encoder.stages) - 1
    encoders = [Level(f"encoder.stages.{s}", channels[s], scales[s]) for s in range(bottleneck)]
    upsampled = [
        Level(f"decoder.stages.{d}", channels[bottleneck - 1 - d], scales[bottleneck - 1 - d])
        for d in range(len(decoder.stages) - 1)
    ]
    deepest = Level(f"encoder.stages.{bottleneck}", channels[bottleneck], scales[bottleneck])
    last = Level(f"decoder.stages.{bottleneck - 1}", channels[0], scales[0])
    return UShape(encoders=tuple(encoders), decoders=(*reversed(upsampled), deepest), last=last)


def _parts(network: nn.Module) -> tuple[Any, Any]:
    encoder, decoder = getattr(network, "encoder", None), getattr(network, "decoder", None)
    needed = ("stages", "output_channels", "strides")
    if decoder is None or not hasattr(decoder, "stages") or any(not hasattr(encoder, name) for name in needed):
        raise NetworkStructureError(
            f"{type(network).__name__} has no encoder and decoder stages, so there is nothing to distil between. "
            "Self-distillation needs a U-shaped network such as nnU-Net's PlainConvUNet or ResidualEncoderUNet; "
            "train this architecture with its own trainer"
        )
    return encoder, decoder


def _dimensions(encoder: Any) -> int:
    for module in encoder.modules():
        if isinstance(module, nn.Conv2d):
            return 2
        if isinstance(module, nn.Conv3d):
            return 3
    raise NetworkStructureError("the encoder holds neither 2D nor 3D convolutions; only these are supported")


def freeze_deep_supervision_layers(network: nn.Module) -> list[str]:
    """Stop training the segmentation layers that only nnU-Net's own deep supervision uses; return their paths.

    Without deep supervision they get no gradient, which data-parallel training reports as an error at its second step.

    Args:
        network: A network with `decoder.seg_layers`, deepest first, whose last one makes the output.
    """
    layers = list(getattr(getattr(network, "decoder", None), "seg_layers", []))
    for layer in layers[:-1]:
        layer.requires_grad_(False)
    return [f"decoder.seg_layers.{index}" for index in range(len(layers) - 1)]
