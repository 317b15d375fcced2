"""Patches of preprocessed images: where they lie in the image and in space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.volumes import as_image, write_nifti
from nnunet_dsd.trainers.finished import PreparedImage


@dataclass(frozen=True)
class Patch:
    """A box on the voxels of a prepared image, along the model's axes; it may reach over the image.

    Attributes:
        prepared: The image.
        start: First voxel.
        size: Voxels per axis, three; a 2D configuration's patch is one voxel thick.
    """

    prepared: PreparedImage
    start: tuple[int, ...]
    size: tuple[int, ...]

    def positions(self) -> list[NDArray[np.float64]]:
        """Where the patch's voxels lie along each of the model's axes, in voxels of the image, from 0 at a centre."""
        return [
            np.asarray(low + (np.arange(first, first + count) + 0.5) * factor - 0.5, dtype=np.float64)
            for low, first, count, factor in zip(
                self.prepared.crop_start, self.start, self.size, _factors(self.prepared), strict=True
            )
        ]

    def image(self) -> NDArray[np.float32]:
        """What the network is given, shape (C, *size), zero beyond the image as in nnU-Net."""
        shape = self.prepared.array.shape[1:]
        inside = [
            slice(max(0, first), min(limit, first + count))
            for first, count, limit in zip(self.start, self.size, shape, strict=True)
        ]
        margins = [
            (part.start - first, first + count - part.stop)
            for part, first, count in zip(inside, self.start, self.size, strict=True)
        ]
        index = (slice(None), *inside)
        return np.pad(self.prepared.array[index], [(0, 0), *margins])

    def nearest(self, labels: NDArray[Any]) -> NDArray[Any]:
        """Look up a label image on the patch's voxels, nearest neighbour, zero beyond the image.

        Args:
            labels: Shape (Z, Y, X) of the image as read.
        """
        found = np.transpose(labels, self.prepared.transpose)
        for axis, positions in enumerate(self.positions()):
            index, limit = np.floor(positions + 0.5).astype(int), found.shape[axis]
            found = np.take(found, np.clip(index, 0, limit - 1), axis=axis)
            found[(slice(None),) * axis + ((index < 0) | (index >= limit),)] = 0
        return found

    def slice_through(self, centre: Sequence[float]) -> int:
        """Index along the model's first axis of the slice nearest to a voxel `(z, y, x)` of the image."""
        return int(np.argmin(np.abs(self.positions()[0] - centre[self.prepared.transpose[0]])))


def place_patch(prepared: PreparedImage, centre: Sequence[float], patch_size: Sequence[int]) -> Patch:
    """Put a patch around a voxel of the image.

    It is moved so that it stays within the image, as those of nnU-Net's sliding window; along an axis where the image
    is smaller than the patch, the image lies in its middle.

    Args:
        prepared: The image as the model sees it.
        centre: Voxel `(z, y, x)` of the image as read.
        patch_size: Of the model, two axes or three.
    """
    shape = prepared.array.shape[1:]
    size = (1,) * (len(shape) - len(patch_size)) + tuple(patch_size)
    middle = [
        (centre[axis] - low + 0.5) / factor - 0.5
        for axis, low, factor in zip(prepared.transpose, prepared.crop_start, _factors(prepared), strict=True)
    ]
    start = [
        int(np.clip(round(position - (count - 1) / 2), 0, limit - count)) if limit >= count else -((count - limit) // 2)
        for position, count, limit in zip(middle, size, shape, strict=True)
    ]
    return Patch(prepared, tuple(start), size)


def image_voxel(prepared: PreparedImage, voxel: Sequence[float]) -> tuple[float, ...]:
    """Return the voxel `(z, y, x)` of the image as read, for one of the prepared image."""
    along = [
        low + (position + 0.5) * factor - 0.5
        for low, position, factor in zip(prepared.crop_start, voxel, _factors(prepared), strict=True)
    ]
    return tuple(along[axis] for axis in np.argsort(prepared.transpose))


def model_spacing_mm(prepared: PreparedImage, geometry: Geometry) -> tuple[float, ...]:
    """Return the distance of neighbouring voxels along the model's axes; `geometry` is that of the image as read."""
    spacing = _three_axes(geometry).array_spacing_mm
    return tuple(spacing[axis] * factor for axis, factor in zip(prepared.transpose, _factors(prepared), strict=True))


def middle_voxel(mask: NDArray[np.bool_], spacing_mm: Sequence[float]) -> tuple[int, ...]:
    """Return the voxel of a mask (any axes, not empty) that is nearest to its centre of mass, so it lies inside."""
    voxels = np.argwhere(mask)
    distances = np.linalg.norm((voxels - voxels.mean(axis=0)) * np.asarray(spacing_mm), axis=1)
    return tuple(int(index) for index in voxels[np.argmin(distances)])


def write_patch(path: Path, volume: NDArray[np.float32], patch: Patch, geometry: Geometry) -> None:
    """Write values on a patch, shape `size` along the model's axes, as an image that lies where the patch lies.

    Args:
        path: The file.
        volume: The values.
        patch: Where they are.
        geometry: Of the image that the patch is of; a flat one gives a flat file.
    """
    back = np.argsort(patch.prepared.transpose)
    spacing = [model_spacing_mm(patch.prepared, geometry)[axis] for axis in back]
    first = np.array([patch.positions()[axis][0] for axis in back])[::-1]
    whole = _three_axes(geometry)
    offset = np.reshape(whole.direction, (3, 3)) @ (first * np.array(whole.spacing_mm))
    axes = len(geometry.size)
    values = np.transpose(volume, back)
    place = Geometry(
        size=values.shape[::-1][:axes],
        spacing_mm=tuple(float(value) for value in spacing[::-1][:axes]),
        origin_mm=tuple(float(value) for value in (np.array(whole.origin_mm) + offset)[:axes]),
        direction=geometry.direction,
    )
    write_nifti(path, as_image(values if axes == 3 else values[0], place))


def _factors(prepared: PreparedImage) -> tuple[float, ...]:
    """Voxels of the image per voxel of the model, along the model's axes."""
    return tuple(cropped / count for cropped, count in zip(prepared.crop_shape, prepared.array.shape[1:], strict=True))


def _three_axes(geometry: Geometry) -> Geometry:
    """Return a flat image's geometry with a third axis, one voxel of 1 mm."""
    if len(geometry.size) == 3:
        return geometry
    direction = np.eye(3)
    direction[:2, :2] = np.reshape(geometry.direction, (2, 2))
    return Geometry(
        (*geometry.size, 1), (*geometry.spacing_mm, 1.0), (*geometry.origin_mm, 0.0), tuple(direction.ravel().tolist())
    )
