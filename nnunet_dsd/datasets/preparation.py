"""What is done to a volume before it is written: orientation, voxel size, range of intensities."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import SimpleITK as sitk

from nnunet_dsd.datasets.geometry import Geometry


@dataclass(frozen=True)
class Preparation:
    """What to do to volumes, in this order; None leaves a thing as it is.

    Attributes:
        orientation: three letters that say where each index grows to, for example RAS: right, anterior, superior. Axes
            are swapped and flipped to come as near to it as they can; no voxel is interpolated.
        spacing_mm: voxel size (x, y, z) of the oriented volume to interpolate to.
        intensity_range: lowest and highest intensity; what lies outside becomes the limit.
    """

    orientation: str | None = None
    spacing_mm: tuple[float, float, float] | None = None
    intensity_range: tuple[float, float] | None = None

    @property
    def changes_nothing(self) -> bool:
        """Whether volumes stay as they are."""
        return self == Preparation()


def prepare_image(image: sitk.Image, preparation: Preparation) -> sitk.Image:
    """Orient, resample (trilinear) and clip a volume; one that is resampled or clipped becomes 32-bit float."""
    if preparation.orientation is not None:
        image = sitk.DICOMOrient(image, preparation.orientation)
    if preparation.spacing_mm is not None:
        image = resample(sitk.Cast(image, sitk.sitkFloat32), preparation.spacing_mm, sitk.sitkLinear)
    if preparation.intensity_range is not None:
        low, high = preparation.intensity_range
        image = sitk.Clamp(image, sitk.sitkFloat32, lowerBound=low, upperBound=high)
    return image


def prepare_label(label: sitk.Image, preparation: Preparation) -> sitk.Image:
    """Orient and resample (nearest neighbour) a label image."""
    if preparation.orientation is not None:
        label = sitk.DICOMOrient(label, preparation.orientation)
    if preparation.spacing_mm is not None:
        label = resample(label, preparation.spacing_mm, sitk.sitkNearestNeighbor)
    return label


def resample(image: sitk.Image, spacing_mm: tuple[float, float, float], interpolator: int) -> sitk.Image:
    """Interpolate a volume on voxels of another size, along the same axes and about the same centre.

    The number of voxels is that of the extent (voxels times spacing) in the new spacing, rounded. No new voxel's centre
    lies outside the old voxels: the extent grows by less than half a new voxel, a quarter at each end.
    """
    new_size = resampled_size(image.GetSize(), image.GetSpacing(), spacing_mm)
    old_span_mm = (np.array(image.GetSize()) - 1) * np.array(image.GetSpacing())
    new_span_mm = (np.array(new_size) - 1) * np.array(spacing_mm)
    axes = np.reshape(image.GetDirection(), (3, 3))
    origin = np.array(image.GetOrigin()) + axes @ (old_span_mm - new_span_mm) / 2
    return sitk.Resample(
        image,
        list(new_size),
        sitk.Transform(),
        interpolator,
        [float(value) for value in origin],
        list(spacing_mm),
        image.GetDirection(),
    )


def resampled_size(
    size: tuple[int, ...], spacing_mm: tuple[float, ...], new_spacing_mm: tuple[float, ...]
) -> tuple[int, ...]:
    """Return how many voxels per axis cover the same extent at another voxel size, at least one."""
    extents = [count * step for count, step in zip(size, spacing_mm, strict=True)]
    return tuple(max(1, round(extent / new)) for extent, new in zip(extents, new_spacing_mm, strict=True))


def prepared_voxels(geometry: Geometry, preparation: Preparation) -> int:
    """Estimate how many voxels a volume has once it is prepared; an axis that is turned may round by one."""
    if preparation.spacing_mm is None:
        return math.prod(geometry.size)
    volume_mm3 = math.prod(geometry.size) * math.prod(geometry.spacing_mm)
    return round(volume_mm3 / math.prod(preparation.spacing_mm))
