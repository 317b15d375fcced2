"""Images without labels: found by nnU-Net's naming, and refused where they cannot be used."""

import gzip
import json

import numpy as np
import pytest
import SimpleITK as sitk

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.readers.choice import named_reader
from nnunet_dsd.labelling.copies import copies_among
from nnunet_dsd.labelling.unlabelled import (
    case_images,
    find_images,
    refuse_damaged_images,
    refuse_known_images,
    refuse_unfitting_images,
)

ONE = {"file_ending": ".nii.gz", "channel_names": {"0": "CT"}}
TWO = {"file_ending": ".nii.gz", "channel_names": {"0": "T1", "1": "T2"}}
COLOUR = {"file_ending": ".png", "channel_names": {"0": "R", "1": "G", "2": "B"}}


def touch(folder, *names):
    for name in names:
        (folder / name).write_bytes(b"")


def image(path, seed=0):
    array = np.random.default_rng(seed).normal(size=(4, 5, 6)).astype(np.float32)
    sitk.WriteImage(sitk.GetImageFromArray(array), str(path))
    return path


def test_cases_are_found_by_name_also_with_dots_and_links(tmp_path):
    touch(tmp_path, "b_0000.nii.gz", "a.1_x_0000.nii.gz", "notes.txt", ".hidden_0000.nii.gz", "._b_0000.nii.gz")
    (tmp_path / "link_0000.nii.gz").symlink_to(tmp_path / "b_0000.nii.gz")
    assert list(find_images(tmp_path, ONE)) == ["a.1_x", "b", "link"]


def test_channels_lie_in_a_file_each_or_all_in_one(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "a_0001.nii.gz", "b_0000.nii.gz")
    found = find_images(tmp_path, TWO)
    assert [path.name for path in found["a"]] == ["a_0000.nii.gz", "a_0001.nii.gz"]
    assert len(found["b"]) == 1


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([], "holds no image named in nnU-Net's way, such as CASE_0000.nii.gz: it is empty"),
        (["a.nii.gz"], "holds no image named in nnU-Net's way.*it holds a.nii.gz"),
        (["a_0000.nii"], "it holds a_0000.nii"),
        (["a_0000.nii.gz", "a_0001.nii.gz", "b.nii.gz"], "not named in nnU-Net's way.*: b.nii.gz. Rename them"),
        (["a_0001.nii.gz"], "from _0000 to _0001; a has _0001"),
        (["a_0000.nii.gz", "a_0002.nii.gz"], "a has _0000, _0002"),
        (["a_0000.nii.gz", "a_0001.nii.gz", "a_0002.nii.gz"], "a has _0000, _0001, _0002"),
        (["a_seg_0000.nii.gz"], "must not end in _seg or _disagreement: a_seg"),
    ],
)
def test_a_folder_that_is_not_as_nnunet_names_it_is_refused(tmp_path, names, said):
    touch(tmp_path, *names)
    with pytest.raises(DataError, match=said):
        find_images(tmp_path, TWO)


def test_everything_about_names_is_told_at_once(tmp_path):
    touch(tmp_path, "a_0001.nii.gz", "b.nii.gz", "c_seg_0000.nii.gz")
    with pytest.raises(DataError, match=r"b\.nii\.gz.*a has _0001.*c_seg"):
        find_images(tmp_path, ONE)


def test_of_a_folder_of_the_data_set_only_what_is_there_is_taken(tmp_path):
    touch(tmp_path, "a_0000.nii.gz", "odd.nii.gz")
    assert list(case_images(tmp_path, ["a", "gone"], ONE)) == ["a"]
    assert case_images(tmp_path / "missing", ["a"], ONE) == {}


def test_cases_of_the_data_set_are_refused_by_name_and_by_content(tmp_path):
    known = {"old": (image(tmp_path / "old_0000.nii.gz"),)}
    again = tmp_path / "again_0000.nii.gz"
    again.write_bytes(gzip.compress(gzip.decompress(known["old"][0].read_bytes()), compresslevel=1))
    assert again.read_bytes() != known["old"][0].read_bytes()
    images = {
        "again": (again,),
        "old": (image(tmp_path / "x_0000.nii.gz", 1),),
        "no_longer_raw": (image(tmp_path / "y_0000.nii.gz", 2),),
        "new": (image(tmp_path / "new_0000.nii.gz", 3),),
    }
    with pytest.raises(DataError) as told:
        refuse_known_images(images, known, ["old", "no_longer_raw"])
    said = str(told.value)
    assert "3 images without labels cannot be used" in said
    assert "again is a copy of old" in said
    assert "no_longer_raw is a case of the data set" in said
    refuse_known_images({"new": images["new"]}, known, ["old"])


def test_links_are_copies_and_broken_links_are_not(tmp_path):
    known = {"old": image(tmp_path / "old.nrrd"), "gone": tmp_path / "gone.nrrd"}
    (tmp_path / "link.nrrd").symlink_to(known["old"])
    (tmp_path / "broken.nrrd").symlink_to(tmp_path / "nothing")
    other = image(tmp_path / "other.nrrd", 1)
    files = {"link": tmp_path / "link.nrrd", "broken": tmp_path / "broken.nrrd", "other": other}
    assert copies_among(files, known) == {"link": "old"}


def test_unreadable_and_unfitting_images_are_all_named_from_their_headers(tmp_path):
    reader = named_reader("SimpleITKIO")
    touch(tmp_path, "empty_0000.nii.gz")
    (tmp_path / "broken_0000.nii.gz").symlink_to(tmp_path / "nothing")
    vectors = sitk.GetImageFromArray(np.zeros((4, 5, 6, 2), np.float32), isVector=False)
    sitk.WriteImage(vectors, str(tmp_path / "four_0000.nii.gz"))
    image(tmp_path / "good_0000.nii.gz")
    with pytest.raises(DataError) as told:
        refuse_unfitting_images(find_images(tmp_path, ONE), reader, channels=1)
    said = str(told.value)
    assert all(name in said for name in ("empty_0000", "broken_0000", "four has 4 channels"))
    assert "good" not in said


def test_channels_of_one_case_lie_on_the_same_voxels(tmp_path):
    image(tmp_path / "a_0000.nii.gz")
    sitk.WriteImage(sitk.GetImageFromArray(np.zeros((4, 5, 7), np.float32)), str(tmp_path / "a_0001.nii.gz"))
    with pytest.raises(DataError, match="the channels of a have voxels of other numbers or sizes"):
        refuse_unfitting_images(find_images(tmp_path, TWO), named_reader("SimpleITKIO"), channels=2)


def test_a_file_that_is_cut_off_is_refused(tmp_path):
    """SimpleITK reads the rest of it as zeros without a word."""
    reader = named_reader("SimpleITKIO")
    whole = image(tmp_path / "whole.nii")
    cut = tmp_path / "cut.nii"
    cut.write_bytes(whole.read_bytes()[:-100])
    refuse_unfitting_images({"cut": (cut,)}, reader, channels=1)
    with pytest.raises(DataError, match="cut off or damaged"):
        refuse_damaged_images([whole, cut], reader)


def test_colour_pictures_hold_all_channels_in_one_file(tmp_path):
    from PIL import Image

    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "a_0000.png")
    Image.fromarray(np.zeros((8, 9), np.uint8)).save(tmp_path / "grey_0000.png")
    found = find_images(tmp_path, COLOUR)
    reader = named_reader("NaturalImage2DIO")
    refuse_unfitting_images({"a": found["a"]}, reader, channels=3)
    with pytest.raises(DataError, match="grey has 1 channel, the data set 3"):
        refuse_unfitting_images(found, reader, channels=3)


def test_a_data_set_may_list_its_files_elsewhere(tmp_path, monkeypatch):
    from nnunet_dsd.labelling.work import own_images

    monkeypatch.setenv("nnUNet_raw", str(tmp_path))
    (tmp_path / "Dataset001_X").mkdir()
    path = image(tmp_path / "elsewhere.nii.gz")
    listed = {"a": {"images": ["../elsewhere.nii.gz"], "label": "x"}, "b": {"images": ["gone.nii.gz"], "label": "x"}}
    described = {**ONE, "dataset": listed}
    own, tested = own_images("Dataset001_X", described)
    assert {name: [file.resolve() for file in files] for name, files in own.items()} == {"a": [path.resolve()]}
    assert tested == {}
    assert json.dumps(described["dataset"]) == json.dumps(listed)
    monkeypatch.delenv("nnUNet_raw")
    assert own_images("Dataset001_X", described) == ({}, {})
