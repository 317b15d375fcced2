"""Geometry of the phantom: a bulb and a tail that touch, among look-alikes, bent differently in every case.

Everything is a signed distance in mm (negative inside) on a grid of points in mm, axes (z, y, x), origin in the middle
of the image. The model is loosely that of a hippocampus on T1-weighted MRI, with a head and a body of equal contrast.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

Field = NDArray[np.float64]

CENTRELINE_POINTS = 24


@dataclass(frozen=True)
class Anatomy:
    """Signed distances in mm, each of shape (Z, Y, X), negative inside.

    `structure` is the bulb and the tail together; `division` is negative on the bulb's side.
    """

    structure: Field
    division: Field
    lookalikes: Field
    fluid: Field
    cortex: Field


def grid_mm(shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]) -> Field:
    """Positions of the voxel centres, shape (3, Z, Y, X), in mm from the middle of the image."""
    axes = [(np.arange(count) - (count - 1) / 2) * step for count, step in zip(shape, spacing_mm, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def smooth_noise(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float], *, scale_mm: float
) -> Field:
    """Gaussian random field of zero mean and unit standard deviation whose features are about `scale_mm` wide."""
    noise = gaussian_filter(rng.standard_normal(shape), [scale_mm / step for step in spacing_mm], mode="wrap")
    return np.asarray((noise - noise.mean()) / noise.std(), dtype=np.float64)


def bent_grid_mm(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> Field:
    """Grid positions in the anatomy's own frame, shape (3, Z, Y, X): smooth deformation, rotation, shift and size."""
    positions = grid_mm(shape, spacing_mm)
    displacement = np.stack([smooth_noise(rng, shape, spacing_mm, scale_mm=9.0) for _ in range(3)])
    shift = rng.uniform(-3.0, 3.0, size=(3, 1, 1, 1))
    moved = positions + displacement - shift
    rotated = np.tensordot(rotation_matrix(rng.uniform(-0.3, 0.3, size=3)), moved, axes=1)
    return np.asarray(rotated / rng.uniform(0.88, 1.12), dtype=np.float64)


def rotation_matrix(angles: NDArray[np.float64]) -> Field:
    """Rotation by `angles` (radians) about the axes z, y and x in turn, shape (3, 3)."""
    matrix = np.eye(3)
    for axis, angle in enumerate(angles):
        first, second = [other for other in range(3) if other != axis]
        turn = np.eye(3)
        turn[first, first] = turn[second, second] = np.cos(angle)
        turn[first, second], turn[second, first] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix


def build_anatomy(
    rng: np.random.Generator, shape: tuple[int, int, int], spacing_mm: tuple[float, float, float]
) -> Anatomy:
    """Draw one anatomy on a grid of `shape` (Z, Y, X) voxels of `spacing_mm` (z, y, x)."""
    positions = bent_grid_mm(rng, shape, spacing_mm)
    centres, radii, division_at = centreline(rng)
    structure = tube(positions, centres, radii)
    lookalikes = draw_lookalikes(rng, positions, centres, radii)
    beside = centres + np.array([1.0, 0.0, 1.0]) * (radii[:, None] + 2.0)
    return Anatomy(
        structure=structure,
        division=plane(positions, centres[division_at], centres[division_at + 1] - centres[division_at - 1]),
        lookalikes=lookalikes,
        fluid=tube(positions, beside[4:], np.full(len(beside) - 4, rng.uniform(1.2, 2.2))),
        cortex=2.2 * np.abs(smooth_noise(rng, shape, spacing_mm, scale_mm=5.0)) - 0.9,
    )


def centreline(rng: np.random.Generator) -> tuple[Field, Field, int]:
    """Centres (N, 3) and radii (N,) in mm along the structure, bulb first, and the index where bulb and tail meet."""
    along = np.linspace(0.0, 1.0, CENTRELINE_POINTS)
    length, bend = rng.uniform(25.0, 29.0), rng.uniform(3.0, 6.5)
    centres = np.stack([4.0 * (along - 0.5), length * (along - 0.5), bend * (2 * along - 1) ** 2 - bend / 2], axis=1)
    bulb = np.exp(-(((along - 0.1) / 0.24) ** 2))
    radii = rng.uniform(4.8, 5.5) + rng.uniform(2.0, 2.8) * bulb - 1.2 * along**2
    return centres, radii, round(rng.uniform(0.36, 0.44) * (CENTRELINE_POINTS - 1))


def tube(positions: Field, centres: Field, radii: Field) -> Field:
    """Signed distance to the union of balls with `centres` (N, 3) and `radii` (N,), shape (Z, Y, X)."""
    distance = np.full(positions.shape[1:], np.inf)
    for centre, radius in zip(centres, radii, strict=True):
        offset = positions - centre[:, None, None, None]
        distance = np.minimum(distance, np.sqrt((offset**2).sum(axis=0)) - radius)
    return distance


def plane(positions: Field, point: Field, normal: Field) -> Field:
    """Signed distance to the plane through `point` (3,) with `normal` (3,), shape (Z, Y, X)."""
    unit = normal / np.linalg.norm(normal)
    return np.asarray(np.tensordot(unit, positions - point[:, None, None, None], axes=1), dtype=np.float64)


def draw_lookalikes(rng: np.random.Generator, positions: Field, centres: Field, radii: Field) -> Field:
    """Signed distance to blobs of the structure's intensity: one in front of the bulb, others around, none touching."""
    front = centres[0] + np.array([rng.uniform(1, 4), -(radii[0] + rng.uniform(6.5, 8.0)), rng.uniform(-3, 3)])
    distance = tube(positions, front[None] + rng.normal(0, 1.5, (4, 3)), rng.uniform(3.0, 4.5, 4))
    for _ in range(4):
        direction = rng.standard_normal(3) * np.array([1.0, 0.4, 1.0])
        centre = centres[rng.integers(len(centres))] + direction / np.linalg.norm(direction) * rng.uniform(15, 19)
        distance = np.minimum(distance, tube(positions, centre + rng.normal(0, 2.0, (3, 3)), rng.uniform(2, 4.5, 3)))
    gap_mm = 1.3
    return np.maximum(distance, gap_mm - tube(positions, centres, radii))
