"""Overlap and sizes of two masks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import ShapeError

MM3_PER_ML = 1000.0


def dice(prediction: NDArray[np.bool_], reference: NDArray[np.bool_]) -> float:
    """Dice coefficient, a fraction: 2 |P and R| / (|P| + |R|).

    NaN when the structure is absent in both, as in nnU-Net; 0 when it is absent in one.

    Args:
        prediction: mask of any shape.
        reference: mask of the same shape.

    Raises:
        ShapeError: if the shapes differ.
    """
    if prediction.shape != reference.shape:
        raise ShapeError(f"Masks of one shape are compared; got {prediction.shape} and {reference.shape}.")
    total = int(np.count_nonzero(prediction)) + int(np.count_nonzero(reference))
    if total == 0:
        return math.nan
    return 2 * int(np.count_nonzero(prediction & reference)) / total


def relative_volume_difference(prediction_voxels: int, reference_voxels: int) -> float:
    """Relative volume difference, a signed fraction: prediction / reference - 1; NaN without a reference."""
    if reference_voxels == 0:
        return math.nan
    return prediction_voxels / reference_voxels - 1


def volume_ml(voxels: int, spacing_mm: Sequence[float]) -> float:
    """Volume in ml of so many voxels; NaN for two-dimensional images, which have none."""
    if len(spacing_mm) != 3:
        return math.nan
    return voxels * math.prod(spacing_mm) / MM3_PER_ML
