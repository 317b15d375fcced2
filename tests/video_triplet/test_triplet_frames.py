"""Items of training: the right pixels and targets per row, augmented the same whatever the number of workers."""

import dataclasses

import numpy as np
import pytest
import torch
from frame_examples import again, write_dataset
from torch.utils.data import DataLoader

from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.data.augmentation import PRESETS, Augmentation
from video_triplet.data.cache_writing import prepare_cache
from video_triplet.data.frame_cache import FrameCache
from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.frames import TripletFrames

SIZE = 16
HEADS = ("triplet", "phase")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return write_dataset(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def cache(dataset, tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    prepare_cache(dataset, folder, size=SIZE)
    return FrameCache.open(folder)


def pixels(frames, *, epoch, workers=0):
    frames.set_epoch(epoch)
    loader = DataLoader(frames, batch_size=4, num_workers=workers)
    return torch.cat([batch["image"] for batch in loader])


def test_an_item_holds_the_frame_its_targets_and_its_row(dataset, cache):
    videos = dataset.subset(["VID02", "VID01"])
    frames = TripletFrames(videos, cache, HEADS)
    assert len(frames) == 17
    assert frames.rows[:2] == [("VID02", 3), ("VID02", 5)]
    assert frames.rows[5] == ("VID01", 3)
    item = frames[6]
    assert sorted(item) == ["image", "phase", "row", "triplet"]
    assert item["row"] == 6
    assert item["image"].dtype == torch.uint8
    assert np.array_equal(item["image"].permute(1, 2, 0), cache.read("VID01", 5))
    assert item["triplet"].dtype == torch.float32
    assert item["triplet"].tolist() == dataset.videos["VID01"].labels["triplet"][1].tolist()
    assert item["phase"].tolist() == dataset.videos["VID01"].labels["phase"][1].tolist()


def test_a_folder_gives_the_same_items_as_its_cache(dataset, cache):
    videos = list(dataset.videos.values())
    cached = TripletFrames(videos, cache, HEADS, augmentation=PRESETS["paper"])
    decoded = TripletFrames(videos, FolderFrames(dataset, SIZE), HEADS, augmentation=PRESETS["paper"])
    assert torch.equal(pixels(cached, epoch=1), pixels(decoded, epoch=1))


def test_given_targets_replace_the_labels(dataset, cache):
    soft = np.random.default_rng(0).random((5, 3), dtype=np.float32)
    frames = TripletFrames(dataset.subset(["VID02"]), cache, ["triplet"], targets={"triplet": soft})
    assert np.array_equal(torch.stack([frames[row]["triplet"] for row in range(5)]), soft)


def test_changing_an_items_target_does_not_change_the_data_set(dataset, cache):
    frames = TripletFrames(dataset.subset(["VID02"]), cache, ["triplet"])
    frames[0]["triplet"].fill_(7)
    assert frames[0]["triplet"].max() <= 1


@pytest.mark.parametrize("preset", ["paper", "authors-code"])
def test_two_workers_give_the_pixels_of_none(dataset, cache, preset):
    frames = TripletFrames(list(dataset.videos.values()), cache, HEADS, augmentation=PRESETS[preset], seed=3)
    alone = pixels(frames, epoch=4)
    assert torch.equal(pixels(frames, epoch=4, workers=2), alone)
    assert not torch.equal(pixels(frames, epoch=5), alone)


@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_workers_that_live_on_see_a_new_epoch(dataset, cache, method, workers):
    frames = TripletFrames(list(dataset.videos.values()), cache, HEADS, augmentation=PRESETS["paper"])
    expected = [pixels(frames, epoch=epoch) for epoch in (0, 1)]
    loader = DataLoader(
        frames, batch_size=4, num_workers=workers, persistent_workers=True, multiprocessing_context=method
    )
    for epoch in (0, 1):
        frames.set_epoch(epoch)
        assert torch.equal(torch.cat([batch["image"] for batch in loader]), expected[epoch])
    assert not torch.equal(*expected)


def test_the_pixels_do_not_depend_on_the_order_in_which_rows_are_asked_for(dataset, cache):
    frames = TripletFrames(list(dataset.videos.values()), cache, HEADS, augmentation=PRESETS["paper"])
    forward = [frames[row]["image"] for row in range(20)]
    backward = [frames[row]["image"] for row in reversed(range(20))][::-1]
    assert all(torch.equal(*pair) for pair in zip(forward, backward, strict=True))


def test_another_seed_draws_otherwise(dataset, cache):
    videos = list(dataset.videos.values())
    first, second = (TripletFrames(videos, cache, (), augmentation=PRESETS["paper"], seed=seed) for seed in (1, 2))
    assert not torch.equal(pixels(first, epoch=0), pixels(second, epoch=0))


def test_augmentation_reaches_the_pixels(dataset, cache):
    always = dataclasses.replace(PRESETS["none"], vertical_flip=1.0)
    assert isinstance(always, Augmentation)
    frames = TripletFrames(dataset.subset(["VID02"]), cache, (), augmentation=always)
    assert np.array_equal(frames[0]["image"].permute(1, 2, 0), cache.read("VID02", 3)[::-1])


def test_a_negative_row_counts_from_the_end_and_one_beyond_is_refused(dataset, cache):
    frames = TripletFrames(dataset.subset(["VID02"]), cache, (), augmentation=PRESETS["paper"])
    assert frames[-1]["row"] == 4
    assert torch.equal(frames[-1]["image"], frames[4]["image"])
    with pytest.raises(IndexError):
        frames[5]


def test_missing_images_are_counted(tmp_path):
    dataset = write_dataset(tmp_path / "data")
    for frame in (5, 9):
        dataset.videos["VID02"].image_path(frame).unlink()
    dataset = again(dataset)
    with pytest.raises(DataError, match="2 of 20 labelled frames have no image, first: VID02 frame 5"):
        TripletFrames(list(dataset.videos.values()), FolderFrames(dataset, SIZE), HEADS)


def test_what_does_not_go_together_is_refused(dataset, cache):
    video = dataset.videos["VID02"]
    with pytest.raises(DataError, match="no frame"):
        TripletFrames([], cache, HEADS)
    with pytest.raises(DataError, match="5 frames are there twice"):
        TripletFrames([video, video], cache, HEADS)
    with pytest.raises(DataError, match="VID02 has no labels for verb"):
        TripletFrames([video], cache, ("triplet", "verb"))
    with pytest.raises(DataError, match="no targets for phase"):
        TripletFrames([video], cache, HEADS, targets={"triplet": np.zeros((5, 3), dtype=np.float32)})
    with pytest.raises(ShapeError, match=r"targets of triplet are \(4, 3\), they must be \(5, classes\)"):
        TripletFrames([video], cache, ["triplet"], targets={"triplet": np.zeros((4, 3), dtype=np.float32)})
