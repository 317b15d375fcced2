"""Distances between the surfaces of two masks, and the measures made of them."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from monai.metrics.utils import get_edge_surface_distance
from numpy.typing import NDArray

from nnunet_dsd.errors import ShapeError

# Spacings and distances are float32: 1.2 mm reads as 1.20000005 from NIfTI, and a shift of one voxel is within 1.2 mm.
ROUNDING = 1e-6


@dataclass(frozen=True)
class SurfaceDistances:
    """Distance in mm of every voxel of one surface to the nearest voxel of the other, in both directions.

    Attributes:
        from_prediction: shape (voxels of the prediction's surface,); infinite if the reference is empty.
        from_reference: shape (voxels of the reference's surface,); infinite if the prediction is empty.
    """

    from_prediction: NDArray[np.float64]
    from_reference: NDArray[np.float64]

    @property
    def defined(self) -> bool:
        """Whether both masks have a surface."""
        return self.from_prediction.size > 0 and self.from_reference.size > 0

    def hausdorff_mm(self, percentile: float = 95.0) -> float:
        """Percentile of the Hausdorff distance (HD95 by default); NaN when either mask is empty.

        Each direction's percentile (linear between neighbours) is taken on its own; the larger of the two is the
        result. 100 gives the Hausdorff distance itself.
        """
        if not self.defined:
            return math.nan
        return max(float(np.percentile(side, percentile)) for side in (self.from_prediction, self.from_reference))

    def average_mm(self) -> float:
        """Average symmetric surface distance: the mean over the voxels of both surfaces; NaN when either is empty."""
        if not self.defined:
            return math.nan
        return float(np.concatenate([self.from_prediction, self.from_reference]).mean())

    def surface_dice(self, tolerance_mm: float) -> float:
        """Fraction of the voxels of both surfaces that lie within the tolerance of the other surface.

        NaN when both masks are empty, 0 when one is. It counts voxels of the surface, not its area in mm².
        """
        voxels = self.from_prediction.size + self.from_reference.size
        if voxels == 0:
            return math.nan
        limit = tolerance_mm * (1 + ROUNDING)
        within = np.count_nonzero(self.from_prediction <= limit) + np.count_nonzero(self.from_reference <= limit)
        return int(within) / voxels


def surface_distances(
    prediction: NDArray[np.bool_], reference: NDArray[np.bool_], *, spacing_mm: Sequence[float]
) -> SurfaceDistances:
    """Measure the distances between the surfaces of two masks, by MONAI.

    The surface of a mask is its voxels with a neighbour (sharing a face) outside; voxels at the image's border count
    as surface. Distances are those of the voxels' centres.

    Args:
        prediction: mask of shape (Z, Y, X), or (Y, X).
        reference: mask of the same shape.
        spacing_mm: distance of neighbouring voxels along each axis of the masks, in their order.

    Raises:
        ShapeError: if shapes differ, or the spacing has another number of axes.
    """
    require_one_shape(prediction, reference, spacing_mm)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # MONAI 1.6 calls itself with an argument it deprecates
        edges, distances, _ = get_edge_surface_distance(
            torch.from_numpy(np.ascontiguousarray(prediction)),
            torch.from_numpy(np.ascontiguousarray(reference)),
            spacing=[float(step) for step in spacing_mm],
            symmetric=True,
            warn_empty=False,
        )
    # With an empty mask MONAI returns the infinite distances of the other surface under either name, or under both.
    if not prediction.any() or not reference.any():
        return SurfaceDistances(*(np.full(int(edge.sum()), math.inf) for edge in edges))
    return SurfaceDistances(*(_as_array(side) for side in distances))


def require_one_shape(prediction: NDArray[np.bool_], reference: NDArray[np.bool_], spacing_mm: Sequence[float]) -> None:
    """Check that two masks have one shape and a spacing per axis.

    Raises:
        ShapeError: if not.
    """
    if prediction.shape != reference.shape or len(spacing_mm) != prediction.ndim:
        raise ShapeError(
            f"Masks of one shape and a spacing per axis are needed; got {prediction.shape}, {reference.shape} and a "
            f"spacing of {len(spacing_mm)} numbers."
        )


def _as_array(distances: Any) -> NDArray[np.float64]:
    return np.asarray(distances, dtype=np.float64)
