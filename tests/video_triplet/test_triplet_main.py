"""The command `video-triplet`: every subcommand is there, errors come without a traceback."""

import pytest

from nnunet_dsd.registry import all_trainers
from video_triplet.cli import main as entry
from video_triplet.cli.main import SUBCOMMANDS, build_parser, main


def test_every_subcommand_explains_itself(capsys):
    for name in SUBCOMMANDS:
        with pytest.raises(SystemExit) as caught:
            main([name, "--help"])
        assert caught.value.code == 0
        assert f"video-triplet {name}" in capsys.readouterr().out


def test_the_trainers_of_the_registry_are_listed(capsys):
    assert main(["list"]) == 0
    output = capsys.readouterr().out
    names = [entry.name for entry in all_trainers("video")]
    assert len(names) >= 8
    assert all(name in output for name in names)
    assert "nnUNetTrainer" not in output


def test_our_errors_come_as_one_line_and_status_one(capsys):
    assert main(["ensemble", "missing.npz", "-o", "out.npz"]) == 1
    captured = capsys.readouterr()
    assert "video-triplet ensemble: there is no file missing.npz" in captured.err
    assert "Traceback" not in captured.err


def test_an_interruption_ends_with_its_own_status(monkeypatch, capsys):
    def interrupted(arguments):
        raise KeyboardInterrupt

    parser = build_parser()
    monkeypatch.setattr(entry, "build_parser", lambda: parser)
    monkeypatch.setattr(parser, "parse_args", lambda argv: type("A", (), {"run": staticmethod(interrupted)})())
    assert main(["list"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_unknown_trainer_is_refused_before_any_data_is_read(capsys):
    assert main(["train", "-tr", "SwinTeacher", "--data", "nowhere"]) == 1
    assert "there is no trainer 'SwinTeacher'; did you mean" in capsys.readouterr().err


def test_a_trainer_for_segmentation_is_refused(capsys):
    assert main(["train", "-tr", "nnUNetTrainerDSD", "--data", "nowhere"]) == 1
    assert "nnUNetTrainerDSD is not a trainer for triplets" in capsys.readouterr().err


def test_averaging_files_writes_the_mean(teacher_file, rendered, tmp_path):
    for name, video in (("a", "VID01"), ("b", "VID01")):
        frames = str(rendered / "data" / video)
        assert main(["predict", str(teacher_file), "-i", frames, "-o", str(tmp_path / name), "--device", "cpu"]) == 0
    files = [str(tmp_path / name / "predictions.npz") for name in ("a", "b")]
    assert main(["ensemble", *files, "-o", str(tmp_path / "mean.npz")]) == 0
    assert (tmp_path / "mean.npz").is_file()
