"""What builds a clip encoder returns."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError

Triple = tuple[float, float, float]
IMAGENET_MEAN: Triple = (0.485, 0.456, 0.406)
IMAGENET_DEVIATION: Triple = (0.229, 0.224, 0.225)


class BuiltEncoder(NamedTuple):
    """An encoder and the normalisation it expects.

    Attributes:
        module: Maps normalised clips `(B, 3, T, S, S)` to features `(B, F)`.
        mean: Per colour, of values from 0 to 1.
        deviation: Per colour, of the same.
        loadable: The part of `module` that pre-trained weights are for.
    """

    module: nn.Module
    mean: Triple
    deviation: Triple
    loadable: nn.Module


def refused_options(name: str, options: Mapping[str, Any], error: Exception) -> NetworkStructureError:
    """Return the error for options that a network does not take."""
    return NetworkStructureError(f"{name} refuses the options {dict(options)}: {type(error).__name__}: {error}")
