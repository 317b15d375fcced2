"""Overlap of two masks."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import ShapeError


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
