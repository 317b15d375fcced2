"""Labels whose headers do not say that they lie on their images' voxels, and images with sheared axes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
import SimpleITK as sitk
from nnunetv2.imageio.nibabel_reader_writer import NibabelIO

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.lits import read_lits
from nnunet_dsd.datasets.preparation import Preparation, prepare_image
from nnunet_dsd.datasets.targets import find_target
from nnunet_dsd.datasets.tumour_ct import TumourSettings
from nnunet_dsd.datasets.volumes import read_image

RNG = np.random.default_rng(11)
AFFINE = np.array([[-0.8, 0, 0, 200], [0, 0.8, 0, -213], [0, 0, 2.5, -600], [0, 0, 0, 1.0]])
SHEARED = AFFINE + np.array([[0, 0.1, 0, 0], [0, 0, 0.2, 0], [0, 0, 0, 0], [0, 0, 0, 0.0]])
LABEL = np.zeros((16, 14, 6), np.uint8)
LABEL[3:12, 4:10, 1:5] = 1
LABEL[5:8, 5:8, 2:4] = 2


def nothing(image: nib.Nifti1Image) -> None:
    """Take both transforms out of a header."""
    image.set_qform(None, code=0)
    image.set_sform(None, code=0)


def blank(offset: float) -> np.ndarray:
    return np.array([[1, 0, 0, offset], [0, 1, 0, offset], [0, 0, 1, offset], [0, 0, 0, 1.0]])


def lits(folder: Path, label_affine: np.ndarray, *, untold: bool = False, image_affine: np.ndarray = AFFINE) -> Path:
    """Write five cases of LiTS, whose case 3 has another header in its label."""
    folder.mkdir()
    for number in range(5):
        image = RNG.integers(-1000, 1000, LABEL.shape).astype(np.int16)
        odd = number == 3
        nib.save(nib.Nifti1Image(image, image_affine if odd else AFFINE), folder / f"volume-{number}.nii")
        label = nib.Nifti1Image(LABEL, label_affine if odd else AFFINE)
        if odd and untold:
            nothing(label)
        nib.save(label, folder / f"segmentation-{number}.nii")
    return folder


def read(folder: Path, **settings: bool):
    return read_lits(folder, TumourSettings(incomplete=True, **settings))


def written(conversion) -> Path:
    target = find_target(19, conversion.name, conversion.folds)
    convert(conversion, target, processes=1)
    return target.raw


@pytest.mark.parametrize("offset", [0.0, 1.0])
@pytest.mark.parametrize("sliced", [False, True])
def test_a_label_with_a_blank_header_takes_its_images_with_a_note(tmp_path, nnunet, offset, sliced):
    conversion = read(lits(tmp_path / "lits", blank(offset)), slices=sliced)
    notes = check_sources(conversion, processes=1).notes
    assert [note for note in notes if "segmentation-3" in note] == [
        "segmentation-3.nii: its header does not say where it lies; taken to lie on its image's voxels"
    ]
    raw = written(conversion)
    assert set(notes) == set(json.loads((raw / "conversion.json").read_text())["notes"])
    if not sliced:
        image, label = (
            sitk.ReadImage(str(raw / part / name))
            for part, name in (("imagesTr", "lits_003_0000.nii.gz"), ("labelsTr", "lits_003.nii.gz"))
        )
        assert label.GetOrigin() == image.GetOrigin()
        assert label.GetSpacing() == pytest.approx((0.8, 0.8, 2.5))
        assert np.array_equal(sitk.GetArrayFromImage(label), LABEL.transpose())


@pytest.mark.parametrize("own_size", [True, False])
def test_a_label_without_any_transform_is_blank_too(tmp_path, own_size):
    folder = lits(tmp_path / "lits", AFFINE if own_size else blank(0), untold=True)
    assert any("does not say where it lies" in note for note in check_sources(read(folder), processes=1).notes)


@pytest.mark.parametrize("signs", [(-1, 1, 1), (1, -1, 1), (1, 1, -1), (-1, -1, -1), (1, -1, -1), (-1, 1, -1)])
def test_an_axis_that_was_turned_is_no_blank_header(tmp_path, signs):
    folder = lits(tmp_path / "lits", np.diag([*signs, 1.0]))
    with pytest.raises(DataError, match=r"segmentation-3.nii does not lie on its image's voxels"):
        check_sources(read(folder), processes=1)


@pytest.mark.parametrize("signs", [(1, 1, 1), (-1, -1, 1)], ids=["NIfTI", "SimpleITK"])
def test_either_librarys_identity_is_a_blank_header(tmp_path, signs):
    folder = lits(tmp_path / "lits", np.diag([*signs, 1.0]))
    assert any("does not say where it lies" in note for note in check_sources(read(folder), processes=1).notes)


def test_a_blank_header_is_not_trusted_where_the_values_are_wrong_too(tmp_path):
    folder = lits(tmp_path / "lits", blank(0))
    nib.save(nib.Nifti1Image(LABEL + 7, blank(0)), folder / "segmentation-3.nii")
    with pytest.raises(DataError, match="2 problems") as caught:
        check_sources(read(folder), processes=1)
    assert "segmentation-3.nii does not lie on its image's voxels" in str(caught.value)


def test_another_header_is_refused_without_the_option_and_noted_with_it(tmp_path):
    moved = AFFINE.copy()
    moved[2, 3] += 30
    conversion = read(lits(tmp_path / "lits", moved))
    with pytest.raises(DataError, match=r"segmentation-3.nii does not lie on its .*--same-voxels takes it to"):
        check_sources(conversion, processes=1)
    notes = check_sources(replace(conversion, same_voxels=True), processes=1).notes
    assert any("segmentation-3.nii: taken to lie on its image's voxels (--same-voxels)" in note for note in notes)
    assert any("corners are up to 30 mm apart" in note for note in notes)


@pytest.mark.parametrize("same_voxels", [False, True])
def test_another_size_is_refused_whatever_the_header_and_the_option_say(tmp_path, same_voxels):
    folder = lits(tmp_path / "lits", AFFINE)
    nib.save(nib.Nifti1Image(LABEL[:, :, :-1], blank(0)), folder / "segmentation-3.nii")
    with pytest.raises(DataError, match=r"size \(16, 14, 5\) in the label") as caught:
        check_sources(replace(read(folder), same_voxels=same_voxels), processes=1)
    assert "--same-voxels" not in str(caught.value)


def test_axes_that_are_not_at_right_angles_are_kept_and_nnunet_is_told_the_reader(tmp_path, nnunet):
    folder = lits(tmp_path / "lits", SHEARED, image_affine=SHEARED)
    conversion = read(folder)
    notes = check_sources(conversion, processes=1).notes
    assert notes == ("volume-3.nii: its axes are not at right angles, and are kept so",)
    raw = written(conversion)
    assert json.loads((raw / "dataset.json").read_text())["overwrite_image_reader_writer"] == "NibabelIO"
    for part, name, source in (
        ("imagesTr", "lits_003_0000.nii.gz", "volume-3.nii"),
        ("labelsTr", "lits_003.nii.gz", "segmentation-3.nii"),
    ):
        array, properties = NibabelIO().read_images((str(raw / part / name),))
        expected, before = NibabelIO().read_images((str(folder / source),))
        assert np.array_equal(array, expected)
        assert properties["spacing"] == pytest.approx(before["spacing"])
        assert properties["nibabel_stuff"]["original_affine"] == pytest.approx(SHEARED, abs=1e-4)


def test_the_reader_is_left_to_nnunet_where_all_axes_are_at_right_angles(tmp_path, nnunet):
    raw = written(read(lits(tmp_path / "lits", AFFINE)))
    assert "overwrite_image_reader_writer" not in json.loads((raw / "dataset.json").read_text())


def test_sheared_axes_are_turned_without_moving_a_voxel(tmp_path):
    folder = lits(tmp_path / "lits", SHEARED, image_affine=SHEARED)
    before = read_image(folder / "volume-3.nii")
    after = prepare_image(before, Preparation(orientation="RAS"))
    values = sitk.GetArrayFromImage(after)
    index = tuple(int(place) for place in np.argwhere(values == values.max())[0][::-1])
    place = after.TransformIndexToPhysicalPoint(index)
    assert before[before.TransformPhysicalPointToIndex(place)] == values.max()
