"""Label values: what may be there, what is corrected, what they become."""

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import OBLIQUE, write_volume

from nnunet_dsd.datasets.labels import LabelValues, count_values, inspect_values, translate
from nnunet_dsd.datasets.mmwhs import VALUES
from nnunet_dsd.datasets.volumes import read_image


def label_with(values, dtype=np.int16):
    array = np.zeros((4, 5, 6), dtype)
    array.ravel()[: len(values)] = values
    return array


def test_counting_agrees_with_counting_by_hand():
    array = np.random.default_rng(0).integers(-1, 4, (5, 6, 7))
    assert count_values(array) == {float(value): int((array == value).sum()) for value in range(-1, 4)}


def test_every_structure_gets_its_number_and_421_is_left_atrium(tmp_path):
    path = write_volume(tmp_path / "a.nii.gz", label_with([205, 420, 500, 550, 600, 820, 850, 421]), direction=OBLIQUE)
    written = translate(read_image(path), VALUES)
    assert sitk.GetArrayFromImage(written).ravel()[:9].tolist() == [1, 2, 3, 4, 5, 6, 7, 2, 0]
    assert written.GetPixelID() == sitk.sitkUInt8
    assert written.GetDirection() == read_image(path).GetDirection()


def test_labels_stored_as_floating_point_are_the_same_labels(tmp_path):
    path = write_volume(tmp_path / "a.nii.gz", label_with([205, 850], np.float32))
    assert inspect_values(path, VALUES) == ([], [])
    assert sitk.GetArrayFromImage(translate(read_image(path), VALUES)).ravel()[:3].tolist() == [1, 7, 0]


def test_a_corrected_value_is_noted_with_file_and_voxels(tmp_path):
    path = write_volume(tmp_path / "ct_train_1009_label.nii.gz", label_with([421, 421, 420]))
    assert inspect_values(path, VALUES) == (
        [],
        ["ct_train_1009_label.nii.gz: 421 is taken as 420 in 2 voxels"],
    )


@pytest.mark.parametrize(
    ("values", "dtype", "words"),
    [
        ([7, 7, 205], np.int16, "the value 7 in 2 voxels"),
        ([-1], np.int16, "the value -1 in 1 voxel"),
        ([204.5], np.float32, "the value 204.5 in 1 voxel"),
    ],
)
def test_another_value_is_named_with_file_and_voxels(tmp_path, values, dtype, words):
    path = write_volume(tmp_path / "a.nii.gz", label_with(values, dtype))
    problems, _ = inspect_values(path, VALUES)
    assert len(problems) == 1
    assert str(path) in problems[0]
    assert words in problems[0]
    assert "allowed are 0, 205, 420" in problems[0]


def test_many_other_values_are_one_problem(tmp_path):
    path = write_volume(tmp_path / "a.nii.gz", label_with(range(1, 61)))
    problems, _ = inspect_values(path, LabelValues.unchanged(3))
    assert len(problems) == 1
    assert "and 50 other values" in problems[0]


def test_a_label_without_structure_is_noted(tmp_path):
    path = write_volume(tmp_path / "a.nii.gz", label_with([]))
    assert inspect_values(path, VALUES) == ([], ["a.nii.gz: nothing but background"])
