"""`check-clips` and `prepare-clips`, and the options that a training on clips shares with them."""

import argparse
import json
import subprocess
import sys

import pytest
from made_up_clips import hmdb_file, ucf_name, write_clip, write_hmdb51, write_ucf101
from made_up_datasets import change_line

from nnunet_dsd.common.errors import DataError
from video_triplet.cli import clip_options
from video_triplet.cli.main import main
from video_triplet.clips.cache import ClipCache
from video_triplet.clips.checking import check_clips
from video_triplet.clips.decoding import USUAL_SIZE
from video_triplet.clips.reading import open_clips
from video_triplet.clips.splits import USUAL_FRACTION
from video_triplet.data import problems as kinds

BROKEN = ucf_name("Archery", 1, 1)


@pytest.fixture(autouse=True)
def wide_terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "250")


@pytest.fixture
def ucf(tmp_path):
    return write_ucf101(tmp_path / "ucf", groups=3, clips=1, test_groups=1)


@pytest.fixture
def broken(ucf):
    (ucf / "UCF-101" / BROKEN).write_bytes(b"")
    return ucf


def parsed(*words):
    parser = argparse.ArgumentParser()
    clip_options.add_clip_data_options(parser)
    clip_options.add_frame_options(parser)
    clip_options.add_sound_only_option(parser)
    clip_options.add_clip_cache_option(parser)
    clip_options.add_clip_split_options(parser)
    return parser.parse_args([str(word) for word in words])


def test_a_sound_data_set_gives_status_0_and_its_numbers(ucf, capsys):
    assert main(["check-clips", "--data", str(ucf), "--workers", "0"]) == 0
    shown = capsys.readouterr().out
    assert "0 errors, 0 notes." in shown
    assert "6 training, 3 test" in shown
    assert "198" in shown


def test_hmdb_is_checked_with_lists_elsewhere(tmp_path, capsys):
    root = write_hmdb51(tmp_path / "hmdb")
    (root / "testTrainMulti_7030_splits").rename(tmp_path / "lists")
    (root / "hmdb51_org" / "wave" / hmdb_file("Feast", "wave", 0)).unlink()
    command = ["check-clips", "--data", str(root), "--annotations", str(tmp_path / "lists"), "--workers", "2"]
    assert main(command) == 1
    shown = capsys.readouterr().out
    assert "layout hmdb51" in " ".join(shown.split())  # a long path wraps the title
    assert kinds.ENTRY_WITHOUT_VIDEO in shown


def test_every_kind_of_problem_of_clips_is_reported_at_once(broken):
    videos, lists = broken / "UCF-101", broken / "ucfTrainTestlist"
    (videos / ucf_name("Archery", 2, 1)).unlink()
    (videos / ucf_name("Archery", 3, 1)).write_bytes(b"no video")
    write_clip(videos / ucf_name("ApplyMakeup", 1, 1), 3)
    write_clip((videos / ucf_name("ApplyMakeup", 1, 1)).with_suffix(".mp4"), 20)
    write_clip(videos / "ApplyMakeup" / "v_Archery_g09_c01.avi", 20)
    write_clip(videos / "ApplyMakeup" / "holiday.avi", 20)
    write_clip(videos / "Fencing" / "v_Fencing_g01_c01.avi", 20)
    change_line(lists / "trainlist01.txt", 0, ucf_name("ApplyMakeup", 2, 1) + " 3")
    for name in ("trainlist01.txt", "testlist02.txt"):
        repeated = (lists / name).read_text().split("\n")[1].strip()
        with (lists / name).open("a") as file:
            file.write(f"{repeated}\n")
    shared = ucf_name("HandstandPushups", 2, 1)
    with (lists / "testlist01.txt").open("a") as file:
        file.write(f"{shared}\n")
    (lists / "testlist03.txt").unlink()
    report = check_clips(open_clips(broken))
    assert {*kinds.CLIP_ERRORS, *kinds.CLIP_NOTES} <= set(report.counts)


def test_damage_gives_status_1_and_is_in_the_json_file(broken, tmp_path, capsys):
    report = tmp_path / "report.json"
    assert main(["check-clips", "--data", str(broken), "--quick", "--workers", "0", "--json", str(report)]) == 1
    assert "were not decoded" in capsys.readouterr().out
    content = json.loads(report.read_text())
    assert content["counts"] == {kinds.VIDEO_EMPTY: 1}
    assert content["errors"][0]["video"] == BROKEN
    assert (content["layout"], content["videos_decoded"]) == ("ucf101", False)
    assert content["statistics"]["splits"]["1"] == {"training": 6, "test": 3}


def test_a_cache_is_written_after_its_size_is_told_and_a_second_run_finds_it(ucf, tmp_path, capsys):
    command = ["prepare-clips", "--data", str(ucf), "-o", str(tmp_path / "cache"), "--workers", "1"]
    assert main([*command, "--dry-run"]) == 0
    assert not (tmp_path / "cache").exists()
    assert capsys.readouterr().out == (
        "to be written: 198 frames of 9 videos at 128 x 171 pixels, 0.01 GB; 0 there before\n"
    )
    assert main([*command, "--verify"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("to be written: 198 frames")
    assert "every pixel is as it was written" in shown[1]
    assert shown[2].endswith("198 frames of 9 of 9 videos; 9 videos written now, 0 there before")
    assert ClipCache.open(tmp_path / "cache").size == (128, 171)
    assert main(command) == 0
    assert "0 videos written now, 9 there before" in capsys.readouterr().out


def test_damaged_videos_stop_the_cache_or_are_named(broken, tmp_path, capsys):
    command = ["prepare-clips", "--data", str(broken), "-o", str(tmp_path / "cache"), "--size", "24", "32"]
    assert main(command) == 1
    assert f"{BROKEN.rpartition('/')[2]} is empty" in capsys.readouterr().err
    assert main([*command, "--sound-only", "--workers", "1"]) == 0
    shown = capsys.readouterr()
    assert "left out: " in shown.err
    assert BROKEN in shown.err
    assert "8 of 9 videos" in shown.out


@pytest.mark.parametrize("cached", [True, False])
def test_the_shared_options_give_data_and_split(broken, tmp_path, cached, capsys):
    more = []
    if cached:
        command = ["prepare-clips", "--data", str(broken), "-o", str(tmp_path / "cache"), "--sound-only"]
        assert main([*command, "--workers", "1"]) == 0
        more = ["--cache", tmp_path / "cache"]
    with pytest.raises(DataError, match="--sound-only"):
        clip_options.read_clips(parsed("--data", broken, *more))
    arguments = parsed("--data", broken, "--sound-only", "--split-number", 2, "--split-seed", 1, *more)
    capsys.readouterr()
    dataset, source = clip_options.read_clips(arguments)
    assert f"passed over: {kinds.VIDEO_BROKEN} (1), first: {BROKEN}" in capsys.readouterr().err
    assert source.size == (128, 171)
    split = clip_options.read_clip_split(arguments, dataset)
    assert split.number == 2
    assert BROKEN not in (*split.training, *split.validation, *split.test)
    assert all(map(source.has, (*split.training, *split.validation, *split.test)))


def test_a_cache_of_other_files_is_refused(ucf, tmp_path):
    assert main(["prepare-clips", "--data", str(ucf), "-o", str(tmp_path / "cache"), "--workers", "1"]) == 0
    path = open_clips(ucf).videos[BROKEN].path
    path.write_bytes(path.read_bytes() + b"0")
    with pytest.raises(DataError, match="made from another file"):
        clip_options.read_clips(parsed("--data", ucf, "--cache", tmp_path / "cache"))


def test_defaults_of_the_options_are_those_of_the_code():
    arguments = parsed("--data", "x")
    assert tuple(arguments.size) == USUAL_SIZE == clip_options.USUAL_SIZE
    assert arguments.validation_fraction is None
    assert clip_options.USUAL_FRACTION == USUAL_FRACTION
    assert (arguments.split_number, arguments.split_seed, arguments.fit) == (1, 0, "stretch")


def test_a_folder_that_is_no_data_set_is_refused_without_traceback(tmp_path, capsys):
    for command in (["check-clips"], ["prepare-clips", "-o", str(tmp_path / "cache")]):
        assert main([*command, "--data", str(tmp_path)]) == 1
        message = capsys.readouterr().err
        assert message.startswith(f"video-triplet {command[0]}: there are no official lists")
        assert "Traceback" not in message


@pytest.mark.parametrize("name", ["check-clips", "prepare-clips", "test-clips"])
def test_the_help_loads_nothing_heavy(name):
    code = (
        "import argparse, sys; from video_triplet.cli.main import load_subcommand; "
        f"load_subcommand('{name}').add_arguments(argparse.ArgumentParser()); "
        "print(*({'torch', 'torchvision', 'PIL', 'av', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
