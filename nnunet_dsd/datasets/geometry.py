"""Where images lie in space, and whether two lie on the same voxels."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Headers of one scan differ by rounding; a label shifted by less than this fraction of a voxel is the same label.
CORNER_TOLERANCE_VOXELS = 0.1
# A spacing or an origin that differs by more is named; with fewer than 1000 voxels per axis less does not add up.
NAMED_DIFFERENCE_VOXELS = 1e-4
RIGHT_ANGLE_TOLERANCE = 2e-5  # SimpleITK reads axes that are off by less than 1e-4, and straightens them
TO_LPS = (-1.0, -1.0, 1.0)  # from NIfTI's coordinates, whose first two axes point the other way


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in space. All in SimpleITK's order (x, y, z) and its LPS coordinates; lengths in mm.

    An image has 3 axes, or 2.

    Attributes:
        size: voxels per axis.
        spacing_mm: distance of neighbouring voxel centres per axis, above 0, as nnU-Net has it.
        origin_mm: position of the first voxel's centre.
        direction: row-major square matrix whose columns are the axes; these need not be at right angles.
        is_physical: False where the file does not say how large a voxel is, as PNG: lengths are in voxels then.
    """

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]
    is_physical: bool = True

    @property
    def array_spacing_mm(self) -> tuple[float, ...]:
        """Spacing along the axes of the array: (z, y, x), or (y, x)."""
        return self.spacing_mm[::-1]

    @property
    def is_orthogonal(self) -> bool:
        """Whether the axes are at right angles and of length 1, as SimpleITK needs them."""
        axes = np.reshape(self.direction, (len(self.size), len(self.size)))
        return bool(np.allclose(axes.T @ axes, np.eye(len(axes)), rtol=0, atol=RIGHT_ANGLE_TOLERANCE))

    def affine(self) -> NDArray[np.float64]:
        """Return the matrix of shape (4, 4) from voxels (x, y, z) to mm in NIfTI's coordinates; of a flat image too."""
        axes = len(self.size)
        result = np.eye(4)
        result[:axes, :axes] = np.reshape(self.direction, (axes, axes)) * np.array(self.spacing_mm)
        result[:axes, 3] = self.origin_mm
        return np.asarray(np.diag([*TO_LPS, 1.0]) @ result)

    def corners_mm(self) -> NDArray[np.float64]:
        """Positions of the corner voxels' centres, shape (8, 3), or (4, 2)."""
        axes = np.reshape(self.direction, (len(self.size), len(self.size))) * np.array(self.spacing_mm)
        last = [(0, count - 1) for count in self.size]
        indices = np.array(list(itertools.product(*last)), dtype=np.float64)
        return np.asarray(indices @ axes.T + np.array(self.origin_mm))


def geometry_of_axes(
    size: Sequence[int], spacing: Sequence[float], origin: Sequence[float], axes: NDArray[np.float64]
) -> Geometry:
    """Build a geometry of the steps between voxels, one per column, which need not have the spacing as their lengths.

    Args:
        size: voxels per axis.
        spacing: distance of neighbouring voxels as nnU-Net has it; its sign is left away.
        origin: position of the first voxel's centre.
        axes: shape (N, N), in mm.
    """
    lengths = np.abs(np.asarray(spacing, dtype=np.float64))
    return Geometry(
        size=tuple(int(count) for count in size),
        spacing_mm=tuple(lengths.tolist()),
        origin_mm=tuple(float(value) for value in origin),
        direction=tuple((axes / lengths).ravel().tolist()),
    )


def geometry_of_pixels(size: Sequence[int]) -> Geometry:
    """Return the geometry of an image whose file says nothing of voxel sizes: distances are counted in voxels."""
    axes = len(size)
    return Geometry(tuple(size), (1.0,) * axes, (0.0,) * axes, tuple(np.eye(axes).ravel().tolist()), is_physical=False)


def geometry_difference(image: Geometry, label: Geometry) -> str | None:
    """Say how two volumes fail to lie on the same voxels; None if they do."""
    return "; ".join(geometry_differences(image, label, names=("image", "label"))) or None


def geometry_differences(first: Geometry, second: Geometry, *, names: tuple[str, str]) -> list[str]:
    """Say in which properties, and by how much, the second image does not lie on the first one's voxels.

    It does if the sizes are equal and no corner of one is further from the other's than `CORNER_TOLERANCE_VOXELS` of
    the first one's smallest voxel side. That bounds spacing, origin and direction at once, by what they do to a voxel.
    Where one of the files says nothing of space, the sizes alone are compared.
    """
    if first.size != second.size:
        return [_both("size", first, second, names)]
    if not (first.is_physical and second.is_physical):
        return []
    distance = float(np.linalg.norm(first.corners_mm() - second.corners_mm(), axis=1).max())
    allowed = CORNER_TOLERANCE_VOXELS * min(first.spacing_mm)
    if distance <= allowed:
        return []
    length = NAMED_DIFFERENCE_VOXELS * min(first.spacing_mm)
    limits = {"spacing_mm": length, "origin_mm": length, "direction": 1e-4}
    return [f"corners are up to {distance:.3g} mm apart, allowed are {allowed:.3g} mm"] + [
        _both(name, first, second, names)
        for name, limit in limits.items()
        if not np.allclose(getattr(first, name), getattr(second, name), rtol=0, atol=limit)
    ]


def _both(name: str, first: Geometry, second: Geometry, names: tuple[str, str]) -> str:
    got, expected = (
        tuple(float(f"{value:.6g}") if isinstance(value, float) else value for value in getattr(each, name))
        for each in (second, first)
    )
    return f"{name} {got} in the {names[1]}, {expected} in the {names[0]}"
