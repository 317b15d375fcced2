"""Items of the torch datasets: shapes, labels, the same crop in every frame, and reproducible draws."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from made_up_clips import ucf_name, write_clip, write_ucf101
from PIL import Image
from torch.utils.data import DataLoader

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.clips.cache import ClipCache
from video_triplet.clips.cache_writing import prepare_clip_cache
from video_triplet.clips.clips import TestClips, TrainingClips, cut_out
from video_triplet.clips.reading import open_clips
from video_triplet.clips.sources import VideoFiles

SHORT = ucf_name("ApplyMakeup", 1, 1)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    root = write_ucf101(folder / "data", groups=3, clips=1, test_groups=1, frames=30)
    write_clip(root / "UCF-101" / SHORT, 5)
    dataset = open_clips(root)
    prepare_clip_cache(dataset, folder / "cache", size=(40, 56))
    return dataset, ClipCache.open(folder / "cache")


def videos_of(dataset):
    return list(dataset.videos.values())


def test_an_item_has_a_clip_its_label_and_its_row(opened):
    dataset, cache = opened
    clips = TrainingClips(videos_of(dataset), cache, size=24)
    assert len(clips) == 9
    for row, video in enumerate(dataset.videos.values()):
        item = clips[row]
        assert item["clip"].shape == (3, 16, 24, 24)
        assert (item["clip"].dtype, item["label"], item["row"]) == (torch.uint8, video.label, row)
    with pytest.raises(IndexError):
        clips[9]


def test_without_augmentation_a_clip_is_the_centre_of_frames_in_a_row(opened):
    dataset, cache = opened
    name = ucf_name("Archery", 2, 1)
    clips = TrainingClips([dataset.videos[name]], cache, frames=4, stride=2, size=24, augmentation=None)
    frames = cache.read(name, range(cache.length(name)))[:, 8:32, 16:40]
    clip = clips[0]["clip"].permute(1, 2, 3, 0).numpy()
    starts = [s for s in range(len(frames) - 6) if np.array_equal(clip, frames[s : s + 7 : 2])]
    assert len(starts) == 1


def test_test_clips_are_even_and_central(opened):
    dataset, cache = opened
    name = ucf_name("Archery", 3, 1)
    item = TestClips([dataset.videos[name]], cache, size=24)[0]
    assert item["clips"].shape == (10, 3, 16, 24, 24)
    assert item["label"] == 1
    frames = cache.read(name, range(33))[:, 8:32, 16:40]
    for number, start in enumerate(np.round(np.linspace(0, 17, 10)).astype(int)):
        assert np.array_equal(item["clips"][number].permute(1, 2, 3, 0).numpy(), frames[start : start + 16])


def test_a_short_video_is_repeated_in_training_and_test(opened):
    dataset, cache = opened
    frames = cache.read(SHORT, [0, 1, 2, 3, 4] * 3 + [0])[:, 8:32, 16:40]
    training = TrainingClips([dataset.videos[SHORT]], cache, size=24, augmentation=None)[0]["clip"]
    assert np.array_equal(training.permute(1, 2, 3, 0).numpy(), frames)
    test = TestClips([dataset.videos[SHORT]], cache, size=24)[0]["clips"]
    assert all(torch.equal(clip, training) for clip in test)


def test_every_frame_is_cut_out_and_flipped_alike():
    frame = np.random.default_rng(0).integers(0, 256, (40, 56, 3), dtype=np.uint8)
    clip = cut_out(np.stack([frame] * 4), (3, 5, 20, 30), 16, horizontal_flip=True)
    assert clip.shape == (3, 4, 16, 16)
    assert all(torch.equal(clip[:, 0], clip[:, number]) for number in range(4))
    # Pillow's filter is an independent implementation of the same bilinear resize with antialias.
    expected = np.asarray(Image.fromarray(frame[3:23, 5:35]).resize((16, 16), Image.BILINEAR))[:, ::-1]
    assert np.abs(clip[:, 0].permute(1, 2, 0).numpy().astype(int) - expected).max() <= 1


def test_epochs_differ_and_the_same_epoch_is_the_same_again(opened):
    dataset, cache = opened
    clips = TrainingClips(videos_of(dataset), cache, size=24, seed=5)
    first = [clips[row]["clip"] for row in range(9)]
    clips.set_epoch(1)
    assert sum(torch.equal(clips[row]["clip"], first[row]) for row in range(9)) == 0
    clips.set_epoch(0)
    assert all(torch.equal(clips[row]["clip"], first[row]) for row in reversed(range(9)))
    other = TrainingClips(videos_of(dataset), cache, size=24, seed=6)
    assert sum(torch.equal(other[row]["clip"], first[row]) for row in range(9)) == 0


def test_workers_that_live_on_give_what_this_process_gives(opened):
    dataset, cache = opened
    clips = TrainingClips(videos_of(dataset), cache, size=24)
    loader = DataLoader(clips, batch_size=3, num_workers=2, persistent_workers=True)
    for epoch in range(2):
        clips.set_epoch(epoch)
        for batch in loader:
            assert batch["clip"].shape == (3, 3, 16, 24, 24)
            for row, clip, label in zip(batch["row"].tolist(), batch["clip"], batch["label"].tolist(), strict=True):
                assert torch.equal(clip, clips[row]["clip"])
                assert label == clips[row]["label"]


def test_files_and_cache_give_the_same_clips(opened):
    dataset, cache = opened
    files = VideoFiles(dataset, (40, 56))
    videos = videos_of(dataset)[:4]
    for make in (TrainingClips, TestClips):
        key = "clip" if make is TrainingClips else "clips"
        pairs = zip(make(videos, files, size=24), make(videos, cache, size=24), strict=True)
        assert all(torch.equal(one[key], other[key]) for one, other in pairs)


def test_what_cannot_be_cut_into_clips_is_refused(opened):
    dataset, cache = opened
    videos = videos_of(dataset)
    with pytest.raises(DataError, match="there is no video"):
        TrainingClips([], cache)
    with pytest.raises(DataError, match="1 video is there twice"):
        TestClips([*videos, videos[0]], cache, size=24)
    with pytest.raises(DataError, match=r"40 x 56 pixels, too small for a central crop of 112"):
        TestClips(videos, cache)
    with pytest.raises(DataError, match="too small"):
        TrainingClips(videos, cache, augmentation=None)
    with pytest.raises(SettingsError, match="clips is 0"):
        TestClips(videos, cache, size=24, clips=0)
    lacking = ClipCache(cache.folder, {SHORT: cache.videos[SHORT]}, cache.kind)
    with pytest.raises(DataError, match=r"8 of 9 videos cannot be read"):
        TrainingClips(videos, lacking)


def test_the_python_lines_of_the_page_run(tmp_path, monkeypatch):
    page = Path(__file__).parents[2] / "docs" / "how-to" / "action-recognition-data.md"
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL)
    assert len(blocks) == 2
    monkeypatch.chdir(tmp_path)
    prepare_clip_cache(open_clips(write_ucf101(Path("UCF101"), groups=4, clips=1, test_groups=1)), Path("frames"))
    variables = {}
    for block in blocks:
        exec(compile(block, page.name, "exec"), variables)
    assert variables["training"][0]["clip"].shape == (3, 16, 112, 112)
    assert variables["test"][0]["clips"].shape == (10, 3, 16, 112, 112)
