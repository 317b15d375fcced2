"""Every measure of an evaluation once more, slowly and from its definition: all pairs of surface voxels, no library."""

from __future__ import annotations

import itertools
import math

import numpy as np
from scipy.spatial.distance import cdist


def surface_points_mm(mask: np.ndarray, spacing: tuple[float, ...]) -> np.ndarray:
    """Centres in mm of the voxels with a neighbour (sharing a face) that is outside the mask or the image."""
    inside = {tuple(int(position) for position in index) for index in np.argwhere(mask)}
    steps = [
        tuple(sign * (axis == moved) for axis in range(mask.ndim)) for moved in range(mask.ndim) for sign in (-1, 1)
    ]
    surface = [
        index
        for index in sorted(inside)
        if any(tuple(a + b for a, b in zip(index, step, strict=True)) not in inside for step in steps)
    ]
    return np.array(surface, dtype=float).reshape(-1, mask.ndim) * np.array(spacing)


def linear_percentile(values: np.ndarray, percentile: float) -> float:
    """Percentile of sorted values, linear between neighbours."""
    ordered = sorted(values)
    place = percentile / 100 * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def oracle_measures(
    prediction: np.ndarray, reference: np.ndarray, spacing: tuple[float, ...], tolerance_mm: float
) -> dict[str, float]:
    """All measures of two masks that are not empty."""
    table = cdist(surface_points_mm(prediction, spacing), surface_points_mm(reference, spacing))
    there, back = table.min(axis=1), table.min(axis=0)
    both = [*there, *back]
    counts = [0, 0, 0]
    for index in itertools.product(*(range(length) for length in prediction.shape)):
        counts[0] += bool(prediction[index])
        counts[1] += bool(reference[index])
        counts[2] += bool(prediction[index] and reference[index])
    voxel_ml = math.prod(spacing) / 1000 if len(spacing) == 3 else math.nan
    return {
        "dice": 2 * counts[2] / (counts[0] + counts[1]),
        "hd95_mm": max(linear_percentile(there, 95), linear_percentile(back, 95)),
        "asd_mm": sum(both) / len(both),
        "surface_dice": sum(distance <= tolerance_mm for distance in both) / len(both),
        "rvd": (counts[0] - counts[1]) / counts[1],
        "abs_rvd": abs(counts[0] - counts[1]) / counts[1],
        "prediction_ml": counts[0] * voxel_ml,
        "reference_ml": counts[1] * voxel_ml,
    }
