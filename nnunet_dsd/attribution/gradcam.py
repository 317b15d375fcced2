"""Grad-CAM of segmentation networks, computed by MONAI.

References:
    Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017.
    Vinogradova, Dibrov, Myers, Towards Interpretable Semantic Segmentation via Gradient-Weighted Class Activation
    Mapping (Seg-Grad-CAM), AAAI 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.visualize import GradCAM
from monai.visualize.visualizer import default_upsampler
from numpy.typing import NDArray
from torch import Tensor, nn

from nnunet_dsd.attribution.levels import BOTTLENECK, DEFAULT_LEVELS
from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.backbones import describe_network
from nnunet_dsd.networks.padding import padding_of
from nnunet_dsd.networks.probe import feature_problems, observe
from nnunet_dsd.networks.taps import INPUT_SUFFIX, find_module
from nnunet_dsd.networks.ushape import EncoderLevels


@dataclass(frozen=True)
class ClassHeat:
    """What Grad-CAM says about one class in one patch.

    Attributes:
        predicted: Voxels that the network gives to the class, shape (*S).
        maps: One per level, shape (*S), zero or more; None where no voxel is predicted, for then there is no score.
    """

    predicted: NDArray[np.bool_]
    maps: tuple[NDArray[np.float32], ...] | None


class ClassScores(nn.Module):
    """A segmentation network as a classifier: a class scores the sum of its logits over the voxels it is given.

    That is Seg-Grad-CAM with the predicted voxels of the class as its set of pixels.

    Args:
        network: Gives logits `(B, K, *S)`.
        regions: Whether the channels are regions (see `predicted_voxels`).
        levels: How many of the network's levels pass through `taps`.
    """

    def __init__(self, network: nn.Module, *, regions: bool, levels: int) -> None:
        super().__init__()
        self.network, self.regions = network, regions
        self.taps = nn.ModuleList(nn.Identity() for _ in range(levels))

    def forward(self, image: Tensor) -> Tensor:
        """Return scores `(B, K)` of images `(B, C, *S)`."""
        logits: Tensor = self.network(image)
        return (logits * predicted_voxels(logits.detach(), regions=self.regions)).flatten(2).sum(2)


def predicted_voxels(logits: Tensor, *, regions: bool) -> Tensor:
    """Return which voxels are predicted as which channel, boolean and of the logits' shape `(B, K, *S)`.

    Args:
        logits: Of the network.
        regions: True: each channel by itself, probability above one half. False: the channel with the largest logit.
    """
    if regions:
        return logits > 0
    channels = torch.arange(logits.shape[1], device=logits.device).view(-1, *[1] * (logits.ndim - 2))
    return logits.argmax(1, keepdim=True) == channels


def resolve_level(network: nn.Module, level: str) -> str:
    """Return the module path of a level: `bottleneck` and `last` by rule, anything else is a path.

    `last` is the level that feeds the output: the last decoder level, and the bottleneck where there is no decoder.

    Raises:
        NetworkStructureError: if there is no such module, or the network's levels are not known.
    """
    if level not in DEFAULT_LEVELS:
        find_module(network, level)
        return level
    shape = describe_network(network)
    if isinstance(shape, EncoderLevels):
        return shape.encoders[-1].name
    if level == BOTTLENECK:
        return shape.decoders[-1].name
    if shape.last is None:
        raise NetworkStructureError(
            f"the last decoder level of {type(network).__name__} is not known; name a module with --level"
        )
    return shape.last.name


def level_problems(network: nn.Module, modules: Sequence[str], image: Tensor) -> list[str]:
    """Return why modules cannot be looked at: they do not run, give no features, or the output does not rest on them.

    Args:
        network: The network, which runs once; left as it was.
        modules: Paths that exist.
        image: Input `(1, C, *S)`.
    """
    names = list(dict.fromkeys(modules))
    seen, output = observe(network, names, image, gradients=True)
    problems = {name: feature_problems(name, seen, image) for name in names}
    features = {name: seen[name] for name in names if not problems[name]}
    for name in _without_gradient(features, output):
        problems[name] = [
            f"'{name}' gets no gradient: no weight comes before it, or the output does not rest on it; name a module "
            "between the first layer and the output"
        ]
    return [problem for name in names for problem in problems[name]]


def _without_gradient(features: Mapping[str, Tensor], output: Tensor) -> list[str]:
    """Return the names of the features that an output has no gradient with respect to."""
    connected = [name for name, each in features.items() if each.requires_grad]
    gradients: Sequence[Tensor | None] = ()
    if connected:
        gradients = torch.autograd.grad(output.sum(), [features[name] for name in connected], allow_unused=True)
    reached = {name for name, gradient in zip(connected, gradients, strict=True) if gradient is not None}
    return [name for name in features if name not in reached]


def class_heat(
    network: nn.Module, image: Tensor, *, channel: int, modules: Sequence[str], regions: bool = False
) -> ClassHeat:
    """Compute Grad-CAM of one class at some levels.

    A map is max(0, sum over features k of a_k A_k), with a_k the mean over the level of the class score's gradient
    (see `ClassScores`), enlarged to the patch by linear interpolation. It is not scaled.

    Args:
        network: In eval mode; its parameters' gradients are cleared, else it is left as it was.
        image: One patch `(1, C, *S)`.
        channel: Of the logits, from 0.
        modules: Paths of modules with features; `path:input` stands for what a module is given.
        regions: Whether the channels are regions.

    Raises:
        NetworkStructureError: if there is no such module.
    """
    with torch.no_grad():
        predicted = predicted_voxels(network(image), regions=regions)[0, channel].cpu().numpy()
    if not predicted.any():
        return ClassHeat(predicted, None)
    scores = ClassScores(network, regions=regions, levels=len(modules)).eval()  # MONAI puts it back into this mode
    names = [f"taps.{index}" for index in range(len(modules))]
    with _through_taps(network, modules, scores.taps):
        cam = GradCAM(scores, names, upsampler=_upsampler(network), postprocessing=lambda heat: heat)
        maps = [cam(image, class_idx=channel, layer_idx=index)[0, 0] for index in range(len(modules))]
    network.zero_grad(set_to_none=True)
    return ClassHeat(predicted, tuple(heat.detach().float().cpu().numpy() for heat in maps))


@contextmanager
def _through_taps(network: nn.Module, modules: Sequence[str], taps: nn.ModuleList) -> Iterator[None]:
    """Lead what the modules give through the taps, where MONAI's hooks are; what follows gets a copy it may change."""
    handles = []
    try:
        for name, tap in zip(modules, taps, strict=True):
            module = find_module(network, name)
            if name.endswith(INPUT_SUFFIX):
                handles.append(module.register_forward_pre_hook(_input_hook(tap)))
            else:
                handles.append(module.register_forward_hook(_output_hook(tap)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _input_hook(tap: nn.Module) -> Callable[[nn.Module, tuple[Any, ...]], Any]:
    return lambda module, inputs: (tap(inputs[0]).clone(), *inputs[1:])


def _output_hook(tap: nn.Module) -> Callable[[nn.Module, Any, Any], Any]:
    return lambda module, inputs, output: tap(output).clone()


def _upsampler(network: nn.Module) -> Callable[[Sequence[int]], Callable[[Tensor], Tensor]]:
    """MONAI's, with the margin cut off where the network pads its input inside."""
    padding = padding_of(network)

    def upsampler(size: Sequence[int]) -> Callable[[Tensor], Tensor]:
        enlarge: Callable[[Tensor], Tensor] = default_upsampler(size if padding is None else padding.size)
        return enlarge if padding is None else lambda heat: padding.cut(enlarge(heat))

    return upsampler
