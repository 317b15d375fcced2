"""The frame cache holds the pixels of direct decoding, says what it was made from, and refuses what does not fit."""

import dataclasses
import hashlib
import json
import pickle
import shutil

import numpy as np
import pytest
from frame_examples import VOCABULARY, again, noise, write_dataset, write_video
from made_up_datasets import SAMPLE
from PIL import Image

from nnunet_dsd.common.errors import DataError
from video_triplet.data.cache_writing import prepare_cache
from video_triplet.data.frame_cache import FrameCache
from video_triplet.data.frame_sources import FolderFrames, only_frames_of
from video_triplet.data.reading import open_dataset
from video_triplet.data.videos import TripletDataset

SIZE = 16


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "data")


@pytest.fixture
def folder(dataset, tmp_path):
    prepare_cache(dataset, tmp_path / "cache", size=SIZE)
    return tmp_path / "cache"


def keys(dataset):
    return [(video.name, frame) for video in dataset.videos.values() for frame in video.frames.tolist()]


def test_cached_pixels_are_those_of_direct_decoding(dataset, folder):
    cache, direct = FrameCache.open(folder), FolderFrames(dataset, SIZE)
    assert cache.size == direct.size == SIZE
    assert len(keys(dataset)) == 20
    for key in keys(dataset):
        pixels = cache.read(*key)
        assert pixels.dtype == np.uint8
        assert pixels.shape == (SIZE, SIZE, 3)
        assert np.array_equal(pixels, direct.read(*key))


def test_the_files_open_with_numpy_alone(dataset, folder):
    array = np.load(folder / "VID01.npy")
    record = json.loads((folder / "VID01.json").read_text())
    assert array.shape == (12, SIZE, SIZE, 3)
    assert record["frames"] == dataset.videos["VID01"].frames.tolist()
    assert record["sources"]["3"] == dataset.videos["VID01"].image_path(3).stat().st_size


def test_a_read_frame_can_be_changed_without_changing_the_cache(folder):
    cache = FrameCache.open(folder)
    before = cache.read("VID01", 3).copy()
    cache.read("VID01", 3)[:] = 0
    assert np.array_equal(cache.read("VID01", 3), before)


def test_a_pickled_cache_carries_no_pixels_and_reads_the_same(folder):
    cache = FrameCache.open(folder)
    before = cache.read("VID01", 5)
    pickled = pickle.dumps(cache)
    assert len(pickled) < (folder / "VID01.npy").stat().st_size
    assert np.array_equal(pickle.loads(pickled).read("VID01", 5), before)


def test_frames_with_labels_and_without_image_are_left_out(tmp_path, dataset):
    dataset.videos["VID02"].image_path(5).unlink()
    dataset = again(dataset)
    prepare_cache(dataset, tmp_path / "cache", size=SIZE)
    cache = FrameCache.open(tmp_path / "cache")
    cache.check(dataset)
    assert not cache.has("VID02", 5)
    assert [video.frames.tolist() for video in only_frames_of(dataset.subset(["VID02"]), cache)] == [[3, 7, 9, 11]]


def test_images_without_labels_are_not_cached(tmp_path, dataset):
    Image.fromarray(noise(34, 60, 9)).save(dataset.videos["VID02"].folder / "000100.png")
    dataset = again(dataset)
    prepare_cache(dataset, tmp_path / "cache", size=SIZE)
    assert not FrameCache.open(tmp_path / "cache").has("VID02", 100)


def test_a_frame_that_is_not_there_is_refused(folder, dataset):
    for source in (FrameCache.open(folder), FolderFrames(dataset, SIZE)):
        with pytest.raises(DataError, match="VID01 frame 4"):
            source.read("VID01", 4)
        with pytest.raises(DataError, match="VID99 frame 3"):
            source.read("VID99", 3)


def test_check_accepts_the_data_set_it_was_made_from(folder, dataset):
    FrameCache.open(folder).check(again(dataset), size=SIZE)


def test_check_refuses_a_changed_image(folder, dataset):
    Image.fromarray(noise(40, 60, 8)).save(dataset.videos["VID02"].image_path(5))
    with pytest.raises(DataError, match="VID02 was made from other images") as caught:
        FrameCache.open(folder).check(dataset)
    assert "VID01" not in str(caught.value)


def test_check_refuses_other_labelled_frames(folder, dataset):
    video = dataset.videos["VID01"].select(np.arange(12) < 11)
    other = TripletDataset(dataset.root, dataset.layout, VOCABULARY, {**dataset.videos, "VID01": video})
    with pytest.raises(DataError, match="VID01 was made from other images or frames"):
        FrameCache.open(folder).check(other)


def test_frames_of_another_size_are_refused_with_both_cures(folder, dataset):
    with pytest.raises(DataError, match=r"16 pixels .*32 are needed.*--image-size 16.*--size 32"):
        FrameCache.open(folder).check(dataset, size=32)


def test_a_video_that_the_cache_lacks_is_named(folder, dataset, tmp_path):
    extra = write_video(tmp_path / "data", "VID77", [0, 1])
    other = TripletDataset(dataset.root, dataset.layout, VOCABULARY, {**dataset.videos, "VID77": extra})
    with pytest.raises(DataError, match="VID77 is missing"):
        FrameCache.open(folder).check(other)


def test_verify_accepts_what_was_written_and_names_a_video_with_a_changed_pixel(folder):
    FrameCache.open(folder).verify()
    content = bytearray((folder / "VID02.npy").read_bytes())
    content[-1] ^= 1
    (folder / "VID02.npy").write_bytes(bytes(content))
    with pytest.raises(DataError, match="the pixels of VID02 are not"):
        FrameCache.open(folder).verify()


def test_a_cut_off_array_is_refused_when_read(folder):
    content = (folder / "VID02.npy").read_bytes()
    (folder / "VID02.npy").write_bytes(content[:-1])
    with pytest.raises(DataError, match=r"VID02\.npy is missing or cut off"):
        FrameCache.open(folder).read("VID02", 3)


def test_an_array_of_another_shape_than_its_record_is_refused(folder):
    np.save(folder / "VID02.npy", np.zeros((4, SIZE, SIZE, 3), dtype=np.uint8))
    with pytest.raises(DataError, match="its record says"):
        FrameCache.open(folder).read("VID02", 3)


def test_an_empty_folder_and_a_folder_of_two_sizes_are_refused(folder, dataset, tmp_path):
    with pytest.raises(DataError, match="there is no cached video"):
        FrameCache.open(tmp_path)
    prepare_cache(dataset, tmp_path / "other", size=8)
    for ending in ("npy", "json"):
        (tmp_path / "other" / f"VID03.{ending}").rename(folder / f"VID03.{ending}")
    with pytest.raises(DataError, match="several kinds: 8 pixels, 16 pixels; keep one cache per folder"):
        FrameCache.open(folder)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": 99}'])
def test_a_broken_record_is_refused_by_name(folder, content):
    (folder / "VID02.json").write_text(content)
    with pytest.raises(DataError, match=r"VID02\.json"):
        FrameCache.open(folder)


def test_a_half_written_record_of_a_killed_run_is_not_taken_for_one(folder):
    (folder / ".partial-1-VID09.json").write_text("{")
    assert sorted(FrameCache.open(folder).videos) == ["VID01", "VID02", "VID03"]


@pytest.mark.skipif(SAMPLE is None, reason="the sample of CholecT50 is not on this machine")
def test_real_frames_are_cached_as_they_are_decoded(tmp_path):
    dataset = open_dataset(SAMPLE)
    video = dataset.videos["VID70"]
    some = video.select(np.isin(video.frames, sorted(video.image_paths)[::20]))
    few = TripletDataset(dataset.root, dataset.layout, dataset.vocabulary, {"VID70": some})
    prepare_cache(few, tmp_path / "cache")
    cache, direct = FrameCache.open(tmp_path / "cache"), FolderFrames(few)
    cache.check(few, size=224)
    assert len(keys(few)) >= 4
    for key in keys(few):
        assert np.array_equal(cache.read(*key), direct.read(*key))
        assert cache.read(*key).std() > 10  # a picture, not a blank


def test_labels_and_cache_are_enough_where_no_image_is(dataset, folder):
    for video in dataset.videos.values():
        shutil.rmtree(video.folder)
    without = again(dataset)
    cache = FrameCache.open(folder)
    cache.check(without)
    assert len(keys(without)) == sum(len(video) for video in only_frames_of(without.videos.values(), cache))


def test_without_images_every_labelled_frame_must_be_in_the_cache(dataset, tmp_path):
    dataset.videos["VID02"].image_path(5).unlink()
    prepare_cache(again(dataset), tmp_path / "cache", size=SIZE)
    for video in dataset.videos.values():
        shutil.rmtree(video.folder)
    with pytest.raises(DataError, match="VID02: 1 labelled frames are neither in it nor in the data set"):
        FrameCache.open(tmp_path / "cache").check(again(dataset))


def test_the_fingerprint_is_the_same_with_and_without_cache_and_follows_the_files(dataset, folder):
    names = list(dataset.videos)
    before = FolderFrames(dataset, SIZE).fingerprint(names)
    assert FrameCache.open(folder).fingerprint(names) == before
    Image.fromarray(noise(34, 70, 9)).save(dataset.videos["VID02"].image_path(5))
    assert FolderFrames(again(dataset), SIZE).fingerprint(names) != before


def test_a_png_that_was_cut_off_is_not_offered(dataset):
    path = dataset.videos["VID02"].image_path(5)
    path.write_bytes(path.read_bytes()[:-1])
    assert not FolderFrames(again(dataset), SIZE).has("VID02", 5)


def test_a_json_file_that_is_no_record_does_not_spoil_a_cache(folder):
    (folder / "IEE.json").write_text('{"strategy": "IEE"}')
    assert "IEE" not in FrameCache.open(folder).videos


def test_a_cache_of_the_first_versions_is_opened_checked_and_gone_on_with(dataset, folder, tmp_path):
    """Written here by hand: an array of NumPy, and a record with these entries."""
    video, old = dataset.videos["VID02"], tmp_path / "old"
    old.mkdir()
    pixels = np.stack([FolderFrames(dataset, SIZE).read("VID02", frame) for frame in video.frames.tolist()])
    np.save(old / "VID02.npy", pixels)
    record = {
        "schema": 1,
        "name": "VID02",
        "frames": video.frames.tolist(),
        "sources": {str(frame): video.image_path(frame).stat().st_size for frame in video.frames.tolist()},
        "broken": {},
        "size": SIZE,
        "filter": "bilinear with antialias",
        "checksum": hashlib.sha256(pixels.tobytes()).hexdigest(),
    }
    (old / "VID02.json").write_text(json.dumps(record))
    assert json.loads((folder / "VID02.json").read_text()) == record
    cache = FrameCache.open(old)
    cache.verify()
    cache.check(dataclasses.replace(dataset, videos={"VID02": video}))
    assert np.array_equal(cache.read("VID02", 5), FolderFrames(dataset, SIZE).read("VID02", 5))
    assert prepare_cache(dataset, old, size=SIZE).whole == ("VID02",)
