"""Tasks of the Medical Segmentation Decathlon: channels, regions, the paper's splits, and what is refused."""

import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import (
    BRATS_JSON,
    HIPPOCAMPUS_JSON,
    brats_names,
    cut_off,
    hippocampus_names,
    msd_image,
    write_msd,
    write_volume,
)

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.msd import MsdSettings, read_brats, read_hippocampus, read_task
from nnunet_dsd.datasets.targets import find_target

TINY = (2, 2, 2)
THREE_APART = MsdSettings(test_cases=3)


@pytest.fixture
def brats(tmp_path):
    return write_msd(tmp_path / "Task01", BRATS_JSON, names=brats_names(10), channels=4)


@pytest.fixture
def hippocampus(tmp_path):
    return write_msd(tmp_path / "Task04", HIPPOCAMPUS_JSON, names=hippocampus_names(9), test_names=["hippocampus_500"])


def converted(conversion, number=1):
    target = find_target(number, conversion.name, conversion.folds)
    convert(conversion, target, processes=1)
    return target.raw


def names(cases):
    return [case.name for case in cases]


def test_four_channels_become_four_files_with_their_voxels_and_geometry(brats, nnunet):
    raw = converted(read_brats(brats, THREE_APART))
    source = sitk.ReadImage(str(brats / "imagesTr" / "BRATS_002.nii.gz"))
    for channel in range(4):
        written = sitk.ReadImage(str(raw / "imagesTr" / f"BRATS_002_{channel:04d}.nii.gz"))
        assert np.array_equal(sitk.GetArrayFromImage(written), sitk.GetArrayFromImage(source)[channel])
        assert written.GetPixelID() == sitk.sitkFloat32
        assert written.GetOrigin() == pytest.approx((-1, -1, 1))
        assert written.GetDirection() == pytest.approx(np.diag([-1.0, -1.0, 1.0]).ravel())
    content = json.loads((raw / "dataset.json").read_text())
    assert content["channel_names"] == {"0": "FLAIR", "1": "T1w", "2": "T1gd", "3": "T2w"}
    assert sorted(path.name for path in (raw / "labelsTs").iterdir()) == [f"BRATS_{n:03d}.nii.gz" for n in (8, 9, 10)]


def test_regions_are_the_papers_and_drawing_them_in_order_gives_the_classes_back(brats, nnunet):
    raw = converted(read_brats(brats, THREE_APART))
    content = json.loads((raw / "dataset.json").read_text())
    assert content["labels"]["whole_tumour"] == [1, 2, 3]
    assert content["labels"]["tumour_core"] == [2, 3]
    assert content["labels"]["enhancing_tumour"] == [3]
    label = sitk.GetArrayFromImage(sitk.ReadImage(str(raw / "labelsTr" / "BRATS_001.nii.gz")))
    drawn = np.zeros_like(label)
    regions = [value for value in content["labels"].values() if value != 0]
    for values, written in zip(regions, content["regions_class_order"], strict=True):
        drawn[np.isin(label, values)] = written
    assert np.array_equal(drawn, label)
    assert len(np.unique(label)) == 4


def test_classes_can_be_had_instead_of_regions(brats, nnunet):
    raw = converted(read_brats(brats, THREE_APART, regions=False))
    content = json.loads((raw / "dataset.json").read_text())
    assert list(content["labels"].values()) == [0, 1, 2, 3]
    assert "regions_class_order" not in content


def test_the_papers_numbers_come_out_of_the_papers_totals(tmp_path):
    folder = tmp_path / "Task01"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
        for name in brats_names(484):
            (folder / part / f"{name}.nii.gz").touch()
    conversion = read_brats(folder, MsdSettings())
    assert conversion.problems == ()
    assert (len(conversion.training), len(conversion.test)) == (460, 24)
    assert (len(conversion.folds[0].training), len(conversion.folds[0].validation)) == (388, 72)
    assert len(conversion.folds) == 1
    assert names(conversion.test) == brats_names(24, first=461)


def test_hippocampus_has_two_hundred_for_training_and_sixty_for_the_test(tmp_path):
    folder = tmp_path / "Task04"
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(parents=True)
        for name in hippocampus_names(260):
            (folder / part / f"{name}.nii.gz").touch()
    conversion = read_hippocampus(folder, MsdSettings())
    assert (len(conversion.folds[0].training), len(conversion.folds[0].validation), len(conversion.test)) == (
        170,
        30,
        60,
    )


def test_another_total_is_refused_unless_the_test_cases_are_given(hippocampus):
    problems = read_hippocampus(hippocampus, MsdSettings()).problems
    assert len(problems) == 1
    assert "9 labelled cases" in problems[0]
    assert "the paper has 260; --test-cases N" in problems[0]
    conversion = read_hippocampus(hippocampus, THREE_APART)
    assert names(conversion.test) == ["hippocampus_007", "hippocampus_008", "hippocampus_009"]
    assert len(conversion.folds[0].validation) == 1  # 30 of 200, as a share of 6, rounded
    assert len(read_hippocampus(hippocampus, MsdSettings(3, 2)).folds[0].validation) == 2


def test_folds_can_be_left_to_nnunet(hippocampus, nnunet):
    conversion = read_hippocampus(hippocampus, MsdSettings(test_cases=3, paper_folds=False))
    raw = converted(conversion, 4)
    assert not (raw / "splits_final.json").exists()
    assert list((nnunet / "nnUNet_preprocessed").iterdir()) == []
    assert conversion.rules["folds"] == "left to nnU-Net"


def test_a_copy_in_folders_images_and_labels_is_read_too(hippocampus, nnunet):
    (hippocampus / "imagesTr").rename(hippocampus / "images")
    (hippocampus / "labelsTr").rename(hippocampus / "labels")
    (hippocampus / "dataset.json").unlink()
    raw = converted(read_hippocampus(hippocampus, THREE_APART), 4)
    assert len(list((raw / "imagesTr").iterdir())) == 6


def test_too_many_test_cases_are_refused(hippocampus):
    with pytest.raises(SettingsError, match="8 test cases of 9; allowed are 0 to 7"):
        read_hippocampus(hippocampus, MsdSettings(test_cases=8))


def test_any_task_takes_channels_and_labels_from_its_json(hippocampus, nnunet):
    conversion = read_task(hippocampus, MsdSettings())
    raw = converted(conversion, 8)
    assert raw.name == "Dataset008_Hippocampus"
    content = json.loads((raw / "dataset.json").read_text())
    assert content["labels"] == {"background": 0, "Anterior": 1, "Posterior": 2}
    assert content["channel_names"] == {"0": "MRI"}
    assert [path.name for path in (raw / "imagesTs").iterdir()] == ["hippocampus_500_0000.nii.gz"]
    assert conversion.folds == ()


def test_any_task_can_hold_out_labelled_cases_and_have_a_fold(hippocampus):
    conversion = read_task(hippocampus, MsdSettings(test_cases=2, validation_cases=3))
    assert names(conversion.test) == ["hippocampus_008", "hippocampus_009"]
    assert len(conversion.folds[0].validation) == 3


def test_any_task_needs_its_json(hippocampus):
    (hippocampus / "dataset.json").unlink()
    with pytest.raises(DataError, match=r"has no dataset\.json"):
        read_task(hippocampus, MsdSettings())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "is no JSON"),
        ("[]", "holds list, expected an object"),
        ('{"name": "A", "modality": {"0": "CT"}}', "is not as MSD writes it"),
        ('{"name": "A", "modality": {"1": "CT"}, "labels": {"0": "background"}}', "numbers"),
        ('{"name": "A", "modality": {"0": "CT"}, "labels": {"0": "b", "1": "x", "2": "x"}}', "a name to two labels"),
    ],
)
def test_a_json_that_is_not_understood_is_refused(hippocampus, text, words):
    (hippocampus / "dataset.json").write_text(text)
    with pytest.raises(DataError, match=words):
        read_task(hippocampus, MsdSettings())


def test_a_folder_of_another_layout_is_refused_with_what_it_holds(tmp_path):
    (tmp_path / "Task04_Hippocampus").mkdir()
    with pytest.raises(DataError, match="holds Task04_Hippocampus; expected are imagesTr and labelsTr"):
        read_hippocampus(tmp_path, MsdSettings())


def test_channels_or_labels_in_another_order_are_a_problem(tmp_path):
    other = {
        **BRATS_JSON,
        "modality": {"0": "T1w", "1": "FLAIR", "2": "t1gd", "3": "T2w"},
        "labels": {"0": "background", "1": "enhancing tumour", "2": "non-enhancing tumor", "3": "edema"},
    }
    source = write_msd(tmp_path, other, names=brats_names(4), channels=4)
    problems = read_brats(source, MsdSettings(test_cases=1)).problems
    assert "names the channels T1w, FLAIR, t1gd, T2w; expected are FLAIR, T1w, T1gd, T2w" in problems[0]
    assert "names the labels background, enhancing tumour, non-enhancing tumor, edema" in problems[1]


def test_everything_wrong_with_the_files_is_said_at_once(brats, nnunet):
    images, labels = brats / "imagesTr", brats / "labelsTr"
    cut_off(images / "BRATS_001.nii.gz")
    rng = np.random.default_rng(1)
    write_volume(images / "BRATS_002.nii.gz", msd_image(rng, 3, (6, 8, 10)), origin=(-1, -1, 1))
    write_volume(labels / "BRATS_003.nii.gz", np.full((6, 8, 10), 4, np.uint8), direction=np.diag([-1.0, -1.0, 1.0]))
    (labels / "BRATS_004.nii.gz").unlink()
    (images / "BRATS_005.nii.gz").unlink()
    (images / "._BRATS_006.nii.gz").write_bytes(b"macOS")
    with pytest.raises(DataError) as caught:
        check_sources(read_brats(brats, THREE_APART), processes=1)
    text = str(caught.value)
    assert "BRATS_001.nii.gz could not be read to its end; it is cut off" in text
    assert "BRATS_002.nii.gz has 3 channels, expected 4" in text
    assert "BRATS_003.nii.gz holds the value 4 in 480 voxels; allowed are 0, 1, 2, 3" in text
    assert "BRATS_003.nii.gz does not lie on its image's voxels" in text
    assert "BRATS_004.nii.gz has no label" in text
    assert "BRATS_005.nii.gz has no image" in text
    assert "dataset.json lists imagesTr/BRATS_005.nii.gz, which is not there" in text
    assert "._BRATS" not in text
    assert list((nnunet / "nnUNet_raw").iterdir()) == []


def test_tiny_differences_of_headers_pass_and_the_label_gets_the_images_geometry(hippocampus, nnunet):
    path = hippocampus / "labelsTr" / "hippocampus_001.nii.gz"
    label = sitk.ReadImage(str(path))
    label.SetOrigin((-1.00004, -1.0, 1.00002))
    sitk.WriteImage(label, str(path))
    raw = converted(read_hippocampus(hippocampus, THREE_APART), 4)
    image = sitk.ReadImage(str(raw / "imagesTr" / "hippocampus_001_0000.nii.gz"))
    assert sitk.ReadImage(str(raw / "labelsTr" / "hippocampus_001.nii.gz")).GetOrigin() == image.GetOrigin()
