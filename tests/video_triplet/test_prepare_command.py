"""`video-triplet prepare` writes a cache, says what it did, and needs no torch for its help."""

import subprocess
import sys

import pytest
from frame_examples import again, write_dataset

from video_triplet.cli.main import main
from video_triplet.data import reading
from video_triplet.data.frame_cache import FrameCache


@pytest.fixture
def dataset(tmp_path, monkeypatch):
    dataset = write_dataset(tmp_path / "data")
    monkeypatch.setattr(reading, "open_dataset", lambda path: again(dataset))
    return dataset


def prepare(tmp_path, *more):
    return main(["prepare", str(tmp_path / "data"), "-o", str(tmp_path / "cache"), "--workers", "1", *more])


def test_a_cache_is_written_and_a_second_run_finds_it_whole(dataset, tmp_path, capsys):
    assert prepare(tmp_path, "--size", "16") == 0
    assert "20 of 20 labelled frames of 3 videos at 16 pixels; 3 videos written now, 0 there before" in (
        capsys.readouterr().out
    )
    FrameCache.open(tmp_path / "cache").check(dataset, size=16)
    assert prepare(tmp_path, "--size", "16") == 0
    assert "0 videos written now, 3 there before" in capsys.readouterr().out


def test_the_size_is_224_unless_told(dataset, tmp_path):
    assert prepare(tmp_path) == 0
    assert FrameCache.open(tmp_path / "cache").size == 224


def test_a_broken_image_ends_with_its_name_and_status_1(dataset, tmp_path, capsys):
    dataset.videos["VID02"].image_path(5).write_bytes(b"broken")
    assert prepare(tmp_path, "--size", "16") == 1
    message = capsys.readouterr().err
    assert "000005.png" in message
    assert "--skip-broken" in message
    assert "Traceback" not in message


def test_skipped_images_are_named_and_not_counted(dataset, tmp_path, capsys):
    dataset.videos["VID02"].image_path(5).write_bytes(b"broken")
    assert prepare(tmp_path, "--size", "16", "--skip-broken") == 0
    shown = capsys.readouterr()
    assert "19 of 20 labelled frames" in shown.out
    assert "left out" in shown.err
    assert "000005.png" in shown.err


def test_labelled_frames_without_image_are_counted(dataset, tmp_path, capsys):
    for frame in (5, 7):
        dataset.videos["VID02"].image_path(frame).unlink()
    assert prepare(tmp_path, "--size", "16") == 0
    shown = capsys.readouterr()
    assert "18 of 20 labelled frames" in shown.out
    assert "left out: 2 labelled frames without an image" in shown.err


def test_the_help_loads_no_torch():
    code = (
        "import argparse, sys; from video_triplet.cli.main import load_subcommand; "
        "load_subcommand('prepare').add_arguments(argparse.ArgumentParser()); "
        "print(*({'torch', 'torchvision', 'PIL', 'av'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []


def test_verifying_reads_every_pixel_and_names_a_video_that_was_changed(dataset, tmp_path, capsys):
    assert prepare(tmp_path, "--size", "16", "--verify") == 0
    assert "every pixel of 3 videos is as it was written" in capsys.readouterr().out
    path = tmp_path / "cache" / "VID02.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 255
    path.write_bytes(bytes(content))
    assert prepare(tmp_path, "--size", "16", "--verify") == 1
    assert "VID02" in capsys.readouterr().err
