"""torchvision's video networks without their classifiers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import torchvision
from torch import nn

from video_triplet.clips.built import BuiltEncoder, refused_options
from video_triplet.models.pretrained_files import require_reachable


def build_resnet(name: str, *, frames: int, size: int, options: Mapping[str, Any]) -> BuiltEncoder:
    """Build a video ResNet; options are those of torchvision's `VideoResNet`."""
    return _without(name, "fc", options)


def build_mvit(name: str, *, frames: int, size: int, options: Mapping[str, Any]) -> BuiltEncoder:
    """Build an MViT for 16 frames of 224 x 224, the only clips for which torchvision makes its position encodings.

    Its head is a dropout and a linear layer; both are taken off.
    """
    return _without(name, "head", options)


def build_swin(name: str, *, frames: int, size: int, options: Mapping[str, Any]) -> BuiltEncoder:
    """Build a Video Swin Transformer; options are those of torchvision's `SwinTransformer3d`."""
    return _without(name, "head", options)


def hub_weights(name: str) -> dict[str, Any]:
    """Return torchvision's best weights of a network, with its classifier; downloaded once, their hash checked.

    Raises:
        SetupError: if they are to be downloaded and their server cannot be reached.
    """
    weights = torchvision.models.get_model_weights(name).DEFAULT
    if not (Path(torch.hub.get_dir()) / "checkpoints" / weights.url.rpartition("/")[2]).is_file():
        require_reachable(weights.url, wanted=f"the weights of {name}")
    state: dict[str, Any] = weights.get_state_dict(progress=False, check_hash=True, map_location="cpu")
    return state


def _without(name: str, classifier: str, options: Mapping[str, Any]) -> BuiltEncoder:
    try:
        network = torchvision.models.get_model(name, weights=None, **options)
    except (TypeError, ValueError, RuntimeError) as error:
        raise refused_options(f"torchvision's {name}", options, error) from error
    setattr(network, classifier, nn.Identity())
    expected = torchvision.models.get_model_weights(name).DEFAULT.transforms()
    return BuiltEncoder(network, tuple(expected.mean), tuple(expected.std), network)
