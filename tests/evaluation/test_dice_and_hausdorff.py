"""Dice and Hausdorff distance against closed forms and an oracle written with scipy's distance transform."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.ndimage import binary_erosion, distance_transform_edt, gaussian_filter

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.evaluation.distances import surface_distances
from nnunet_dsd.evaluation.overlap import dice

SPACING = (2.5, 1.0, 0.5)


def hausdorff_mm(
    first: np.ndarray, second: np.ndarray, *, spacing_mm: tuple[float, ...], percentile: float = 95
) -> float:
    return surface_distances(first, second, spacing_mm=spacing_mm).hausdorff_mm(percentile)


def box(shape: tuple[int, ...], corner: tuple[int, ...], size: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[tuple(slice(start, start + length) for start, length in zip(corner, size, strict=True))] = True
    return mask


def ball(radius_mm: float, spacing: tuple[float, ...], extent_mm: float) -> np.ndarray:
    axes = [np.arange(-extent_mm, extent_mm + 1e-6, step) for step in spacing]
    return sum(axis**2 for axis in np.meshgrid(*axes, indexing="ij")) <= radius_mm**2


def oracle_hausdorff(first: np.ndarray, second: np.ndarray, spacing: tuple[float, ...], percentile: float) -> float:
    surfaces = [mask & ~binary_erosion(mask) for mask in (first, second)]
    directed = []
    for here, there in (surfaces, surfaces[::-1]):
        directed.append(np.percentile(distance_transform_edt(~there, sampling=spacing)[here], percentile))
    return max(directed)


@pytest.mark.parametrize("shift", [0, 1, 3, 10])
def test_dice_of_shifted_boxes_is_the_overlapping_fraction(shift: int) -> None:
    first, second = box((30, 6, 6), (2, 1, 1), (10, 4, 4)), box((30, 6, 6), (2 + shift, 1, 1), (10, 4, 4))
    assert dice(first, second) == pytest.approx((10 - shift) / 10)


def test_dice_of_concentric_balls_is_that_of_their_volumes() -> None:
    small, large = ball(8, (0.5, 0.5, 0.5), 11), ball(10, (0.5, 0.5, 0.5), 11)
    assert dice(small, large) == pytest.approx(2 * 8**3 / (8**3 + 10**3), abs=0.01)


def test_dice_is_undefined_without_the_structure_and_zero_when_it_is_missed() -> None:
    empty, some = np.zeros((4, 4), dtype=bool), box((4, 4), (0, 0), (2, 2))
    assert math.isnan(dice(empty, empty))
    assert dice(empty, some) == dice(some, empty) == 0.0


@pytest.mark.parametrize(("axis", "expected"), [(0, 7.5), (1, 3.0), (2, 1.5)])
def test_hausdorff_of_boxes_three_voxels_apart_is_three_spacings(axis: int, expected: float) -> None:
    corner = [4, 4, 4]
    corner[axis] += 3
    first, second = box((20, 20, 20), (4, 4, 4), (8, 8, 8)), box((20, 20, 20), tuple(corner), (8, 8, 8))
    assert hausdorff_mm(first, second, spacing_mm=SPACING, percentile=100) == pytest.approx(expected)


def test_hd95_of_parallel_plates_is_their_distance() -> None:
    first, second = box((9, 30, 30), (2, 1, 1), (1, 28, 28)), box((9, 30, 30), (4, 1, 1), (1, 28, 28))
    assert hausdorff_mm(first, second, spacing_mm=SPACING) == pytest.approx(2 * 2.5)


def test_hd95_of_single_voxels_is_the_distance_of_their_centres() -> None:
    first, second = box((9, 9, 9), (1, 2, 3), (1, 1, 1)), box((9, 9, 9), (3, 5, 7), (1, 1, 1))
    expected = math.sqrt((2 * 2.5) ** 2 + 3**2 + (4 * 0.5) ** 2)
    assert hausdorff_mm(first, second, spacing_mm=SPACING) == pytest.approx(expected)


def test_hd95_of_concentric_balls_is_the_difference_of_radii_within_a_voxel() -> None:
    spacing = (1.0, 0.5, 0.5)
    small, large = ball(8, spacing, 12), ball(11, spacing, 12)
    assert hausdorff_mm(small, large, spacing_mm=spacing) == pytest.approx(3.0, abs=0.5)


def test_hd95_leaves_out_a_far_speck_that_the_maximum_counts() -> None:
    plate = box((5, 40, 40), (2, 2, 2), (1, 30, 30))
    with_speck = plate | box((5, 40, 40), (2, 38, 38), (1, 1, 1))
    assert hausdorff_mm(with_speck, plate, spacing_mm=(1, 1, 1)) == 0.0
    assert hausdorff_mm(with_speck, plate, spacing_mm=(1, 1, 1), percentile=100) == pytest.approx(7 * math.sqrt(2))


@pytest.mark.parametrize("shape", [(14, 18, 16), (40, 30)])
@pytest.mark.parametrize("percentile", [95.0, 100.0])
@pytest.mark.parametrize("seed", range(5))
def test_hausdorff_equals_the_oracle_on_random_shapes(shape: tuple[int, ...], percentile: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    spacing = tuple(rng.uniform(0.4, 3.0, size=len(shape)))
    first, second = (gaussian_filter(rng.standard_normal(shape), 1.5) > 0.1 for _ in range(2))
    expected = oracle_hausdorff(first, second, spacing, percentile)
    assert hausdorff_mm(first, second, spacing_mm=spacing, percentile=percentile) == pytest.approx(expected, rel=1e-5)
    assert hausdorff_mm(second, first, spacing_mm=spacing, percentile=percentile) == pytest.approx(expected, rel=1e-5)


def test_hausdorff_without_a_surface_is_undefined() -> None:
    empty, some = np.zeros((4, 4, 4), dtype=bool), box((4, 4, 4), (0, 0, 0), (2, 2, 2))
    for first, second in ((empty, some), (some, empty), (empty, empty)):
        assert math.isnan(hausdorff_mm(first, second, spacing_mm=SPACING))


def test_hausdorff_of_equal_masks_that_fill_the_image_is_zero() -> None:
    full = np.ones((4, 5, 6), dtype=bool)
    assert hausdorff_mm(full, full, spacing_mm=SPACING) == 0.0


def test_masks_of_different_shapes_are_refused() -> None:
    first, second = np.ones((2, 3), dtype=bool), np.ones((3, 2), dtype=bool)
    with pytest.raises(ShapeError, match=r"\(2, 3\) and \(3, 2\)"):
        dice(first, second)
    with pytest.raises(ShapeError, match="spacing of 2 numbers"):
        hausdorff_mm(first, second, spacing_mm=(1, 1))
    with pytest.raises(ShapeError, match="spacing of 3 numbers"):
        hausdorff_mm(first, first, spacing_mm=(1, 1, 1))
