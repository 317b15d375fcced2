"""KiTS and LiTS as published: which cases are found in which layout, and what the written volumes hold."""

import itertools
import json

import numpy as np
import pytest
import SimpleITK as sitk
from made_up_sources import KITS_DIRECTION, write_kits, write_lits, write_volume

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.datasets.conversion import check_sources, convert
from nnunet_dsd.datasets.kits import RELEASES, read_kits
from nnunet_dsd.datasets.lits import LITS, read_lits
from nnunet_dsd.datasets.targets import find_target
from nnunet_dsd.datasets.tumour_ct import TumourSettings

FEW = TumourSettings(incomplete=True)
LABEL_FILES = {
    "kits19": "segmentation.nii.gz",
    "kits21": "aggregated_MAJ_seg.nii.gz",
    "kits23": "segmentation.nii.gz",
}


def written(conversion, number=19):
    target = find_target(number, conversion.name, conversion.folds)
    convert(conversion, target, processes=1)
    return target.raw


def description(raw):
    return json.loads((raw / "dataset.json").read_text())


@pytest.mark.parametrize("release", RELEASES)
@pytest.mark.parametrize("inside", ["", "data", "dataset"])
def test_cases_of_every_release_are_found_with_or_without_the_outer_folder(tmp_path, release, inside):
    write_kits(tmp_path / inside, label_file=LABEL_FILES[release])
    conversion = read_kits(tmp_path, release, FEW)
    assert conversion.problems == ()
    assert [case.name for case in conversion.training] == [f"case_{number:05d}" for number in range(6)]
    assert {case.label.name for case in conversion.training} == {LABEL_FILES[release]}
    assert conversion.name == release.replace("kits", "KiTS")


@pytest.mark.parametrize(("release", "count"), [("kits19", 210), ("kits21", 300), ("kits23", 489)])
def test_another_number_of_cases_than_was_published_must_be_asked_for(tmp_path, release, count):
    write_kits(tmp_path, label_file=LABEL_FILES[release])
    problem = f"6 labelled cases of {release.replace('kits', 'KiTS')} below {tmp_path}, expected {count}; --incomplete"
    assert read_kits(tmp_path, release, TumourSettings()).problems[0].startswith(problem)


def test_a_whole_release_needs_no_option(tmp_path):
    for number in range(300):
        folder = tmp_path / "data" / f"case_{number:05d}"
        folder.mkdir(parents=True)
        (folder / "imaging.nii.gz").touch()
        if number < 210:
            (folder / "segmentation.nii.gz").touch()
    conversion = read_kits(tmp_path, "kits19", TumourSettings())
    assert conversion.problems == ()
    assert (len(conversion.training), len(conversion.test)) == (210, 90)
    assert conversion.test[0].name == "case_00210"


def test_the_aggregation_of_annotators_is_chosen_by_file(tmp_path):
    for kind in ("MAJ", "AND", "OR"):
        write_kits(tmp_path, label_file=f"aggregated_{kind}_seg.nii.gz", cases=1)
    for kind in ("maj", "and", "or"):
        case = read_kits(tmp_path, "kits21", FEW, aggregation=kind).training[0]
        assert case.label.name == f"aggregated_{kind.upper()}_seg.nii.gz"


def test_every_problem_of_the_list_is_said_at_once(tmp_path):
    write_kits(tmp_path)
    (tmp_path / "case_00002" / "segmentation.nii.gz").unlink()
    (tmp_path / "case_00004" / "imaging.nii.gz").unlink()
    problems = read_kits(tmp_path, "kits19", TumourSettings()).problems
    assert len(problems) == 3
    assert problems[0].endswith("case_00002/segmentation.nii.gz is not there")
    assert "case_00004/imaging.nii.gz is not there; the images are downloaded apart" in problems[1]
    assert "4 labelled cases" in problems[2]


def test_another_release_is_told_by_its_labels(tmp_path):
    write_kits(tmp_path)
    (problem,) = read_kits(tmp_path, "kits21", TumourSettings()).problems
    assert problem.startswith("none of 6 cases has aggregated_MAJ_seg.nii.gz; is it another release? There are kits19")


def test_a_folder_without_cases_is_refused(tmp_path):
    (tmp_path / "case_notes").mkdir()
    with pytest.raises(DataError, match="holds no folders such as case_00000"):
        read_kits(tmp_path, "kits19", FEW)
    with pytest.raises(DataError, match="is no folder"):
        read_kits(tmp_path / "nowhere", "kits19", FEW)


def test_written_kidneys_keep_their_voxels_headers_and_labels(tmp_path, nnunet):
    scans = write_kits(tmp_path / "source" / "data", unlabelled=2)
    raw = written(read_kits(tmp_path / "source", "kits19", FEW))
    assert description(raw)["labels"] == {"background": 0, "kidney": 1, "tumour": 2}
    assert description(raw)["channel_names"] == {"0": "CT"}
    assert sorted(path.name for path in (raw / "imagesTs").iterdir()) == [
        "case_00210_0000.nii.gz",
        "case_00211_0000.nii.gz",
    ]
    assert not (raw / "splits_final.json").exists()
    image = sitk.ReadImage(str(raw / "imagesTr" / "case_00003_0000.nii.gz"))
    label = sitk.ReadImage(str(raw / "labelsTr" / "case_00003.nii.gz"))
    for found, expected in zip((image, label), scans["case_00003"], strict=True):
        assert np.array_equal(sitk.GetArrayFromImage(found), expected[::-1].transpose(2, 1, 0))
        assert found.GetDirection() == pytest.approx(KITS_DIRECTION.ravel())


@pytest.mark.parametrize("release", RELEASES)
def test_regions_are_nested_and_name_the_files_values(tmp_path, nnunet, release):
    cysts = release != "kits19"
    write_kits(tmp_path / "source", label_file=LABEL_FILES[release], cysts=cysts)
    raw = written(read_kits(tmp_path / "source", release, TumourSettings(incomplete=True, regions=True)))
    labels, order = description(raw)["labels"], description(raw)["regions_class_order"]
    regions = [set(values) for name, values in labels.items() if name != "background"]
    assert regions[0] == ({1, 2, 3} if cysts else {1, 2})
    assert labels["tumour"] == [2]
    assert all(inner < outer for outer, inner in itertools.pairwise(regions))
    # Writing the regions in order gives the files' values back.
    for value in regions[0]:
        assert [written for written, region in zip(order, regions, strict=True) if value in region][-1] == value


def test_regions_in_slices_are_refused(tmp_path):
    write_kits(tmp_path, cases=1)
    with pytest.raises(SettingsError, match="regions are for volumes; slices have tumour alone"):
        read_kits(tmp_path, "kits19", TumourSettings(regions=True, slices=True))


def test_the_last_labelled_volumes_are_held_out_instead_of_the_published_images(tmp_path, nnunet):
    write_kits(tmp_path / "source", unlabelled=2)
    raw = written(read_kits(tmp_path / "source", "kits19", TumourSettings(incomplete=True, test_cases=2)))
    assert sorted(path.name for path in (raw / "labelsTs").iterdir()) == ["case_00004.nii.gz", "case_00005.nii.gz"]
    assert len(list((raw / "imagesTs").iterdir())) == 2
    assert description(raw)["numTraining"] == 4
    with pytest.raises(SettingsError, match="5 test cases of 6; allowed are 0 to 4"):
        read_kits(tmp_path / "source", "kits19", TumourSettings(incomplete=True, test_cases=5))


def test_livers_are_found_in_both_batches_in_the_order_of_their_numbers(tmp_path):
    write_lits(tmp_path, cases=12, test_cases=2)
    (tmp_path / "Training Batch 1" / "._volume-1.nii").write_bytes(b"macOS")
    conversion = read_lits(tmp_path, FEW)
    assert conversion.problems == ()
    assert [case.name for case in conversion.training] == [f"lits_{number:03d}" for number in range(12)]
    assert [case.image.name for case in conversion.training] == [f"volume-{number}.nii" for number in range(12)]
    assert [case.label.name for case in conversion.training] == [f"segmentation-{number}.nii" for number in range(12)]
    assert [case.name for case in conversion.test] == ["lits_test_00", "lits_test_01"]
    assert f"expected {LITS.labelled}" in read_lits(tmp_path, TumourSettings()).problems[0]


def test_what_is_wrong_with_the_livers_is_said_at_once(tmp_path):
    write_lits(tmp_path)
    (tmp_path / "Training Batch 1" / "segmentation-1.nii").unlink()
    (tmp_path / "Training Batch 2" / "volume-4.nii").unlink()
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "volume-0.nii").write_bytes((tmp_path / "Training Batch 1" / "volume-0.nii").read_bytes())
    write_volume(tmp_path / "Training Batch 1" / "segmentation-2.nii", np.full((6, 14, 12), 3, np.uint8))
    with pytest.raises(DataError) as caught:
        check_sources(read_lits(tmp_path, FEW), processes=1)
    for words in ("volume-1.nii has no label", "segmentation-4.nii has no image", "volume-0 is there twice"):
        assert words in str(caught.value)
    assert "segmentation-2.nii holds the value 3 in 1008 voxels; allowed are 0, 1, 2" in str(caught.value)
    assert "segmentation-2.nii does not lie on its image's voxels" in str(caught.value)
    with pytest.raises(DataError, match="is no folder; give the one that holds the training batches"):
        read_lits(tmp_path / "nowhere", FEW)


def test_written_livers_are_compressed_and_the_same(tmp_path, nnunet):
    scans = write_lits(tmp_path / "source")
    raw = written(read_lits(tmp_path / "source", FEW), number=17)
    assert description(raw)["labels"] == {"background": 0, "liver": 1, "tumour": 2}
    for number, (image, label) in scans.items():
        for path, expected in (
            (raw / "imagesTr" / f"lits_{number:03d}_0000.nii.gz", image),
            (raw / "labelsTr" / f"lits_{number:03d}.nii.gz", label),
        ):
            found = sitk.DICOMOrient(sitk.ReadImage(str(path)), "LPS")
            assert np.array_equal(sitk.GetArrayFromImage(found), expected)
