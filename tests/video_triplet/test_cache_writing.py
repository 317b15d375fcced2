"""Making a cache goes on where a killed run stopped, and leaves whole videos or none."""

import errno
import os
import pickle
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from ending_processes import die
from frame_examples import again, noise, write_dataset
from PIL import Image

from nnunet_dsd.common.errors import DataError, SettingsError, SetupError
from video_triplet.data import cache_writing
from video_triplet.data.array_cache_writing import sole_writer
from video_triplet.data.cache_writing import plan_cache, prepare_cache
from video_triplet.data.frame_cache import FrameCache

SIZE = 16


@pytest.fixture
def dataset(tmp_path):
    return write_dataset(tmp_path / "data")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


def contents(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.name != ".lock"}


def damage(dataset, video, frame):
    path = dataset.videos[video].image_path(frame)
    path.write_bytes(path.read_bytes()[:200])


def test_two_processes_write_what_one_writes(dataset, folder, tmp_path):
    prepare_cache(dataset, folder, size=SIZE)
    prepare_cache(dataset, tmp_path / "parallel", size=SIZE, workers=2)
    assert contents(folder) == contents(tmp_path / "parallel")
    assert len(contents(folder)) == 6


def test_progress_counts_frames_up_to_all(dataset, folder):
    calls = []
    prepare_cache(dataset, folder, size=SIZE, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(12, 20), (17, 20), (20, 20)]


def test_a_second_run_writes_nothing(dataset, folder):
    prepare_cache(dataset, folder, size=SIZE)
    times = {path: path.stat().st_mtime_ns for path in folder.glob("VID*")}
    plan = prepare_cache(again(dataset), folder, size=SIZE)
    assert plan.todo == {}
    assert plan.whole == ("VID01", "VID02", "VID03")
    assert {path: path.stat().st_mtime_ns for path in folder.glob("VID*")} == times


@pytest.mark.parametrize("workers", [1, 2])
def test_after_a_broken_image_is_mended_only_missing_videos_are_written(dataset, folder, workers):
    whole = dataset.videos["VID02"].image_path(5).read_bytes()
    damage(dataset, "VID02", 5)
    with pytest.raises(DataError, match=r"VID02/000005\.png is damaged.*--skip-broken"):
        prepare_cache(dataset, folder, size=SIZE, workers=workers)
    assert "VID02.npy" not in contents(folder)
    assert not any(name.startswith(".partial") for name in contents(folder))
    assert "VID01" in FrameCache.open(folder).videos
    dataset.videos["VID02"].image_path(5).write_bytes(whole)
    plan = prepare_cache(again(dataset), folder, size=SIZE, workers=workers)
    assert "VID02" in plan.todo
    assert "VID01" in plan.whole
    FrameCache.open(folder).check(dataset)
    FrameCache.open(folder).verify()


def test_skipped_broken_images_are_recorded_and_the_rest_is_right(dataset, folder):
    direct = {frame: dataset.videos["VID01"].image_path(frame).read_bytes() for frame in (5, 7, 25)}
    for frame in (3, 7, 9):
        damage(dataset, "VID01", frame)
    prepare_cache(dataset, folder, size=SIZE, skip_broken=True)
    cache = FrameCache.open(folder)
    cache.check(dataset)
    cache.verify()
    assert sorted(cache.videos["VID01"].broken) == [3, 7, 9]
    assert np.load(folder / "VID01.npy").shape == (9, SIZE, SIZE, 3)  # one digit less than 12 in the header
    assert direct[7] != dataset.videos["VID01"].image_path(7).read_bytes()
    expected = np.asarray(Image.open(dataset.videos["VID01"].image_path(25)).resize((SIZE, SIZE), Image.BILINEAR))
    assert np.array_equal(cache.read("VID01", 25), expected)
    with pytest.raises(DataError, match="frame 7"):
        cache.read("VID01", 7)


def test_a_cache_with_images_left_out_is_not_whole_for_a_run_that_leaves_none_out(dataset, folder):
    damage(dataset, "VID02", 5)
    prepare_cache(dataset, folder, size=SIZE, skip_broken=True)
    assert plan_cache(dataset, folder, size=SIZE, skip_broken=True).todo == {}
    assert list(plan_cache(dataset, folder, size=SIZE).todo) == ["VID02"]


def test_a_video_whose_images_changed_is_written_anew(dataset, folder):
    prepare_cache(dataset, folder, size=SIZE)
    Image.fromarray(noise(40, 60, 8)).save(dataset.videos["VID02"].image_path(5))
    assert list(prepare_cache(again(dataset), folder, size=SIZE).todo) == ["VID02"]
    FrameCache.open(folder).check(dataset)


def test_a_cut_off_array_is_written_anew(dataset, folder):
    prepare_cache(dataset, folder, size=SIZE)
    (folder / "VID03.npy").write_bytes((folder / "VID03.npy").read_bytes()[:-5])
    assert list(prepare_cache(dataset, folder, size=SIZE).todo) == ["VID03"]
    FrameCache.open(folder).verify()


def test_a_folder_with_another_size_is_refused_and_kept(dataset, folder):
    prepare_cache(dataset, folder, size=SIZE)
    before = contents(folder)
    with pytest.raises(DataError, match="holds frames of 16 pixels, 8 were asked for"):
        prepare_cache(dataset, folder, size=8)
    assert contents(folder) == before


def test_too_little_disk_space_is_refused_before_anything_is_written(dataset, folder, monkeypatch):
    needed = plan_cache(dataset, folder, size=SIZE).bytes_needed
    assert needed == 20 * SIZE * SIZE * 3
    usage = shutil.disk_usage(folder.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=needed - 1))
    with pytest.raises(SetupError, match="20 frames at 16 pixels"):
        prepare_cache(dataset, folder, size=SIZE)
    assert contents(folder) == {}


def test_a_disk_that_fills_up_leaves_whole_videos_only(dataset, folder, monkeypatch):
    real, syncs = os.fsync, []

    def full_at_the_second(descriptor):
        syncs.append(descriptor)
        if len(syncs) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(SetupError, match=r"VID02 could not be written .*No space left"):
        prepare_cache(dataset, folder, size=SIZE)
    assert sorted(contents(folder)) == ["VID01.json", "VID01.npy"]
    assert list(prepare_cache(dataset, folder, size=SIZE).todo) == ["VID02", "VID03"]


RUN = """
import pickle, sys
from pathlib import Path
from video_triplet.data.array_cache_writing import sole_writer
from video_triplet.data.cache_writing import prepare_cache

if __name__ == "__main__":
    prepare_cache(pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2]), size=96, workers=2)
"""


def test_a_killed_run_is_gone_with_its_workers_and_the_next_one_completes_it(tmp_path, folder):
    dataset = write_dataset(tmp_path / "many", counts=(3, 800, 800))
    (tmp_path / "run.py").write_text(RUN)
    (tmp_path / "dataset.pickle").write_bytes(pickle.dumps(dataset))
    process = subprocess.Popen([sys.executable, tmp_path / "run.py", tmp_path / "dataset.pickle", folder])
    deadline = time.monotonic() + 60
    while not (folder / "VID01.json").exists() or not any(folder.glob(".partial-*VID0[23].npy")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.002)
    workers = children_of(process.pid)
    process.kill()
    process.wait()
    assert len(workers) >= 2
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline, "the workers outlive the process that started them"
        time.sleep(0.05)
    assert "VID01" in FrameCache.open(folder).videos
    plan = prepare_cache(dataset, folder, size=96)
    assert "VID01" in plan.whole
    assert plan.todo
    assert sorted(contents(folder)) == [f"VID0{number}.{ending}" for number in (1, 2, 3) for ending in ("json", "npy")]
    FrameCache.open(folder).check(dataset)
    FrameCache.open(folder).verify()


def status_of(process):
    """State and parent of a process: the second and third word after its name in brackets."""
    state, parent = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    return state, int(parent)


def children_of(parent):
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if status_of(path.name)[1] == parent:
                found.append(int(path.name))
        except OSError:  # ended meanwhile
            continue
    return found


def is_running(process):
    try:
        return status_of(process)[0] != "Z"
    except OSError:
        return False


def test_two_runs_in_one_folder_are_refused(dataset, folder):
    with sole_writer(folder), pytest.raises(SetupError, match="another run is writing"):
        prepare_cache(dataset, folder, size=SIZE)


def test_a_folder_that_cannot_be_made_is_refused(dataset, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SetupError, match="cannot be written to"):
        prepare_cache(dataset, tmp_path / "file" / "cache", size=SIZE)


def test_a_worker_that_is_killed_is_reported(dataset, folder, monkeypatch):
    monkeypatch.setattr(cache_writing, "write_video", die)
    with pytest.raises(SetupError, match="a decoding process was killed"):
        prepare_cache(dataset, folder, size=SIZE, workers=2)


@pytest.mark.parametrize("settings", [{"size": 0}, {"workers": 0}])
def test_impossible_settings_are_refused(dataset, folder, settings):
    with pytest.raises(SettingsError, match="at least 1"):
        prepare_cache(dataset, folder, **settings)


def test_a_data_set_without_any_image_is_refused(dataset, folder):
    for video in dataset.videos.values():
        for path in video.image_paths.values():
            path.unlink()
    with pytest.raises(DataError, match="no labelled frame with an image"):
        prepare_cache(again(dataset), folder, size=SIZE)
