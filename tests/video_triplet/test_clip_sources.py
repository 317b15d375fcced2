"""Videos are decoded whole at one size; a cache gives the same frames, goes on after a kill, and refuses damage."""

import hashlib
import json
import os
import pickle
import shutil

import numpy as np
import pytest
from ending_processes import die
from made_up_clips import SIZE, cut_off, frames_of, ucf_name, write_clip, write_ucf101
from PIL import Image

from nnunet_dsd.common.errors import DataError, SettingsError, SetupError
from video_triplet.clips import cache_writing
from video_triplet.clips.cache import ClipCache
from video_triplet.clips.cache_writing import plan_clip_cache, prepare_clip_cache
from video_triplet.clips.checking import check_clips
from video_triplet.clips.decoding import read_video, stated_frames
from video_triplet.clips.reading import open_clips
from video_triplet.clips.sources import VideoFiles, readable_clips
from video_triplet.data import problems as kinds

SMALL = (24, 32)
FIRST, SECOND, THIRD = (ucf_name("Archery", group, 1) for group in (1, 2, 3))


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return write_ucf101(tmp_path_factory.mktemp("ucf") / "data", groups=3, clips=1, test_groups=1)


@pytest.fixture
def root(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / "data")


@pytest.fixture
def damaged(root):
    (root / "UCF-101" / FIRST).write_bytes(b"")
    (root / "UCF-101" / SECOND).write_bytes(b"no video at all")
    cut_off(write_clip(root / "UCF-101" / THIRD, 60), 0.7)  # beyond the header
    return root


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def contents(folder):
    paths = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("ending", [".avi", ".mp4"])
@pytest.mark.parametrize("rate", [10, 25])
def test_all_frames_come_whatever_the_rate(tmp_path, ending, rate):
    path = write_clip(tmp_path / f"a{ending}", 31, rate=rate)
    frames = np.stack(list(read_video(path)))
    assert frames.shape == (31, *SIZE, 3)
    corner = frames[:, -8:, :8].mean(axis=(1, 2, 3))
    assert np.abs(corner - (20 + 4 * np.arange(31))).max() < 3
    assert stated_frames(path) == 31


def test_stretch_takes_the_whole_picture_and_crop_keeps_the_aspect_ratio(tmp_path):
    path = write_clip(tmp_path / "a.avi", 3, size=(48, 96))
    original = frames_of(path)
    stretched = list(read_video(path, size=(24, 24)))
    cropped = list(read_video(path, size=(24, 24), fit="crop"))
    for frame, one, other in zip(original, stretched, cropped, strict=True):
        assert np.array_equal(one, np.asarray(Image.fromarray(frame).resize((24, 24), Image.BILINEAR)))
        middle = Image.fromarray(frame[:, 24:72])
        assert np.array_equal(other[:, 2:-2], np.asarray(middle.resize((24, 24), Image.BILINEAR))[:, 2:-2])


def test_files_give_the_frames_asked_for_in_this_order(root):
    dataset = open_clips(root)
    source = VideoFiles(dataset, SIZE)
    expected = frames_of(root / "UCF-101" / FIRST)
    assert source.length(FIRST) == len(expected) == 21
    assert np.array_equal(source.read(FIRST, [4, 0, 4, 20]), expected[[4, 0, 4, 20]])
    with pytest.raises(DataError, match=r"has frames 0 to 20, asked for 0 to 21"):
        source.read(FIRST, [0, 21])
    with pytest.raises(DataError, match="frames 0 to 20"):
        source.read(FIRST, [-1])
    with pytest.raises(DataError, match="there is no video Nothing"):
        source.read("Nothing", [0])
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(FIRST, [3]), expected[[3]])


def test_a_cache_gives_the_same_as_the_files(root, folder):
    dataset = open_clips(root)
    prepare_clip_cache(dataset, folder, size=SMALL)
    cache, files = ClipCache.open(folder), VideoFiles(dataset, SMALL)
    cache.check(dataset)
    cache.verify()
    assert cache.size == files.size == SMALL
    for name in dataset.videos:
        assert cache.length(name) == files.length(name)
        assert np.array_equal(cache.read(name, range(cache.length(name))), files.read(name, range(files.length(name))))
    assert cache.fingerprint([FIRST]) == files.fingerprint([FIRST]) != files.fingerprint([SECOND])


def test_two_processes_write_what_one_writes_and_a_second_run_writes_nothing(root, folder, tmp_path):
    dataset = open_clips(root)
    calls = []
    plan = prepare_clip_cache(dataset, folder, size=SMALL, progress=lambda done, total: calls.append((done, total)))
    assert calls[-1] == (plan.frames, plan.frames)
    assert plan.frames == 3 * (21 + 22 + 23)
    assert plan.bytes_needed == plan.frames * 24 * 32 * 3
    prepare_clip_cache(dataset, tmp_path / "two", size=SMALL, workers=2)
    assert contents(folder) == contents(tmp_path / "two")
    assert len(contents(folder)) == 18
    assert prepare_clip_cache(dataset, folder, size=SMALL).todo == {}


def test_only_what_is_missing_or_changed_is_written(root, folder):
    prepare_clip_cache(open_clips(root), folder, size=SMALL)
    (folder / f"{FIRST}.json").unlink()
    (folder / f"{SECOND}.npy").write_bytes((folder / f"{SECOND}.npy").read_bytes()[:-4])
    write_clip(root / "UCF-101" / THIRD, 9)
    with pytest.raises(DataError, match=r"does not fit the data set.*\n.*is missing\n.*was made from another file"):
        ClipCache.open(folder).check(open_clips(root))
    (folder / "Archery" / ".partial-1-left.npy").write_bytes(b"of a killed run")
    plan = prepare_clip_cache(open_clips(root), folder, size=SMALL)
    assert sorted(plan.todo) == [FIRST, SECOND, THIRD]
    assert not list(folder.rglob(".partial*"))
    ClipCache.open(folder).check(open_clips(root))
    ClipCache.open(folder).verify()
    assert ClipCache.open(folder).length(THIRD) == 9


def test_disk_use_is_told_first_and_too_little_is_refused(root, folder, monkeypatch):
    dataset = open_clips(root)
    told = []
    usage = shutil.disk_usage(root)
    needed = plan_clip_cache(dataset, folder, size=SMALL).bytes_needed
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(SetupError, match="198 frames at 24 x 32 pixels"):
        prepare_clip_cache(dataset, folder, size=SMALL, announce=lambda plan: told.append(str(plan)))
    assert told == ["198 frames of 9 videos at 24 x 32 pixels, 0.00 GB; 0 there before"]
    assert contents(folder) == {}


def test_a_disk_that_fills_up_leaves_whole_videos_only(root, folder, monkeypatch):
    real, syncs = os.fsync, []

    def full_at_the_second(descriptor):
        syncs.append(descriptor)
        if len(syncs) == 2:
            raise OSError(28, os.strerror(28))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(SetupError, match=r"could not be written .*No space left"):
        prepare_clip_cache(open_clips(root), folder, size=SMALL)
    assert len(contents(folder)) == 2


def test_another_size_or_fit_in_a_folder_is_refused(root, folder):
    dataset = open_clips(root)
    prepare_clip_cache(dataset, folder, size=SMALL)
    for wish in ({"size": (32, 32)}, {"size": SMALL, "fit": "crop"}):
        with pytest.raises(DataError, match=r"holds frames of 24 x 32 pixels \(stretch\)"):
            prepare_clip_cache(dataset, folder, **wish)


@pytest.mark.parametrize("wish", [{"size": (0, 8)}, {"fit": "pad"}, {"workers": 0}])
def test_impossible_settings_are_refused(root, folder, wish):
    with pytest.raises(SettingsError):
        prepare_clip_cache(open_clips(root), folder, **wish)


def test_check_finds_empty_damaged_and_short_videos_all_at_once(damaged):
    short = ucf_name("HandstandPushups", 1, 1)
    write_clip(damaged / "UCF-101" / short, 5)
    for workers in (0, 2):
        report = check_clips(open_clips(damaged), workers=workers)
        assert {(p.kind, p.video) for p in report.errors} == {
            (kinds.VIDEO_EMPTY, FIRST),
            (kinds.VIDEO_BROKEN, SECOND),
            (kinds.VIDEO_BROKEN, THIRD),
        }
        assert [(p.kind, p.video) for p in report.notes] == [(kinds.VIDEO_SHORT, short)]
        assert report.frames == (21 + 22 + 23) + 5 + 22 + 23
    quick = check_clips(open_clips(damaged), decode=False)
    assert THIRD not in [problem.video for problem in quick.errors]
    assert len(quick.errors) == 2
    with pytest.raises(DataError, match="allowed are 0"):
        check_clips(open_clips(damaged), workers=-1)


def test_a_file_cut_off_by_less_than_two_seconds_is_noticed(tmp_path):
    path = write_clip(tmp_path / "a.avi", 40)
    cut_off(path, 0.6)
    with pytest.raises(DataError, match=r"gives \d+ of 40 frames; it is damaged or cut off"):
        list(read_video(path))


def test_a_cache_refuses_damage_or_leaves_it_out_as_told(damaged, folder):
    dataset = open_clips(damaged)
    with pytest.raises(DataError, match=r"2 videos cannot be opened(.|\n)*is empty"):
        prepare_clip_cache(dataset, folder, size=SMALL)
    assert contents(folder) == {}
    for name in (FIRST, SECOND):
        write_clip(damaged / "UCF-101" / name, 4)
    with pytest.raises(DataError, match=r"v_Archery_g03_c01\.avi.*--sound-only"):
        prepare_clip_cache(open_clips(damaged), folder, size=SMALL)
    assert f"{THIRD}.npy" not in contents(folder)
    prepare_clip_cache(open_clips(damaged), folder, size=SMALL, sound_only=True)
    cache = ClipCache.open(folder)
    cache.check(open_clips(damaged))
    cache.verify()
    assert not cache.has(THIRD)
    assert cache.has(FIRST)
    with pytest.raises(DataError, match=r"does not hold .*g03_c01.*frames"):
        cache.read(THIRD, [0])
    assert plan_clip_cache(open_clips(damaged), folder, size=SMALL, sound_only=True).todo == {}
    assert list(plan_clip_cache(open_clips(damaged), folder, size=SMALL).todo) == [THIRD]


def test_use_refuses_damage_or_skips_it_and_says_so(damaged):
    dataset = open_clips(damaged)
    source = VideoFiles(dataset, SMALL)
    with pytest.raises(DataError, match=r"--sound-only:\n.*video broken \(2\), first: Archery/v_Archery_g01_c01"):
        readable_clips(dataset, source, sound_only=False)
    kept = readable_clips(dataset, source, sound_only=True)
    assert set(dataset.videos) - set(kept.videos) == {FIRST, SECOND}
    assert {problem.video for problem in kept.problems} == {FIRST, SECOND}
    listed = {name for lists in kept.official.values() for name in (*lists.training, *lists.test)}
    assert listed == set(kept.videos)
    with pytest.raises(DataError, match=r"cut off|cannot be read"):
        source.read(THIRD, [0])  # damage beyond the header shows when the video is read


def test_a_damaged_record_a_mixed_and_an_empty_folder_are_refused(root, folder):
    with pytest.raises(DataError, match="no cached video"):
        ClipCache.open(folder)
    prepare_clip_cache(open_clips(root), folder, size=SMALL)
    text = (folder / f"{FIRST}.json").read_text()
    (folder / f"{FIRST}.json").write_text(text.replace("stretch", "crop"))
    with pytest.raises(DataError, match="several kinds"):
        ClipCache.open(folder)
    (folder / f"{FIRST}.json").write_text(text.replace('"schema": 1', '"schema": 9'))
    with pytest.raises(DataError, match="schema 9"):
        ClipCache.open(folder)
    (folder / f"{FIRST}.json").write_text("{}")
    with pytest.raises(DataError, match="not the record"):
        ClipCache.open(folder)


def test_a_cache_of_the_first_versions_is_opened_checked_and_gone_on_with(root, folder):
    """Written here by hand: arrays of NumPy and their records, one of a video that was left out."""
    (root / "UCF-101" / SECOND).write_bytes(b"no video at all")
    dataset = open_clips(root)
    prepare_clip_cache(dataset, folder, size=SMALL, sound_only=True)
    old = folder.parent / "old"
    (old / "Archery").mkdir(parents=True)
    pixels = VideoFiles(dataset, SMALL).read(FIRST, range(21))
    np.save(old / f"{FIRST}.npy", pixels)
    kind = {"schema": 1, "size": list(SMALL), "fit": "stretch", "filter": "bilinear with antialias"}
    first = {"name": FIRST, "frames": 21, "broken": "", "source": (root / "UCF-101" / FIRST).stat().st_size}
    checksum = hashlib.sha256(pixels.tobytes()).hexdigest()
    broken = json.loads((folder / f"{SECOND}.json").read_text())["broken"]
    second = {"name": SECOND, "frames": 0, "broken": broken, "source": len(b"no video at all")}
    for name, record in {FIRST: {**first, "checksum": checksum}, SECOND: {**second, "checksum": ""}}.items():
        (old / f"{name}.json").write_text(json.dumps({**kind, **record}))
        assert json.loads((folder / f"{name}.json").read_text()) == {**kind, **record}
    cache = ClipCache.open(old)
    cache.verify()
    assert (cache.size, cache.fit, cache.has(FIRST), cache.has(SECOND)) == (SMALL, "stretch", True, False)
    assert np.array_equal(cache.read(FIRST, [3, 20]), pixels[[3, 20]])
    assert set(plan_clip_cache(dataset, old, size=SMALL, sound_only=True).whole) == {FIRST, SECOND}
    assert set(plan_clip_cache(dataset, old, size=SMALL).whole) == {FIRST}


def test_changed_pixels_are_found(root, folder):
    prepare_clip_cache(open_clips(root), folder, size=SMALL)
    content = bytearray((folder / f"{FIRST}.npy").read_bytes())
    content[-1] ^= 255
    (folder / f"{FIRST}.npy").write_bytes(bytes(content))
    with pytest.raises(DataError, match="v_Archery_g01_c01"):
        ClipCache.open(folder).verify()


def test_reading_many_videos_leaves_no_file_open(root, folder):
    prepare_clip_cache(open_clips(root), folder, size=SMALL)
    cache = ClipCache.open(folder)
    before = len(os.listdir("/proc/self/fd"))
    for name in cache.videos:
        cache.read(name, [0, 1])
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_worker_that_is_killed_is_reported(root, folder, monkeypatch):
    monkeypatch.setattr(cache_writing, "write_clips", die)
    with pytest.raises(SetupError, match="a decoding process was killed"):
        prepare_clip_cache(open_clips(root), folder, size=SMALL, workers=2)
