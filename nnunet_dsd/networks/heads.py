"""Training-only heads on a network: taps on its levels, bottleneck modules, and what the forward pass then returns.

The heads are child modules of the network and work through forward hooks, so the network keeps its class, its
children's names and its `forward`. In eval mode, and for every caller that only wants weights, they are not there:
the output is the network's own and `state_dict()` has exactly the network's own keys.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, NamedTuple

from torch import Tensor, nn

from nnunet_dsd.config import BottleneckInit, Sharing
from nnunet_dsd.errors import NetworkStructureError
from nnunet_dsd.networks.bottleneck import BottleneckModule
from nnunet_dsd.networks.ushape import Level, UShape

HEADS_NAME = "distillation_heads"
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


@dataclass(frozen=True)
class HeadChoice:
    """Which heads a training needs; what no loss term uses is not built, so every parameter gets a gradient."""

    encoders: bool = True
    decoders: bool = True
    encoder_vectors: bool = False
    decoder_vectors: bool = False
    sharing: Sharing = "shared"
    init: BottleneckInit = "nearest"


class DistillationHeads(nn.Module):
    """Bottleneck modules of all levels, fed by taps on the network (see `attach_heads`).

    With shared bottlenecks the encoder and the decoder of one scale use one module; where their channels differ they
    get one each, because a module fits one channel count only.

    Args:
        shape: The network's levels.
        classes: Output channels of the network.
        choice: Which heads to build.
    """

    def __init__(self, shape: UShape, classes: int, choice: HeadChoice) -> None:
        super().__init__()
        self.shape, self.choice = shape, choice
        self.bottlenecks = nn.ModuleDict()
        self.projections = nn.ModuleDict()
        for side, level in self._levels("encoders", "decoders"):
            key = self._bottleneck_key(side, level)
            if key not in self.bottlenecks:
                self.bottlenecks[key] = BottleneckModule(level.channels, classes, level.scale, init=choice.init)
        for side, level in self._levels("encoder_vectors", "decoder_vectors"):
            self.projections[_vector_key(side, level)] = nn.Linear(level.channels, FEATURE_VECTOR_LENGTH)
        self._features: dict[str, Tensor] = {}

    def tapped_names(self) -> tuple[str, ...]:
        """Return the paths of the modules whose features the heads need."""
        levels = (*self._levels("encoders", "decoders"), *self._levels("encoder_vectors", "decoder_vectors"))
        return tuple(dict.fromkeys(level.name for _, level in levels))

    def store(self, name: str, features: Tensor) -> None:
        """Keep one level's features until the forward pass ends; in eval mode nothing is kept."""
        if self.training:
            self._features[name] = features

    def complete(self, module: nn.Module, inputs: Any, output: Any) -> DistillationOutput | None:
        """Forward hook of the network: in training mode, return its output together with the heads' maps."""
        if not self.training:
            return None
        features, self._features = self._features, {}
        return DistillationOutput(
            main=output,
            encoders=self._logits("encoders", features),
            decoders=self._logits("decoders", features),
            encoder_vectors=self._vectors("encoder_vectors", features),
            decoder_vectors=self._vectors("decoder_vectors", features),
        )

    def _levels(self, *groups: str) -> list[tuple[str, Level]]:
        levels: list[tuple[str, Level]] = []
        for group in groups:
            side = "encoder" if group.startswith("encoder") else "decoder"
            if getattr(self.choice, group):
                levels += [
                    (side, level) for level in (self.shape.encoders if side == "encoder" else self.shape.decoders)
                ]
        return levels

    def _bottleneck_key(self, side: str, level: Level) -> str:
        place = "x".join(str(axis) for axis in level.scale)
        if self.choice.sharing == "shared":
            return f"scale_{place}_channels_{level.channels}"
        return f"{side}_scale_{place}"

    def _logits(self, group: str, features: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            self.bottlenecks[self._bottleneck_key(side, level)](features[level.name])
            for side, level in self._levels(group)
        )

    def _vectors(self, group: str, features: dict[str, Tensor]) -> tuple[Tensor, ...]:
        return tuple(
            self.projections[_vector_key(side, level)](features[level.name].flatten(2).mean(dim=2))
            for side, level in self._levels(group)
        )


def _vector_key(side: str, level: Level) -> str:
    return f"{side}_{'x'.join(str(axis) for axis in level.scale)}"


class _Tap:
    """Forward hook that hands a module's output to the heads."""

    def __init__(self, heads: DistillationHeads, name: str) -> None:
        self.heads, self.name = heads, name

    def __call__(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self.heads.store(self.name, output)


def attach_heads(network: nn.Module, shape: UShape, classes: int, choice: HeadChoice) -> DistillationHeads:
    """Give a network training-only heads; do it before torch.compile and before wrapping it for data-parallel use.

    Afterwards the network returns a `DistillationOutput` in training mode and its own output in eval mode. Its
    `state_dict()` and `load_state_dict()` know nothing of the heads; save and restore those through the returned
    module.

    Args:
        network: The network, changed in place.
        shape: Its levels.
        classes: Its output channels.
        choice: Which heads to build.

    Raises:
        NetworkStructureError: if the network has heads already, or lacks a module that `shape` names.
    """
    if hasattr(network, HEADS_NAME):
        raise NetworkStructureError("this network has distillation heads already; build a fresh one")
    heads = DistillationHeads(shape, classes, choice)
    modules = dict(network.named_modules(remove_duplicate=False))
    missing = [name for name in heads.tapped_names() if name not in modules]
    if missing:
        raise NetworkStructureError(
            f"{type(network).__name__} has no module named {', '.join(missing)}; its own children are "
            f"{', '.join(name for name, _ in network.named_children())}"
        )
    network.add_module(HEADS_NAME, heads)
    for name in heads.tapped_names():
        modules[name].register_forward_hook(_Tap(heads, name))
    network.register_forward_hook(heads.complete)
    network.register_state_dict_post_hook(_drop_heads)
    network.register_load_state_dict_post_hook(_forgive_missing_heads)
    return heads


def _drop_heads(
    module: nn.Module, state_dict: OrderedDict[str, Tensor], prefix: str, local_metadata: dict[str, Any]
) -> None:
    for key in [key for key in state_dict if key.startswith(f"{prefix}{HEADS_NAME}.")]:
        del state_dict[key]
    metadata = getattr(state_dict, "_metadata", {})
    for key in [key for key in metadata if key.startswith(f"{prefix}{HEADS_NAME}")]:
        del metadata[key]


def _forgive_missing_heads(module: nn.Module, incompatible: Any) -> None:
    inside = f"{HEADS_NAME}."
    incompatible.missing_keys[:] = [
        key for key in incompatible.missing_keys if not (key.startswith(inside) or f".{inside}" in key)
    ]
