"""Resampling as nnU-Net does it, one channel at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunet_dsd.deploy.runtime.description import Resampling

ANISOTROPIC = 3.0  # longest voxel edge over the shortest, beyond which planes are resampled by themselves


def resampled_shape(shape: Sequence[int], spacing: Sequence[float], wanted: Sequence[float]) -> tuple[int, ...]:
    """Return the voxels per axis of an image at another spacing, in mm per axis."""
    return tuple(round(old / new * size) for size, old, new in zip(shape, spacing, wanted, strict=True))


def separate_axis(spacing: Sequence[float], wanted: Sequence[float], separate: bool | None) -> int | None:
    """Return the axis across which planes are resampled by themselves; None: all axes are alike.

    Args:
        spacing: What the image has, in mm per axis.
        wanted: What it is to have.
        separate: Whether to, as `Resampling.separate_z` says.
    """
    if separate is None:
        coarse = next((one for one in (spacing, wanted) if max(one) / min(one) > ANISOTROPIC), None)
    else:
        coarse = spacing if separate else None
    if coarse is None:
        return None
    longest = [axis for axis, value in enumerate(coarse) if max(coarse) / value == 1]
    return longest[0] if len(longest) == 1 else None


def resample(
    volume: NDArray[Any], shape: Sequence[int], how: Resampling, axis: int | None
) -> NDArray[np.float32] | NDArray[np.float64]:
    """Return a volume `(*S)` with other voxels per axis, its corners in the same place.

    Args:
        volume: Of any type.
        shape: Voxels per axis.
        how: Orders of the splines.
        axis: From `separate_axis`.
    """
    if tuple(volume.shape) == tuple(shape):
        return volume.astype(np.float32, copy=False)
    if axis is None:
        return _resize(volume, shape, how.order)
    planes = [size if one != axis else volume.shape[axis] for one, size in enumerate(shape)]
    if how.order <= 1:
        flat = _resize(volume, planes, how.order)
    else:
        flat_shape = [*shape[:axis], *shape[axis + 1 :]]
        moved = [_resize(plane, flat_shape, how.order) for plane in np.moveaxis(volume, axis, 0)]
        flat = np.stack(moved, axis=axis)
    if flat.shape[axis] == shape[axis]:
        return flat
    if how.order_z == 0:
        return np.take(flat, _nearest(flat.shape[axis], shape[axis]), axis=axis)
    factors = [1.0 if one != axis else shape[axis] / flat.shape[axis] for one in range(flat.ndim)]
    return np.asarray(ndimage.zoom(flat, factors, order=how.order_z, mode="nearest", grid_mode=True))


def _resize(volume: NDArray[Any], shape: Sequence[int], order: int) -> NDArray[Any]:
    if order == 1:
        result = volume.astype(np.float32, copy=False)
        for axis in sorted(range(volume.ndim), key=lambda one: shape[one] / volume.shape[one]):  # what shrinks first
            result = _linear(result, shape[axis], axis)
        return result
    exact = volume.astype(np.float64, copy=False)
    factors = [new / old for new, old in zip(shape, exact.shape, strict=True)]
    zoomed: NDArray[Any] = ndimage.zoom(exact, factors, order=order, mode="nearest", grid_mode=True)
    return np.clip(zoomed, exact.min(), exact.max(), out=zoomed)  # splines overshoot; nnU-Net's resize does the same


def _linear(volume: NDArray[np.float32], size: int, axis: int) -> NDArray[np.float32]:
    old = volume.shape[axis]
    if old == size:
        return volume
    places = np.clip((np.arange(size) + 0.5) * (old / size) - 0.5, 0, old - 1)
    lower = np.minimum(places.astype(np.intp), old - 1)
    upper = np.minimum(lower + 1, old - 1)
    share = (places - lower).astype(np.float32).reshape([-1 if one == axis else 1 for one in range(volume.ndim)])
    first = np.take(volume, lower, axis=axis)
    return np.asarray(first + (np.take(volume, upper, axis=axis) - first) * share, dtype=np.float32)


def _nearest(old: int, size: int) -> NDArray[np.intp]:
    places = (old / size) * (np.arange(size) + 0.5) - 0.5
    return np.asarray(np.clip(np.floor(places + 0.5), 0, old - 1), dtype=np.intp)
