"""Reading volumes of a source: geometry, channels, files that are cut off, labels that lie elsewhere."""

import gzip
import struct

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import OBLIQUE, cut_off, rotation, write_volume

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.datasets.geometry import Geometry, geometry_difference
from nnunet_dsd.datasets.nifti import count_not_finite, require_whole_file
from nnunet_dsd.datasets.volumes import (
    read_header,
    read_image,
    split_channels,
    write_image,
)

RNG = np.random.default_rng(3)
GEOMETRY = Geometry((20, 30, 10), (0.8, 0.9, 2.0), (5.0, -3.0, 40.0), tuple(OBLIQUE.ravel()))


def changed(**values):
    return Geometry(**{**vars(GEOMETRY), **values})


def test_a_four_dimensional_file_has_channels_with_the_geometry_of_three_axes(tmp_path):
    array = RNG.normal(size=(4, 5, 6, 7)).astype(np.float32)
    path = write_volume(tmp_path / "a.nii.gz", array, spacing=(0.5, 1.5, 2), origin=(1, 2, 3), direction=OBLIQUE)
    header = read_header(path)
    assert header.channels == 4
    assert header.is_floating_point
    assert header.geometry.size == (7, 6, 5)
    assert header.geometry.spacing_mm == pytest.approx((0.5, 1.5, 2))
    assert header.geometry.origin_mm == pytest.approx((1, 2, 3))
    assert header.geometry.direction == pytest.approx(OBLIQUE.ravel(), abs=1e-6)
    for channel, volume in enumerate(split_channels(read_image(path))):
        assert np.array_equal(sitk.GetArrayFromImage(volume), array[channel])
        assert volume.GetDirection() == pytest.approx(OBLIQUE.ravel(), abs=1e-6)
        assert volume.GetOrigin() == pytest.approx((1, 2, 3))


def test_a_volume_is_its_own_only_channel(tmp_path):
    path = write_volume(tmp_path / "a.nii", np.zeros((5, 6, 7), np.int16))
    assert read_header(path).channels == 1
    assert not read_header(path).is_floating_point
    assert len(split_channels(read_image(path))) == 1


def test_several_numbers_per_voxel_are_refused(tmp_path):
    image = sitk.GetImageFromArray(np.zeros((5, 6, 7, 3), np.float32), isVector=True)
    sitk.WriteImage(image, str(tmp_path / "v.nii.gz"))
    with pytest.raises(DataError, match="3 axes and 3 numbers per voxel"):
        read_header(tmp_path / "v.nii.gz")


@pytest.mark.parametrize("ending", ["nii.gz", "nii"])
def test_a_whole_file_passes_and_a_cut_off_one_does_not(tmp_path, ending):
    path = write_volume(tmp_path / f"a.{ending}", RNG.normal(size=(9, 9, 9)))
    require_whole_file(path)
    cut_off(path)
    with pytest.raises(DataError, match="cut off or damaged"):
        require_whole_file(path)


def test_a_sound_gzip_around_a_cut_off_nifti_is_noticed(tmp_path):
    path = write_volume(tmp_path / "a.nii", RNG.normal(size=(9, 9, 9)))
    cut_off(path)
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(DataError, match="cut off or damaged"):
        require_whole_file(tmp_path / "b.nii.gz")


def test_a_file_that_is_no_image_is_a_data_error(tmp_path):
    (tmp_path / "a.nii").write_text("hello")
    for read in (require_whole_file, read_header, read_image):
        with pytest.raises(DataError, match="could not be read as an image"):
            read(tmp_path / "a.nii")


@pytest.mark.parametrize("kind", ["<f4", ">f4", "<f8"])
def test_numbers_that_simpleitk_reads_as_zero_are_counted(tmp_path, kind):
    array = RNG.normal(size=(5, 6, 7))
    path = write_volume(tmp_path / "a.nii", array.astype(kind[1:]))
    array.ravel()[[3, 50, 209]] = [np.nan, np.inf, -np.inf]
    content = bytearray(path.read_bytes())
    content[352:] = array.astype(kind).tobytes()
    if kind.startswith(">"):
        content[:352] = swapped_header(content[:352])
    path.write_bytes(content + b"odd")  # what follows the voxels does not count
    assert np.isfinite(sitk.GetArrayFromImage(sitk.ReadImage(str(path)))).all()
    assert count_not_finite(path) == 3


def test_whole_numbers_are_all_finite(tmp_path):
    path = write_volume(tmp_path / "a.nii", np.full((5, 6, 7), -1, np.int32))  # as floating point this is nan
    assert count_not_finite(path) == 0


def swapped_header(header):
    """A NIfTI-1 header with its numbers in the other byte order."""
    fields = "i10s18sihcB8h3f4h8f3fhcB4f2i80s24s2h6f4f4f4f16s4s"
    return struct.pack(f">{fields}", *struct.unpack(f"<{fields}", header[:348])) + header[348:]


def test_a_full_disk_is_noticed_although_simpleitk_says_nothing(tmp_path, monkeypatch):
    real = sitk.WriteImage

    def half(image, path, **options):
        real(image, path, **options)
        with open(path, "rb+") as file:
            file.truncate(200)

    monkeypatch.setattr(sitk, "WriteImage", half)
    with pytest.raises(SetupError, match="could not be written whole, is the disk full"):
        write_image(tmp_path / "a.nii.gz", sitk.GetImageFromArray(RNG.normal(size=(9, 9, 9))))


def test_another_format_under_the_name_of_nifti_is_refused(tmp_path):
    sitk.WriteImage(sitk.Image(5, 6, sitk.sitkUInt8), str(tmp_path / "a.png"))
    (tmp_path / "a.png").rename(tmp_path / "a.nii")
    with pytest.raises(DataError, match="is no NIfTI file"):
        require_whole_file(tmp_path / "a.nii")


def test_corners_are_where_simpleitk_says():
    image = sitk.Image(GEOMETRY.size, sitk.sitkUInt8)
    image.SetSpacing(GEOMETRY.spacing_mm)
    image.SetOrigin(GEOMETRY.origin_mm)
    image.SetDirection(GEOMETRY.direction)
    corners = {tuple(np.round(corner, 6)) for corner in GEOMETRY.corners_mm()}
    ends = [(i, j, k) for i in (0, 19) for j in (0, 29) for k in (0, 9)]
    assert corners == {tuple(np.round(image.TransformIndexToPhysicalPoint(end), 6)) for end in ends}


def test_rounding_in_a_header_is_no_difference():
    label = changed(spacing_mm=(0.8001, 0.9, 2.0), origin_mm=(5.001, -3.0, 40.002))
    assert geometry_difference(GEOMETRY, label) is None


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"size": (20, 30, 11)}, "size (20, 30, 11) in the label, (20, 30, 10) in the image"),
        ({"origin_mm": (5.0, -3.0, 40.2)}, "origin_mm"),
        ({"spacing_mm": (0.81, 0.9, 2.0)}, "spacing_mm"),
        ({"direction": tuple((rotation(1) @ OBLIQUE).ravel())}, "direction"),
        ({"direction": tuple((OBLIQUE @ np.diag([-1, 1, 1])).ravel())}, "direction"),
    ],
)
def test_a_label_that_lies_elsewhere_is_named_with_what_differs(values, words):
    assert words in geometry_difference(GEOMETRY, changed(**values))


def test_the_tolerance_is_a_tenth_of_the_smallest_voxel_side():
    for shift, same in ((0.079, True), (0.081, False)):
        label = changed(origin_mm=(5.0 + shift, -3.0, 40.0))
        assert (geometry_difference(GEOMETRY, label) is None) is same


@pytest.mark.parametrize("scale", [1e-4, 1.0])
def test_the_tolerance_and_what_is_named_scale_with_the_voxels(scale):
    def flat(spacing, origin):
        return Geometry((30, 20), tuple(scale * step for step in spacing), (scale * origin, 0.0), (1.0, 0.0, 0.0, 1.0))

    def told(spacing, origin):
        return geometry_difference(flat((1.0, 1.0), 0.0), flat(spacing, origin)) or ""

    assert told((1.0, 1.0), 0.09) == told((1.003, 1.0), 0.0) == ""
    assert "origin_mm" in told((1.0, 1.0), 0.11)
    assert "spacing_mm" not in told((1.0, 1.0), 0.11)
    assert f"spacing_mm ({scale * 1.004:.6g}, {scale:.6g}) in the label" in told((1.004, 1.0), 0.0).replace(
        "1.0)", "1)"
    )
