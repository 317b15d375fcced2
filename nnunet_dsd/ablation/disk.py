"""How much disk space a study will need, from the size of its networks."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.config.settings import PLANS_KEY, flat_block
from nnunet_dsd.plans import inherited

BYTES_PER_WEIGHT = 3 * 4  # the weight and two moments of AdamW, in float32; SGD needs less
CHECKPOINTS_KEPT = 2  # best and final


@dataclass(frozen=True)
class NetworkSize:
    """Weights of a network that is not nnU-Net's: fixed + linear f + quadratic f² with the feature size f.

    Fitted to MONAI's networks of three axes and one input channel. UNETR's is at a patch of 128 voxels per axis; a
    further channel adds 3.1 million, another patch changes it by less than 0.5 million.

    Attributes:
        feature_size: where the plans are silent.
    """

    fixed: int = 0
    linear: int = 0
    quadratic: int = 0
    feature_size: int = 16

    def weights(self, feature_size: int | None) -> int:
        """Estimate the number of weights."""
        size = feature_size or self.feature_size
        return self.fixed + self.linear * size + self.quadratic * size**2


OTHER_NETWORKS = {
    "SwinUNETR": NetworkSize(linear=21_300, quadratic=26_550, feature_size=12),
    "UNETR": NetworkSize(88_590_000, 135_200, 8_906),
    "VNet": NetworkSize(46_000_000),
    "DynUNet": NetworkSize(17_000_000),
}


def needed_bytes(runs: Sequence[Run], plans: Mapping[str, Mapping[str, Any]], prediction_bytes: int) -> int:
    """Estimate the space that trainings, checkpoints and predictions will take.

    Args:
        runs: Those that are not finished.
        plans: The derived plans by name.
        prediction_bytes: Size of the label images that one run predicts.

    Returns:
        Bytes: two checkpoints for each run, one more for the one in progress, and the predictions.
    """
    sizes = [BYTES_PER_WEIGHT * network_weights(run, plans[run.plans]) for run in runs]
    return CHECKPOINTS_KEPT * sum(sizes) + max(sizes, default=0) + len(runs) * prediction_bytes


def network_weights(run: Run, plans: Mapping[str, Any]) -> int:
    """Estimate the number of weights of a run's network."""
    other = re.match(rf"nnUNetTrainer({'|'.join(OTHER_NETWORKS)})", run.trainer)
    if other:
        block = flat_block(inherited(plans["configurations"], run.configuration, PLANS_KEY))
        return OTHER_NETWORKS[other[1]].weights(block.get("feature_size"))
    architecture = inherited(plans["configurations"], run.configuration, "architecture")
    return unet_weights(architecture["arch_kwargs"]) if architecture else 0


def unet_weights(arguments: Mapping[str, Any]) -> int:
    """Count the convolution weights of nnU-Net's plain or residual U-Net for one input channel.

    Args:
        arguments: `arch_kwargs` of the plans.
    """
    features: list[int] = list(arguments["features_per_stage"])
    kernels = [_volume(kernel) for kernel in arguments["kernel_sizes"]]
    strides = [_volume(stride) for stride in arguments["strides"]]
    if "n_blocks_per_stage" in arguments:  # a residual block has two convolutions
        encoder = [2 * count for count in arguments["n_blocks_per_stage"]]
    else:
        encoder = list(arguments["n_conv_per_stage"])
    total = 0
    for inputs, outputs, kernel, count in zip([1, *features[:-1]], features, kernels, encoder, strict=True):
        total += kernel * outputs * (inputs + (count - 1) * outputs)
    for stage, (outputs, inputs) in enumerate(pairwise(features)):
        count = arguments["n_conv_per_stage_decoder"][stage]
        total += strides[stage + 1] * inputs * outputs  # transposed convolution
        total += kernels[stage] * outputs * (2 * outputs + (count - 1) * outputs)
    return total


def prediction_bytes(places: Places, *, test: bool) -> int:
    """Estimate the size of one run's predictions by that of the references they are compared with."""
    folder = places.test_labels if test else places.training_references
    return sum(path.stat().st_size for path in folder.iterdir() if path.is_file()) if folder.is_dir() else 0


def _volume(size: int | Sequence[int]) -> int:
    return size**3 if isinstance(size, int) else math.prod(size)
