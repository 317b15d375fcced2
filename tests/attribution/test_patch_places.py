"""Where a patch lies: in the prepared image, in the image as read, and in space."""

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_dsd.attribution.patch import (
    Patch,
    image_voxel,
    middle_voxel,
    model_spacing_mm,
    place_patch,
    write_patch,
)
from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.readers.choice import named_reader
from nnunet_dsd.trainers.finished import PreparedImage

IDENTITY = (0, 1, 2)


def prepared(shape, *, transpose=IDENTITY, start=(0, 0, 0), crop=None):
    array = np.arange(np.prod(shape), dtype=np.float32).reshape(1, *shape)
    return PreparedImage(array, transpose, start, crop or shape)


def test_a_patch_lies_around_its_centre_and_within_the_image():
    image = prepared((20, 20, 20))
    assert place_patch(image, (10, 10, 10), (5, 5, 5)).start == (8, 8, 8)
    assert place_patch(image, (0, 19, 10), (4, 6, 20)).start == (0, 14, 0)


def test_a_patch_larger_than_the_image_has_it_in_its_middle_and_zeros_around():
    patch = place_patch(prepared((2, 3, 4)), (1, 1, 1), (5, 3, 6))
    assert patch.start == (-1, 0, -1)
    image = patch.image()
    assert image.shape == (1, 5, 3, 6)
    assert np.array_equal(image[0, 1:3, :, 1:5], np.arange(24).reshape(2, 3, 4))
    assert image.sum() == np.arange(24).sum()
    assert patch.nearest(np.ones((2, 3, 4), int)).sum() == 24


def test_a_flat_patch_is_the_slice_of_the_centre():
    patch = place_patch(prepared((9, 20, 20)), (7, 10, 10), (8, 8))
    assert (patch.start[0], patch.size) == (7, (1, 8, 8))
    assert patch.slice_through((7, 10, 10)) == 0


def test_positions_count_voxels_from_their_centres():
    # 10 voxels from voxel 3 on, made 5: the first covers the image's voxels 3 and 4.
    patch = Patch(prepared((5, 4, 4), start=(3, 0, 0), crop=(10, 4, 4)), (0, 0, 0), (5, 4, 4))
    assert patch.positions()[0].tolist() == [3.5, 5.5, 7.5, 9.5, 11.5]
    assert image_voxel(patch.prepared, (1, 2, 3)) == (5.5, 2.0, 3.0)


def test_a_voxel_comes_back_through_a_patch_of_transposed_resampled_axes():
    image = prepared((6, 10, 20), transpose=(2, 0, 1), start=(4, 2, 0), crop=(12, 10, 40))
    for voxel in ((5, 4, 3), (0, 0, 0), (2, 9, 17)):
        there = image_voxel(image, voxel)
        patch = place_patch(image, there, (1, 1, 1))
        assert patch.start == voxel


def test_labels_are_looked_up_where_the_patch_lies():
    labels = np.zeros((12, 16, 20), int)
    labels[4:8, 6:10, 10:14] = 1
    image = prepared((5, 3, 8), transpose=(2, 0, 1), start=(10, 4, 0), crop=(10, 6, 16))
    found = Patch(image, (0, 0, 0), (5, 3, 8)).nearest(labels)
    # along x: 10..19 by twos, covered until 13; along z: 4..9 by twos, until 7; along y: 0..15 by twos, 6..9
    expected = np.zeros((5, 3, 8), int)
    expected[0:2, 0:2, 3:5] = 1
    assert np.array_equal(found, expected)


def test_the_middle_of_a_bent_structure_lies_in_it():
    bow = np.zeros((1, 11, 11), bool)
    bow[0, 0], bow[0, :, 0], bow[0, :, 10] = True, True, True
    assert bow[middle_voxel(bow, (1, 1, 1))]
    box = np.zeros((9, 9, 9), bool)
    box[2:5, 4:7, 1:8] = True
    assert middle_voxel(box, (3, 1, 1)) == (3, 5, 4)


def turned_image(size):
    """An image turned in space, whose values are made of each voxel's place in space: a linear function."""
    image = sitk.Image(size, sitk.sitkFloat64)
    image.SetSpacing((0.8, 1.1, 2.5))
    image.SetOrigin((-30.0, 12.0, 7.0))
    angle = 0.4
    image.SetDirection((np.cos(angle), -np.sin(angle), 0, np.sin(angle), np.cos(angle), 0, 0, 0, 1))
    return image


def linear(point):
    return 1.0 * point[0] - 2.0 * point[1] + 0.5 * point[2]


@pytest.mark.parametrize("transpose", [IDENTITY, (2, 0, 1), (1, 2, 0)])
def test_a_written_patch_lies_where_the_image_has_these_voxels(tmp_path, transpose):
    """A patch whose values are a linear function of place; the file must give that function of its own places."""
    size = (24, 20, 16)  # x, y, z
    image = turned_image(size)
    geometry = Geometry(size, image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    crop = tuple((8, 10, 12)[axis] for axis in transpose)
    start = tuple((2, 3, 4)[axis] for axis in transpose)
    shape = tuple((8, 5, 18)[axis] for axis in transpose)
    patch = Patch(PreparedImage(np.zeros((1, *shape), np.float32), transpose, start, crop), (-1, 2, 3), (4, 3, 6))
    values = np.zeros(patch.size, np.float32)
    for index in np.ndindex(patch.size):
        along = [positions[place] for positions, place in zip(patch.positions(), index, strict=True)]
        zyx = [along[transpose.index(axis)] for axis in range(3)]
        values[index] = linear(image.TransformContinuousIndexToPhysicalPoint([float(v) for v in zyx[::-1]]))

    write_patch(tmp_path / "map.nii.gz", values, patch, geometry)

    written = sitk.ReadImage(str(tmp_path / "map.nii.gz"))
    for index in np.ndindex(written.GetSize()):
        place = [int(each) for each in index]
        assert written.GetPixel(place) == pytest.approx(linear(written.TransformIndexToPhysicalPoint(place)), abs=1e-3)
    assert written.GetSpacing()[::-1] == pytest.approx(
        tuple(model_spacing_mm(patch.prepared, geometry)[transpose.index(axis)] for axis in range(3)), rel=1e-5
    )


def test_a_map_of_a_sheared_image_has_its_axes(tmp_path):
    steps = np.array([[0.8, 0.1, 0.0], [0.0, 0.9, 0.3], [0.0, 0.0, 3.0]])
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = steps, (5, -3, 40)
    nib.save(nib.Nifti1Image(np.zeros((24, 20, 16), np.uint8), affine), tmp_path / "image.nii.gz")
    geometry = named_reader("NibabelIO").inspect(tmp_path / "image.nii.gz").geometry
    patch = Patch(prepared((16, 20, 24)), (1, 2, 3), (4, 5, 6))  # z, y, x
    values = np.arange(120, dtype=np.float32).reshape(4, 5, 6)
    write_patch(tmp_path / "map.nii.gz", values, patch, geometry)
    written = nib.load(tmp_path / "map.nii.gz")
    assert np.array_equal(written.get_fdata(), values.transpose())
    assert written.affine[:3, :3] == pytest.approx(steps, abs=1e-5)
    assert written.affine[:3, 3] == pytest.approx(affine[:3, :3] @ (3, 2, 1) + affine[:3, 3], abs=1e-4)


def test_a_flat_image_gives_a_flat_map_in_its_place(tmp_path):
    geometry = Geometry((20, 10), (0.5, 2.0), (3.0, 4.0), (0.0, -1.0, 1.0, 0.0))
    patch = Patch(prepared((1, 10, 20)), (0, 2, 6), (1, 4, 8))
    write_patch(tmp_path / "map.nii.gz", np.zeros((1, 4, 8), np.float32), patch, geometry)
    written = sitk.ReadImage(str(tmp_path / "map.nii.gz"))
    assert written.GetSize() == (8, 4)
    assert written.GetSpacing() == (0.5, 2.0)
    # direction's columns: x runs along (0, 1), y along (-1, 0); first voxel is (6, 2)
    assert written.GetOrigin() == pytest.approx((3.0 - 2 * 2.0, 4.0 + 6 * 0.5))
    assert written.GetDirection() == pytest.approx((0.0, -1.0, 1.0, 0.0))
