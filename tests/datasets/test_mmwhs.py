"""MMWHS as published: what is found below the folder, the folds, and what the written data set holds."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import MMWHS_VALUES, write_mmwhs, write_volume

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.mmwhs import LABELS, MmwhsSettings, read_mmwhs
from nnunet_dsd.datasets.targets import find_target

PAPER = MmwhsSettings()


def converted(source, settings, number=20):
    conversion = read_mmwhs(source, settings)
    target = find_target(number, conversion.name, conversion.folds)
    return target.raw, convert(conversion, target, processes=1)


def test_twenty_cases_give_the_papers_five_folds(tmp_path):
    conversion = read_mmwhs(write_mmwhs(tmp_path), PAPER)
    assert conversion.problems == ()
    assert [case.name for case in conversion.training] == [f"ct_train_{number}" for number in range(1001, 1021)]
    assert [case.name for case in conversion.test] == ["ct_test_2001", "ct_test_2002"]
    assert [fold.validation[0] for fold in conversion.folds] == [
        f"ct_train_{n}" for n in (1001, 1005, 1009, 1013, 1017)
    ]
    assert all(len(fold.validation) == 4 and len(fold.training) == 16 for fold in conversion.folds)


def test_cases_are_found_in_split_archives_and_hidden_files_are_not(tmp_path):
    write_mmwhs(tmp_path / "part1", cases=10, test_cases=0)
    write_mmwhs(tmp_path / "part2", cases=10, test_cases=0, first=1011)
    (tmp_path / "part1" / "ct_train" / "._ct_train_1001_image.nii.gz").write_bytes(b"macOS")
    conversion = read_mmwhs(tmp_path, PAPER)
    assert conversion.problems == ()
    assert len(conversion.training) == 20


def test_every_problem_of_the_list_is_said_at_once(tmp_path):
    write_mmwhs(tmp_path)
    folder = tmp_path / "ct_train"
    (folder / "ct_train_1003_image.nii.gz").unlink()
    (folder / "ct_train_1004_label.nii.gz").unlink()
    write_mmwhs(tmp_path / "again", cases=1, test_cases=0)
    problems = "\n".join(read_mmwhs(tmp_path, PAPER).problems)
    assert "ct_train_1003_label.nii.gz has no image" in problems
    assert "ct_train_1004_image.nii.gz has no label" in problems
    assert "ct_train_1001_image is there twice" in problems
    assert "19 cases ct_train_*_image.nii.gz" in problems


def test_another_number_of_cases_must_be_asked_for(tmp_path):
    write_mmwhs(tmp_path, cases=6, test_cases=0)
    assert "expected 20; --incomplete" in read_mmwhs(tmp_path, PAPER).problems[0]
    conversion = read_mmwhs(tmp_path, MmwhsSettings(incomplete=True))
    assert conversion.problems == ()
    assert [len(fold.validation) for fold in conversion.folds] == [4, 2]


def test_too_few_cases_for_two_folds_are_refused_even_if_asked_for(tmp_path):
    write_mmwhs(tmp_path, cases=4, test_cases=0)
    assert "expected more than 4" in read_mmwhs(tmp_path, MmwhsSettings(incomplete=True)).problems[0]


def test_magnetic_resonance_is_another_data_set(tmp_path):
    write_mmwhs(tmp_path, modality="mr")
    conversion = read_mmwhs(tmp_path, MmwhsSettings(modality="mr", intensity_range=None))
    assert (conversion.name, conversion.channel_names) == ("MMWHSMR", ("MRI",))
    assert conversion.problems == ()
    assert "0 cases ct_train" in read_mmwhs(tmp_path, PAPER).problems[0]


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(DataError, match="is no folder; give the one that holds ct_train"):
        read_mmwhs(tmp_path / "nowhere", PAPER)


def test_the_written_data_set_has_the_papers_voxels_intensities_and_labels(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", cases=5, shape=(14, 20, 26))
    raw, findings = converted(source, MmwhsSettings(incomplete=True))
    assert findings.notes == ()
    image = sitk.ReadImage(str(raw / "imagesTr" / "ct_train_1002_0000.nii.gz"))
    label = sitk.ReadImage(str(raw / "labelsTr" / "ct_train_1002.nii.gz"))
    assert image.GetSpacing() == pytest.approx((1.5, 1.5, 2.0))
    assert image.GetSize() == label.GetSize() == (10, 8, 8)
    intensities = sitk.GetArrayFromImage(image)
    assert intensities.min() >= -175
    assert intensities.max() <= 250
    assert label.GetPixelID() == sitk.sitkUInt8
    assert set(np.unique(sitk.GetArrayFromImage(label))) <= set(range(8))
    assert sorted(path.name for path in (raw / "imagesTs").iterdir()) == [
        "ct_test_2001_0000.nii.gz",
        "ct_test_2002_0000.nii.gz",
    ]
    assert not (raw / "labelsTs").exists()
    content = json.loads((raw / "dataset.json").read_text())
    assert content["labels"] == LABELS
    assert content["channel_names"] == {"0": "CT"}
    assert content["numTraining"] == 5
    splits = json.loads((raw / "splits_final.json").read_text())
    assert splits[1]["val"] == ["ct_train_1005"]
    preprocessed = nnunet / "nnUNet_preprocessed" / "Dataset020_MMWHS" / "splits_final.json"
    assert json.loads(preprocessed.read_text()) == splits


def test_without_resampling_and_clipping_voxels_are_only_turned(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", cases=5, test_cases=0)
    raw, _ = converted(source, MmwhsSettings(incomplete=True, resample=False, intensity_range=None))
    before = sitk.ReadImage(str(source / "ct_train" / "ct_train_1001_image.nii.gz"))
    after = sitk.ReadImage(str(raw / "imagesTr" / "ct_train_1001_0000.nii.gz"))
    label = sitk.ReadImage(str(raw / "labelsTr" / "ct_train_1001.nii.gz"))
    assert after.GetPixelID() == sitk.sitkInt16
    source_label = sitk.GetArrayFromImage(sitk.ReadImage(str(source / "ct_train" / "ct_train_1001_label.nii.gz")))
    for index, value in enumerate((0, *MMWHS_VALUES)):
        # The same intensities lie in each structure, wherever its voxels went.
        was = np.sort(sitk.GetArrayFromImage(before)[source_label == value])
        is_now = np.sort(sitk.GetArrayFromImage(after)[sitk.GetArrayFromImage(label) == index])
        assert np.array_equal(was, is_now)


def test_the_foreseen_size_is_enough_for_what_is_written(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", cases=5, shape=(28, 40, 52))
    for number, resample in ((20, True), (21, False)):
        raw, findings = converted(source, MmwhsSettings(incomplete=True, resample=resample), number)
        written = sum(path.stat().st_size for path in raw.rglob("*.nii.gz"))
        assert written < findings.output_bytes
        assert findings.output_bytes < 10 * written


def test_files_with_the_mistaken_value_are_named(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", cases=5, test_cases=0)
    path = source / "ct_train" / "ct_train_1003_label.nii.gz"
    image = sitk.ReadImage(str(path))
    array = sitk.GetArrayFromImage(image)
    array[0, 0, 0] = 421
    changed = sitk.GetImageFromArray(array)
    changed.CopyInformation(image)
    sitk.WriteImage(changed, str(path))
    settings = MmwhsSettings(incomplete=True, resample=False)
    raw, findings = converted(source, settings)
    note = "ct_train_1003_label.nii.gz: 421 is taken as 420 in 1 voxel"
    assert findings.notes == (note,)
    assert json.loads((raw / "conversion.json").read_text())["notes"] == [note]
    written = sitk.GetArrayFromImage(sitk.ReadImage(str(raw / "labelsTr" / "ct_train_1003.nii.gz")))
    assert (written == LABELS["left_atrium"]).sum() == (array == 420).sum() + 1


def test_labelled_test_cases_get_their_labels(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", cases=5, test_cases=1)
    image = source / "ct_test" / "ct_test_2001_image.nii.gz"
    label = image.with_name("ct_test_2001_label.nii.gz")
    label.write_bytes((source / "ct_train" / "ct_train_1001_label.nii.gz").read_bytes())
    raw, _ = converted(source, MmwhsSettings(incomplete=True))
    assert [path.name for path in (raw / "labelsTs").iterdir()] == ["ct_test_2001.nii.gz"]


def test_every_problem_of_every_file_is_said_at_once(tmp_path, nnunet):
    source = write_mmwhs(tmp_path / "source", test_cases=0)
    folder = source / "ct_train"
    (folder / "ct_train_1001_image.nii.gz").write_bytes(b"no gzip")
    write_volume(folder / "ct_train_1002_label.nii.gz", np.full((8, 12, 16), 13, np.int16))
    write_volume(folder / "ct_train_1003_image.nii.gz", np.zeros((2, 8, 12, 16), np.int16))
    (folder / "ct_train_1004_label.nii.gz").unlink()
    with pytest.raises(DataError) as caught:
        check_sources(read_mmwhs(source, PAPER), processes=2)
    text = str(caught.value)
    assert "ct_train_1001_image.nii.gz could not be read to its end" in text
    assert "ct_train_1002_label.nii.gz holds the value 13 in 1536 voxels" in text
    assert "ct_train_1002_label.nii.gz does not lie on its image's voxels: corners" in text
    assert "ct_train_1003_image.nii.gz has 2 channels, expected 1" in text
    assert "ct_train_1004_image.nii.gz has no label" in text
    assert list((nnunet / "nnUNet_raw").iterdir()) == []
