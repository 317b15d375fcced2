"""The heads of dual self-distillation: bottleneck modules on every level, and the output of a training step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor, nn

from nnunet_dsd.distillation.dual_settings import BottleneckInit, DualSettings, Sharing
from nnunet_dsd.networks.bottleneck import BottleneckModule
from nnunet_dsd.networks.taps import TappedHeads, attach
from nnunet_dsd.networks.ushape import Level, UShape

FEATURE_VECTOR_LENGTH = 128


class DistillationOutput(NamedTuple):
    """What a network with heads returns in training mode.

    `main` is the network's own output, logits `(B, C, *S)`; `encoders` and `decoders` are the logits of levels 1 to Z
    at full resolution, each `(B, C, *S)`; the vectors `(B, 128)` are pooled and projected features, or empty.
    """

    main: Tensor
    encoders: tuple[Tensor, ...] = ()
    decoders: tuple[Tensor, ...] = ()
    encoder_vectors: tuple[Tensor, ...] = ()
    decoder_vectors: tuple[Tensor, ...] = ()

    def map_volumes(self, change: Callable[[Tensor], Tensor]) -> DistillationOutput:
        """Return the output with `change` applied to everything of full resolution."""
        return self._replace(
            main=change(self.main),
            encoders=tuple(change(logits) for logits in self.encoders),
            decoders=tuple(change(logits) for logits in self.decoders),
        )


@dataclass(frozen=True)
class HeadChoice:
    """Which heads a training needs; what no loss term uses is not built, so every parameter gets a gradient."""

    encoders: bool = True
    decoders: bool = True
    encoder_vectors: bool = False
    decoder_vectors: bool = False
    sharing: Sharing = "shared"
    init: BottleneckInit = "nearest"


def heads_for(settings: DualSettings) -> HeadChoice:
    """Return which heads the terms of these settings use."""
    features = settings.feature_l2 > 0
    return HeadChoice(
        encoders=settings.alpha > 0,
        decoders=settings.beta > 0 or settings.eta > 0,
        encoder_vectors=features,
        decoder_vectors=features,
        sharing=settings.bottlenecks,
        init=settings.bottleneck_init,
    )


class DistillationHeads(TappedHeads):
    """Bottleneck modules of all levels, fed by taps on the network (see `attach_heads`).

    With shared bottlenecks the encoder and the decoder of one scale use one module; where their channels differ they
    get one each, because a module fits one channel count only.

    Args:
        shape: The network's levels.
        classes: Output channels of the network.
        choice: Which heads to build.
    """

    def __init__(self, shape: UShape, classes: int, choice: HeadChoice) -> None:
        maps = _levels(shape, choice, "encoders", "decoders")
        vectors = _levels(shape, choice, "encoder_vectors", "decoder_vectors")
        super().__init__(level.name for _, level in (*maps, *vectors))
        self.shape, self.choice = shape, choice
        self.bottlenecks = nn.ModuleDict()
        self.projections = nn.ModuleDict()
        for side, level in maps:
            key = self._bottleneck_key(side, level)
            if key not in self.bottlenecks:
                self.bottlenecks[key] = BottleneckModule(level.channels, classes, level.scale, init=choice.init)
        for side, level in vectors:
            self.projections[_vector_key(side, level)] = nn.Linear(level.channels, FEATURE_VECTOR_LENGTH)

    def training_output(self, main: Tensor, features: Mapping[str, Tensor]) -> DistillationOutput:
        """Return the network's output together with the heads' maps."""
        return DistillationOutput(
            main=main,
            encoders=self._logits("encoders", features),
            decoders=self._logits("decoders", features),
            encoder_vectors=self._vectors("encoder_vectors", features),
            decoder_vectors=self._vectors("decoder_vectors", features),
        )

    def _bottleneck_key(self, side: str, level: Level) -> str:
        place = "x".join(str(axis) for axis in level.scale)
        if self.choice.sharing == "shared":
            return f"scale_{place}_channels_{level.channels}"
        return f"{side}_scale_{place}"

    def _logits(self, group: str, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            self.bottlenecks[self._bottleneck_key(side, level)](features[level.name])
            for side, level in _levels(self.shape, self.choice, group)
        )

    def _vectors(self, group: str, features: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            self.projections[_vector_key(side, level)](features[level.name].flatten(2).mean(dim=2))
            for side, level in _levels(self.shape, self.choice, group)
        )


def _levels(shape: UShape, choice: HeadChoice, *groups: str) -> list[tuple[str, Level]]:
    """Return the levels, with their side, that the chosen groups of heads are built on."""
    levels: list[tuple[str, Level]] = []
    for group in groups:
        side = "encoder" if group.startswith("encoder") else "decoder"
        if getattr(choice, group):
            levels += [(side, level) for level in (shape.encoders if side == "encoder" else shape.decoders)]
    return levels


def _vector_key(side: str, level: Level) -> str:
    return f"{side}_{'x'.join(str(axis) for axis in level.scale)}"


def attach_heads(network: nn.Module, shape: UShape, classes: int, choice: HeadChoice) -> DistillationHeads:
    """Give a network the heads of dual self-distillation (see `networks.taps.attach` for what that means).

    Args:
        network: The network, changed in place.
        shape: Its levels.
        classes: Its output channels.
        choice: Which heads to build.

    Raises:
        NetworkStructureError: if the network has heads already, or lacks a module that `shape` names.
    """
    heads = DistillationHeads(shape, classes, choice)
    attach(network, heads)
    return heads
