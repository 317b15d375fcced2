"""Sound videos whose files hide frames are not called damaged, and damaged ones are; no class is dropped silently."""

from pathlib import Path

import numpy as np
import pytest
from made_up_clips import cut_off, write_ucf101
from made_up_videos import encode, joined, seconds, shifted

from nnunet_dsd.common.errors import DataError
from video_triplet.clips import decoding
from video_triplet.clips.checking import check_clips, examine_video
from video_triplet.clips.decoding import read_video
from video_triplet.clips.reading import open_clips
from video_triplet.clips.shown_frames import shown_frames
from video_triplet.clips.sources import VideoFiles, readable_clips
from video_triplet.clips.splits import official_split
from video_triplet.clips.videos import ClipVideo
from video_triplet.data.video_files import frames_of_video


def examine(path, *, decode):
    """What is found out about one video."""
    return examine_video(ClipVideo("a", path, 0), decode=decode)


def noisy(path, frames=75, step=1, **options):
    """A video whose frames are of similar size in bytes, so that cutting takes frames away."""
    picture = np.random.default_rng(0).integers(0, 255, (48, 64, 3), dtype=np.uint8)
    times = [step * index / 25 for index in range(frames)]
    return encode(path, times, size=(48, 64), picture=picture, gop=250, **options)


def trimmed(path, by=1.0, **options):
    """As `ffmpeg -ss BY -i SOURCE -c copy PATH`: an edit list hides what lies before."""
    return shifted(noisy(path.with_name("source.mp4"), **options), path, -by)


SOUND = {
    "whole.mp4": (lambda path: noisy(path, codec="libx264"), 75),
    "trimmed.mp4": (trimmed, 50),
    "trimmed with frames out of order.mp4": (lambda path: trimmed(path, codec="libx264"), 50),
    "fragmented.mp4": (lambda path: noisy(path, options={"movflags": "frag_keyframe+empty_moov"}), 75),
    "slow.avi": (lambda path: noisy(path, 20, step=5), 20),
    "whole.avi": (noisy, 75),
    "whole.mkv": (noisy, 75),
    "joined.avi": (lambda path: joined(path, *[noisy(path.with_name("one.avi"))] * 2), 150),
}


@pytest.mark.parametrize("name", SOUND)
def test_sound_videos_are_not_called_damaged(tmp_path, name):
    make, frames = SOUND[name]
    path = make(tmp_path / name)
    facts = examine(path, decode=True)
    assert (facts.problem, facts.frames, facts.stated) == (None, frames, frames)
    assert examine(path, decode=False).problem is None
    assert len(list(read_video(path))) == frames


def test_a_long_video_of_which_a_part_is_kept_is_not_taken_for_a_cut_off_one(tmp_path):
    path = shifted(encode(tmp_path / "source.mp4", seconds(20)), tmp_path / "a.mp4", -13)
    assert [number for number, _ in frames_of_video(path)] == list(range(7))


def faststart(path):
    return noisy(path, options={"movflags": "faststart"})


@pytest.mark.parametrize(
    ("name", "make"),
    [("a.avi", noisy), ("slow.avi", lambda path: noisy(path, 20, step=5)), ("a.mp4", faststart), ("b.mp4", noisy),
     ("trimmed.mp4", trimmed)],
)  # fmt: skip
def test_cut_off_videos_are_reported(tmp_path, name, make):
    path = make(tmp_path / name)
    cut_off(path, 0.6)
    assert examine(path, decode=True).problem is not None


@pytest.mark.parametrize("ending", [".avi", ".mp4"])
def test_a_video_whose_middle_is_gone_is_reported(tmp_path, ending):
    path = noisy(tmp_path / f"a{ending}", codec="mpeg4")
    content = bytearray(path.read_bytes())
    content[len(content) // 4 : 3 * len(content) // 4] = bytes(3 * len(content) // 4 - len(content) // 4)
    path.write_bytes(content)
    assert examine(path, decode=True).problem is not None


@pytest.mark.parametrize("name", ["a.avi", "a.mp4"])
def test_packets_are_counted_only_where_the_header_states_another_number(tmp_path, monkeypatch, name):
    counted = []
    monkeypatch.setattr(decoding, "shown_frames", lambda path: counted.append(path) or shown_frames(path))
    assert len(list(read_video(noisy(tmp_path / name)))) == 75
    assert not counted
    assert len(list(read_video(trimmed(tmp_path / "trimmed.mp4")))) == 50
    assert counted == [tmp_path / "trimmed.mp4"]


def test_no_more_frames_are_counted_than_the_file_has(tmp_path):
    assert shown_frames(noisy(tmp_path / "a.mkv", 10)) == 10


@pytest.fixture
def ucf(tmp_path):
    return write_ucf101(tmp_path / "ucf")


def test_a_class_that_was_trimmed_is_kept(ucf, tmp_path):
    for path in sorted((ucf / "UCF-101" / "Archery").iterdir()):
        trimmed(path.with_suffix(".mp4"))
        path.unlink()
        (path.with_name("source.mp4")).unlink()
    dataset = open_clips(ucf)
    report = check_clips(dataset)
    assert report.errors == ()
    kept = readable_clips(dataset, VideoFiles(dataset), sound_only=True)
    assert kept.videos.keys() == dataset.videos.keys()


def test_going_on_with_what_is_sound_never_drops_a_class(ucf):
    videos = sorted((ucf / "UCF-101" / "Archery").iterdir())
    for path in videos:
        path.write_bytes(b"")
    dataset = open_clips(ucf)
    with pytest.raises(DataError, match=r"1 of 3 classes of .* have no video that is sound: Archery"):
        readable_clips(dataset, VideoFiles(dataset), sound_only=True)


def test_going_on_with_what_is_sound_leaves_each_class_something_to_train_on(ucf):
    dataset = open_clips(ucf)
    for name in dataset.official[1].training:
        if name.startswith("Archery"):
            Path(dataset.videos[name].path).write_bytes(b"")
    kept = readable_clips(open_clips(ucf), VideoFiles(dataset), sound_only=True)
    with pytest.raises(DataError, match="have no video in the training list of split 1: Archery"):
        official_split(kept, 1)
    assert official_split(kept, 2).training
