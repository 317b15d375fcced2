"""Distances between the surfaces of two masks, in mm."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np
import torch
from monai.metrics import compute_hausdorff_distance
from numpy.typing import NDArray

from nnunet_dsd.errors import ShapeError


def hausdorff_mm(
    prediction: NDArray[np.bool_],
    reference: NDArray[np.bool_],
    *,
    spacing_mm: Sequence[float],
    percentile: float = 95.0,
) -> float:
    """Percentile of the Hausdorff distance (HD95 by default) in mm, computed by MONAI.

    The surface of a mask is its voxels with a neighbour (sharing a face) outside; voxels at the image's border count
    as surface. Each direction's percentile is taken on its own, and the larger of the two is the result. NaN when
    either mask is empty: no distance exists then, and callers count such cases separately.

    Args:
        prediction: mask of shape (Z, Y, X), or (Y, X).
        reference: mask of the same shape.
        spacing_mm: distance of neighbouring voxels along each axis of the masks, in their order.
        percentile: 0 to 100; 100 gives the Hausdorff distance itself.

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    if prediction.shape != reference.shape or len(spacing_mm) != prediction.ndim:
        raise ShapeError(
            f"Masks of one shape and a spacing per axis are needed; got {prediction.shape}, {reference.shape} and a "
            f"spacing of {len(spacing_mm)} numbers."
        )
    if not prediction.any() or not reference.any():
        return math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls itself with an argument it deprecates
        distance = compute_hausdorff_distance(
            torch.from_numpy(prediction)[None, None],
            torch.from_numpy(reference)[None, None],
            include_background=True,
            percentile=percentile,
            spacing=[float(step) for step in spacing_mm],
        )
    return float(distance.item())
