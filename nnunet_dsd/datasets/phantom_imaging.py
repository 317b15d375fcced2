"""Imaging of the phantom: tissue intensities, partial volume, bias field and noise, as in a magnitude MR image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from nnunet_dsd.datasets.phantom_anatomy import Anatomy, Field, smooth_noise

# Mean intensity per tissue, as a fraction of white matter in T1-weighted MRI.
WHITE_MATTER, GREY_MATTER, FLUID = 1.0, 0.70, 0.22
BULB, TAIL, LOOKALIKE = 0.72, 0.66, 0.70


def fraction_inside(distance_mm: Field, *, edge_mm: float = 1.0) -> Field:
    """Fraction of a voxel `edge_mm` wide that lies inside a surface at signed distance `distance_mm`."""
    return np.clip(0.5 - distance_mm / edge_mm, 0.0, 1.0)


def blend(below: Field, value: float, fraction: Field) -> Field:
    """Cover an intensity map with a tissue of intensity `value` that fills `fraction` of each voxel."""
    return below * (1.0 - fraction) + value * fraction


def tissue_intensities(rng: np.random.Generator, anatomy: Anatomy) -> Field:
    """Noise-free intensities (fractions of white matter) on the anatomy's grid; means vary by 3 % between cases."""
    spread = rng.normal(1.0, 0.03, size=6)
    intensity = np.full(anatomy.structure.shape, WHITE_MATTER)
    intensity = blend(intensity, GREY_MATTER * spread[0], fraction_inside(anatomy.cortex))
    clear = fraction_inside(anatomy.structure - rng.uniform(0.5, 2.0))
    intensity = blend(intensity, WHITE_MATTER * spread[1], clear)
    intensity = blend(intensity, LOOKALIKE * spread[2], fraction_inside(anatomy.lookalikes))
    intensity = blend(intensity, FLUID * spread[3], fraction_inside(anatomy.fluid))
    in_bulb = fraction_inside(anatomy.division)
    structure = blend(np.full_like(intensity, TAIL * spread[4]), BULB * spread[5], in_bulb)
    inside = fraction_inside(anatomy.structure)
    return intensity * (1.0 - inside) + structure * inside


def acquire(
    rng: np.random.Generator,
    intensities: Field,
    *,
    spacing_mm: tuple[float, float, float],
    slices_per_voxel: int,
    noise: float = 0.045,
) -> NDArray[np.int16]:
    """Turn fine intensities into an image: blur, thick slices, bias field, Rician noise, scanner units.

    Args:
        rng: source of randomness.
        intensities: noise-free, shape (Z * slices_per_voxel, Y, X), white matter 1.
        spacing_mm: voxel size of the result, (z, y, x).
        slices_per_voxel: fine slices that one thick slice averages.
        noise: standard deviation of each channel of the complex noise, as a fraction of white matter.

    Returns:
        Image of shape (Z, Y, X), white matter at about 500 to 800.
    """
    blurred = gaussian_filter(intensities, [0.0, 0.5, 0.5], mode="nearest")
    thick = average_slices(blurred, slices_per_voxel)
    bias = np.exp(0.08 * smooth_noise(rng, thick.shape, spacing_mm, scale_mm=16.0))
    real = thick * bias + noise * rng.standard_normal(thick.shape)
    imaginary = noise * rng.standard_normal(thick.shape)
    return np.round(rng.uniform(500, 800) * np.hypot(real, imaginary)).astype(np.int16)


def average_slices(volume: Field, slices_per_voxel: int) -> Field:
    """Average groups of neighbouring slices: (Z * slices_per_voxel, Y, X) to (Z, Y, X)."""
    depth, height, width = volume.shape
    groups = volume.reshape(depth // slices_per_voxel, slices_per_voxel, height, width)
    return np.asarray(groups.mean(axis=1), dtype=np.float64)
