"""The command `video-triplet`: every subcommand is there, errors come without a traceback."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.registry import all_trainers
from video_triplet.cli import list_command
from video_triplet.cli.data_options import left_out
from video_triplet.cli.main import SUBCOMMANDS, main
from video_triplet.data.checking import readable
from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.reading import open_dataset
from video_triplet.models.inference import predict_videos
from video_triplet.models.model_file import load_model
from video_triplet.predictions.metrics import evaluate_dataset


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

    monkeypatch.setattr(list_command, "run", interrupted)
    assert main(["list"]) == 130
    assert "interrupted" in capsys.readouterr().err


def test_an_unknown_trainer_is_refused_before_any_data_is_read(capsys):
    assert main(["train", "-tr", "SwinTeacher", "--data", "nowhere"]) == 1
    assert "there is no trainer 'SwinTeacher'; did you mean" in capsys.readouterr().err


def test_a_trainer_for_segmentation_is_refused(capsys):
    assert main(["train", "-tr", "nnUNetTrainerDSD", "--data", "nowhere"]) == 1
    assert "nnUNetTrainerDSD is not a trainer for triplets" in capsys.readouterr().err


def test_averaging_files_writes_the_mean(teacher_file, rendered, tmp_path, capsys):
    for name, video in (("a", "VID01"), ("b", "VID01")):
        frames = str(rendered / "data" / video)
        assert main(["predict", str(teacher_file), "-i", frames, "-o", str(tmp_path / name), "--device", "cpu"]) == 0
    files = [str(tmp_path / name / "predictions.npz") for name in ("a", "b")]
    assert main(["ensemble", *files, "-o", str(tmp_path / "mean.npz")]) == 0
    assert (tmp_path / "mean.npz").is_file()
    assert main(["ensemble", *files, "-o", str(tmp_path / "mean.npz")]) == 0
    assert "already there" in capsys.readouterr().out
    for taken in (tmp_path / "notes.txt", tmp_path / "other.npz"):
        taken.write_text("precious")
        assert main(["ensemble", *files, "-o", str(taken)]) == 1
        assert f"{taken} would be written over" in capsys.readouterr().err
        assert taken.read_text() == "precious"
    assert main(["ensemble", *files, "-o", str(tmp_path / "other.npz"), "--overwrite"]) == 0


def test_a_reader_of_the_output_that_has_gone_is_no_error():
    command = f"{sys.executable} -m video_triplet list | true"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert "Traceback" not in done.stderr


def test_frames_without_predictions_are_left_out_only_on_demand(teacher_file, rendered, tmp_path):
    model, dataset = load_model(teacher_file), open_dataset(rendered)
    test = [name for name in dataset.videos if name not in (*model.record.trained_on, *model.record.selected_on)]
    whole = predict_videos(model, dataset.subset(test), FolderFrames(dataset, 64))
    part = whole.select(np.arange(3, len(whole)))
    with pytest.raises(DataError, match=r"predictions are missing .*--sound-only .*--predicted-only"):
        evaluate_dataset(part, dataset)
    assert evaluate_dataset(part, dataset, predicted_only=True).frames == len(whole) - 3
    part.save(tmp_path / "part.npz")
    command = ["evaluate", str(tmp_path / "part.npz"), "--data", str(rendered)]
    assert main(command) == 1
    assert main([*command, "--predicted-only"]) == 0


def test_evaluate_and_analyse_take_the_options_that_the_training_had(teacher_file, rendered, tmp_path, capsys):
    """A whole teacher was trained before an image was lost; its scores are then over the frames that are sound."""
    data = shutil.copytree(rendered, tmp_path / "data")
    model, dataset = load_model(teacher_file), open_dataset(data)
    test = [name for name in dataset.videos if name not in (*model.record.trained_on, *model.record.selected_on)]
    lost = dataset.videos[test[0]].image_path(int(dataset.videos[test[0]].frames[4]))
    lost.write_bytes(lost.read_bytes()[:50])
    dataset = open_dataset(data)
    source = FolderFrames(dataset, 64)
    kept = readable(dataset, source, sound_only=True)
    predict_videos(model, kept.subset(test), source).save(tmp_path / "test.npz")
    command = ["evaluate", str(tmp_path / "test.npz"), "--data", str(data)]
    assert main(command) == 1
    said = capsys.readouterr().err
    assert "--sound-only" in said
    assert "--predicted-only" in said
    assert main([*command, "--sound-only", "-o", str(tmp_path / "a")]) == 0
    assert "passed over: frames without a sound image: 1" in capsys.readouterr().err
    assert main([*command, "--predicted-only", "-o", str(tmp_path / "b")]) == 0
    scores = [json.loads((tmp_path / name / "evaluation.json").read_text()) for name in ("a", "b")]
    assert scores[0] == scores[1]
    assert main([*command, "--sound-only", "-o", str(tmp_path / "a")]) == 1
    assert "evaluation.json and 4 more of this command's results would be written over" in capsys.readouterr().err
    assert main([*command, "--sound-only", "-o", str(tmp_path / "a"), "--overwrite"]) == 0
    analyse = ["analyse", "--data", str(data), "--predictions", f"a={tmp_path / 'test.npz'}", "-o", str(tmp_path / "c")]
    assert [main(analyse), main([*analyse, "--sound-only"]), main([*analyse, "--sound-only"])] == [1, 0, 1]
    assert main([*analyse, "--sound-only", "--overwrite"]) == 0


def test_whole_videos_and_classes_that_are_left_out_are_named(rendered):
    dataset = open_dataset(rendered)
    name, video = next(iter(dataset.videos.items()))
    others = {key: value for key, value in dataset.videos.items() if key != name}
    rare = video.labels["triplet"].any(axis=0) & ~sum(v.labels["triplet"].any(axis=0) for v in others.values()).astype(
        bool
    )
    names = [name for name, only_here in zip(dataset.vocabulary.names("triplet"), rare, strict=True) if only_here]
    lines = left_out(dataset, dataclasses.replace(dataset, videos=others))
    assert lines[:2] == [f"frames without a sound image: {len(video)}", f"every frame of whole videos: {name}"]
    assert lines[2:] == ([f"every frame of whole classes: {', '.join(names)}"] if names else [])
    assert left_out(dataset, dataset) == []
