"""Distances between the surfaces of two masks, and the measures made of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion
from scipy.spatial import KDTree

from nnunet_dsd.common.errors import ShapeError

LEAF_SIZE = 32  # of the tree of a surface's voxels: MONAI's choice, for a tree that is asked once

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
    """Measure the distances between the surfaces of two masks, as MONAI does.

    They are those of `monai.metrics.utils.get_edge_surface_distance`, which a test compares bit by bit; calling it
    would load MONAI and torch, ten seconds in every process that evaluates a few cases.

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
    surfaces = [_surface_mm(mask, spacing_mm) for mask in (prediction, reference)]
    return SurfaceDistances(_nearest_mm(*surfaces), _nearest_mm(*reversed(surfaces)))


def _surface_mm(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> NDArray[np.float64]:
    """Return the places in mm of the voxels of a mask's surface, `(voxels, axes)`."""
    voxels = np.argwhere(binary_erosion(mask) ^ mask).astype(np.float64)
    return voxels * np.asarray(spacing_mm, dtype=np.float64)


def _nearest_mm(places: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return each place's distance to the nearest of the others, `(places,)`; infinite where there are none."""
    if not len(others):
        return np.full(len(places), math.inf)
    distances: NDArray[np.float32] = KDTree(others, leafsize=LEAF_SIZE).query(places)[0].astype(np.float32)
    return distances.astype(np.float64)


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
