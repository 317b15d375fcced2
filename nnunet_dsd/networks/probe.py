"""What flows through a network's modules in one dry run: channels and downsampling of levels that a user names."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.taps import tap
from nnunet_dsd.networks.ushape import Level, UShape

EXAMPLE_VOXELS = 64


@dataclass(frozen=True)
class Probe:
    """What a dry run showed: the U-shape, the network's output, and the voxels per axis of the input."""

    shape: UShape
    output: Any
    size: tuple[int, ...]


def find_levels(
    network: nn.Module, encoders: Sequence[str], decoders: Sequence[str], *, example: Tensor | None = None
) -> Probe:
    """Run a network once, in eval mode, and see what its levels are.

    Args:
        network: Any network; its training state is left as it was, its weights and statistics too.
        encoders: Paths of the encoder levels, from full resolution down, without the bottleneck.
        decoders: Paths of the decoder levels, from just below the output down, the bottleneck last. `path:input`
            stands for what a module is given instead of what it returns.
        example: Input `(1, C, *S)` for the dry run. None: zeros of 64 voxels per axis, with the channels of the
            network's first convolution.

    Raises:
        NetworkStructureError: if a module does not exist or does not run, returns no features, or the levels form no
            U; the reasons are listed.
    """
    for side, given in (("encoders", encoders), ("decoders", decoders)):
        if isinstance(given, str):
            raise NetworkStructureError(f"{side} is the text '{given}'; a list of module paths is needed")
    image = _default_example(network) if example is None else example
    if image.ndim not in (4, 5):
        raise NetworkStructureError(f"the example must be (1, C, *S) with two or three axes, got {tuple(image.shape)}")
    levels, output = measure_levels(network, [*encoders, *decoders], image, given=example is not None)
    if len(encoders) != len(decoders):
        raise NetworkStructureError(
            f"as many encoders as decoders are needed, got {len(encoders)} encoders and {len(decoders)} decoders. The "
            "bottleneck's output counts as the last decoder; the block that only feeds the output is no level"
        )
    shape = UShape(tuple(levels[name] for name in encoders), tuple(levels[name] for name in decoders))
    for encoder, decoder in zip(encoders, decoders, strict=True):
        if math.prod(levels[decoder].scale) <= math.prod(levels[encoder].scale):
            raise NetworkStructureError(
                f"decoder '{decoder}' (scale {levels[decoder].scale}) must be coarser than encoder '{encoder}' (scale "
                f"{levels[encoder].scale}): the decoders begin just below the block that feeds the output, which is no "
                "level, and end with the bottleneck"
            )
    return Probe(shape, output, tuple(image.shape[2:]))


def measure_levels(
    network: nn.Module, names: Sequence[str], image: Tensor, *, given: bool = True
) -> tuple[dict[str, Level], Any]:
    """Run a network once, in eval mode; return the levels at named modules, and its output.

    Args:
        network: Any network; its training state is left as it was, its weights and statistics too.
        names: Paths of modules; `path:input` stands for what a module is given instead of what it returns.
        image: Input `(1, C, *S)`.
        given: Whether the user chose the image; the error message says what to do.

    Raises:
        NetworkStructureError: if a module does not exist or does not run, or returns no features on a grid that
            divides the image's; the reasons are listed.
    """
    seen, output = observe(network, names, image, given=given)
    problems = [problem for name in names for problem in _level_problems(name, seen, image)]
    if problems:
        raise NetworkStructureError("these levels cannot be used: " + "; ".join(dict.fromkeys(problems)))
    return {name: _level(name, seen[name], image) for name in names}, output


def _default_example(network: nn.Module) -> Tensor:
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Conv3d):
            axes = 2 if isinstance(module, nn.Conv2d) else 3
            return torch.zeros(1, module.in_channels, *((EXAMPLE_VOXELS,) * axes))
    raise NetworkStructureError(
        f"{type(network).__name__} holds neither 2D nor 3D convolutions, so its input cannot be guessed; give an "
        "example input (1, C, *S) with `example=`"
    )


def observe(
    network: nn.Module, names: Sequence[str], image: Tensor, *, given: bool = True, gradients: bool = False
) -> tuple[dict[str, Any], Any]:
    """Run a network once, in eval mode, and see what passes through some of its modules.

    Args:
        network: Any network; left as it was.
        names: Paths of modules; `path:input` stands for what a module is given instead of what it returns.
        image: Input `(1, C, *S)`.
        given: Whether the caller's user chose the image, for the error message.
        gradients: Whether the output can be differentiated by what was seen.

    Returns:
        What each named module returned (or was given), without those that did not run, and the network's output.

    Raises:
        NetworkStructureError: if a module does not exist, or the network fails on the image.
    """
    parameter = next(network.parameters(), None)
    image = image if parameter is None else image.to(device=parameter.device, dtype=parameter.dtype)
    with torch.set_grad_enabled(gradients), _in_eval_mode(network), _recorded(network, names) as seen:
        try:
            output = network(image)
        except Exception as error:  # whatever the network raises for an input it cannot take
            hint = "" if given else "; give an input it takes with `example=`"
            raise NetworkStructureError(
                f"{type(network).__name__} failed on an input of shape {tuple(image.shape)}: {error}{hint}"
            ) from error
    return seen, output


@contextmanager
def _in_eval_mode(network: nn.Module) -> Iterator[None]:
    modes = {module: module.training for module in network.modules()}
    network.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


@contextmanager
def _recorded(network: nn.Module, names: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what the named levels' modules return (or are given) while the context lasts."""
    recorder = _Recorder()
    handles = tap(network, names, recorder)
    try:
        yield recorder.seen
    finally:
        for handle in handles:
            handle.remove()


class _Recorder:
    """Keeps what each tap handed on last."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {}

    def store(self, name: str, features: Any) -> None:
        self.seen[name] = features


def feature_problems(name: str, seen: Mapping[str, Any], image: Tensor) -> list[str]:
    """Return why a module gives no features; nothing where it does.

    Args:
        name: Of the module.
        seen: What `observe` saw.
        image: Input of the network `(1, C, *S)`.
    """
    if name not in seen:
        return [f"'{name}' did not run in a forward pass"]
    features = seen[name]
    if not isinstance(features, Tensor) or features.ndim != image.ndim:
        what = tuple(features.shape) if isinstance(features, Tensor) else f"a {type(features).__name__}"
        return [f"'{name}' gives {what}, features (B, C, *S) with {image.ndim - 2} spatial axes are needed"]
    return []


def _level_problems(name: str, seen: Mapping[str, Any], image: Tensor) -> list[str]:
    if problems := feature_problems(name, seen, image):
        return problems
    features = seen[name]
    sizes = list(zip(image.shape[2:], features.shape[2:], strict=True))
    if any(full % part for full, part in sizes):
        full, part = tuple(image.shape[2:]), tuple(features.shape[2:])
        return [f"'{name}' has {part} voxels of {full}, which is no whole factor; try an example of another size"]
    return []


def _level(name: str, features: Tensor, image: Tensor) -> Level:
    scale = tuple(full // part for full, part in zip(image.shape[2:], features.shape[2:], strict=True))
    return Level(name, int(features.shape[1]), scale)
