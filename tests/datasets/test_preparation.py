"""Orientation, resampling and clipping: structures stay where they are in the world, whatever the header says."""

import itertools

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import OBLIQUE, rotation

from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.preparation import Preparation, prepare_image, prepare_label, prepared_voxels, resampled_size

PAPER = Preparation(orientation="RAS", spacing_mm=(1.5, 1.5, 2.0))
SPACING = (0.7, 0.9, 2.6)
ORIGIN = (-40.0, 25.0, 110.0)
# A linear intensity: what trilinear interpolation reproduces exactly between voxel centres.
SLOPE, OFFSET = np.array([2.0, -3.0, 0.5]), 40.0


def signed_permutations():
    """Every way in which three axes may be swapped and flipped, right-handed or not."""
    for order in itertools.permutations(range(3)):
        for signs in itertools.product((1, -1), repeat=3):
            yield np.eye(3)[:, order] * np.array(signs)


DIRECTIONS = [OBLIQUE @ matrix for matrix in signed_permutations()] + [np.eye(3), rotation(30, (0, 2))]
each_direction = pytest.mark.parametrize("direction", DIRECTIONS, ids=range(len(DIRECTIONS)))


def positions_mm(image):
    """World position (LPS, mm) of every voxel's centre by the NIfTI formula, shape (Z, Y, X, 3)."""
    axes = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    k, j, i = np.meshgrid(*(np.arange(count) for count in reversed(image.GetSize())), indexing="ij")
    return np.stack([i, j, k], axis=-1) @ axes.T + np.array(image.GetOrigin())


def blank(direction, *, size=(30, 24, 12), spacing=SPACING):
    image = sitk.Image(size, sitk.sitkFloat32)
    image.SetSpacing(spacing)
    image.SetOrigin(ORIGIN)
    image.SetDirection(direction.ravel().tolist())
    return image


def filled(image, array):
    result = sitk.GetImageFromArray(array)
    result.CopyInformation(image)
    return result


def ramp(direction, **options):
    image = blank(direction, **options)
    return filled(image, (positions_mm(image) @ SLOPE + OFFSET).astype(np.float32))


def inside_centres(points, image):
    """Whether world points lie between the outermost voxel centres of an image."""
    axes = np.array(image.GetDirection()).reshape(3, 3) @ np.diag(image.GetSpacing())
    indices = (points - np.array(image.GetOrigin())) @ np.linalg.inv(axes).T
    return np.all((indices >= 0) & (indices <= np.array(image.GetSize()) - 1), axis=-1)


@each_direction
def test_a_linear_intensity_keeps_its_value_at_every_point_of_the_world(direction):
    image = ramp(direction)
    prepared = prepare_image(image, PAPER)
    points = positions_mm(prepared)
    between = inside_centres(points, image)
    assert between.mean() > 0.5
    expected = points @ SLOPE + OFFSET
    assert np.allclose(sitk.GetArrayFromImage(prepared)[between], expected[between], atol=1e-2)


@each_direction
def test_the_result_has_the_asked_spacing_and_orientation(direction):
    prepared = prepare_image(ramp(direction), PAPER)
    assert prepared.GetSpacing() == pytest.approx((1.5, 1.5, 2.0))
    axes = np.array(prepared.GetDirection()).reshape(3, 3)
    # In LPS coordinates, right, anterior and superior are -x, -y and +z.
    assert np.all(np.argmax(np.abs(axes), axis=0) == [0, 1, 2])
    assert np.all(np.sign(np.diag(axes)) == [-1, -1, 1])


@each_direction
def test_a_box_keeps_its_place_and_its_volume(direction):
    image = blank(direction, size=(60, 50, 24), spacing=(0.7, 0.9, 1.3))
    points = positions_mm(image)
    centre = points.reshape(-1, 3).mean(axis=0)
    inside = np.all(np.abs((points - centre) @ direction) <= [9.0, 12.0, 8.0], axis=-1)
    label = filled(image, inside.astype(np.uint8))
    prepared = prepare_label(label, PAPER)
    mask = sitk.GetArrayFromImage(prepared) == 1
    assert set(np.unique(sitk.GetArrayFromImage(prepared))) == {0, 1}
    volume_ml = mask.sum() * np.prod(prepared.GetSpacing()) / 1000
    # Nearest neighbour moves each face by at most half a voxel, 3 to 6 % of this box's sides.
    assert volume_ml == pytest.approx(inside.sum() * np.prod(image.GetSpacing()) / 1000, rel=0.12)
    moved_mm = np.linalg.norm(positions_mm(prepared)[mask].mean(axis=0) - points[inside].mean(axis=0))
    assert moved_mm < 1.0


@each_direction
def test_image_and_label_of_one_geometry_stay_on_the_same_voxels(direction):
    image = ramp(direction)
    label = filled(image, np.ones(image.GetSize()[::-1], np.uint8))
    prepared, prepared_label = prepare_image(image, PAPER), prepare_label(label, PAPER)
    for name in ("GetSize", "GetSpacing", "GetOrigin", "GetDirection"):
        assert getattr(prepared, name)() == getattr(prepared_label, name)()
    assert np.all(sitk.GetArrayFromImage(prepared_label) == 1)  # nothing was taken from outside


@each_direction
def test_orientation_alone_moves_voxels_without_changing_them(direction):
    image = filled(blank(direction), np.arange(30 * 24 * 12, dtype=np.int16).reshape(12, 24, 30))
    prepared = prepare_image(image, Preparation(orientation="RAS"))
    order = np.argsort(sitk.GetArrayFromImage(prepared).ravel())
    assert prepared.GetPixelID() == sitk.sitkInt16
    assert np.array_equal(np.sort(sitk.GetArrayFromImage(prepared).ravel()), np.arange(30 * 24 * 12))
    before, after = (positions_mm(volume).reshape(-1, 3) for volume in (image, prepared))
    assert np.allclose(after[order], before, atol=1e-3)


def test_labels_never_get_values_in_between():
    image = blank(OBLIQUE)
    array = np.zeros(image.GetSize()[::-1], np.uint8)
    array[:, :, 10:] = 7
    values = np.unique(sitk.GetArrayFromImage(prepare_label(filled(image, array), PAPER)))
    assert values.tolist() == [0, 7]


def test_intensities_are_clipped_after_interpolation_and_kept_in_between():
    array = np.array([[[-2000, -176, -175, 0, 250, 251, 3000]]], dtype=np.int16)
    image = sitk.GetImageFromArray(array)
    prepared = prepare_image(image, Preparation(intensity_range=(-175.0, 250.0)))
    assert prepared.GetPixelID() == sitk.sitkFloat32
    assert sitk.GetArrayFromImage(prepared).ravel().tolist() == [-175, -175, -175, 0, 250, 250, 250]


def test_unsigned_intensities_can_be_clipped_to_a_negative_limit():
    image = sitk.GetImageFromArray(np.array([[[0, 300]]], dtype=np.uint16))
    prepared = prepare_image(image, Preparation(intensity_range=(-175.0, 250.0)))
    assert sitk.GetArrayFromImage(prepared).ravel().tolist() == [0, 250]


def test_without_preparation_the_volume_is_the_same_object():
    image = ramp(OBLIQUE)
    assert prepare_image(image, Preparation()) is image
    assert prepare_label(image, Preparation()) is image


@pytest.mark.parametrize(
    ("size", "spacing", "new", "expected"),
    [
        ((10, 10, 10), (1.5, 1.5, 2.0), (1.5, 1.5, 2.0), (10, 10, 10)),
        ((512, 512, 300), (0.375, 0.375, 0.625), (1.5, 1.5, 2.0), (128, 128, 94)),
        ((1, 2, 3), (0.1, 0.1, 0.1), (1.5, 1.5, 2.0), (1, 1, 1)),
    ],
)
def test_the_extent_decides_the_number_of_voxels(size, spacing, new, expected):
    assert resampled_size(size, spacing, new) == expected


def test_the_number_of_voxels_is_foreseen():
    image = ramp(OBLIQUE, size=(60, 48, 40))
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    prepared = prepare_image(image, PAPER)
    assert prepared_voxels(geometry, PAPER) == pytest.approx(prepared.GetNumberOfPixels(), rel=0.05)
    assert prepared_voxels(geometry, Preparation(orientation="RAS")) == 60 * 48 * 40
