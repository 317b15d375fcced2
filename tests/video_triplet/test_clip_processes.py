"""Fine-tunings on clips in processes of their own: killed and continued, in two of them, in half precision."""

import shlex
import sys

import numpy as np
import pytest
import torch
from clip_workplace import CPU, clip_experiment, train_command
from killed_processes import finish, kill
from triplet_workplace import history

from video_triplet.cli.main import main
from video_triplet.clips.model_file import load_clip_model
from video_triplet.clips.splits import official_split
from video_triplet.clips.testing import run_test
from video_triplet.trainers import half_precision
from video_triplet.trainers.run import Machine, train

NEAR = {"epoch_lambda": 1.0, "learning_rate": 1e-3, "choose_epoch": "last"}


def program(clip_data, folder, encoder_file, *more, **changes):
    """The command line of a training in a process of its own."""
    return [sys.executable, "-m", "video_triplet", *arguments(clip_data, folder, encoder_file, *more, **changes)]


def arguments(clip_data, folder, encoder_file, *more, **changes):
    """The same without the program, for a training in this process: another one imports torch for seconds."""
    words = train_command(clip_data, folder, *more, weights=encoder_file, **{**NEAR, **changes})
    return [str(word) for word in words]


@pytest.mark.usefixtures("one_thread")
def test_a_training_killed_in_its_third_epoch_ends_bitwise_as_the_uninterrupted_one(
    clip_data, encoder_file, tmp_path, capsys
):
    assert main(arguments(clip_data, tmp_path / "whole", encoder_file, epochs=4)) == 0
    kill(program(clip_data, tmp_path / "killed", encoder_file, epochs=4), "epoch 2/4")
    capsys.readouterr()
    assert main(arguments(clip_data, tmp_path / "killed", encoder_file, epochs=4)) == 0
    printed = capsys.readouterr().out
    assert "epoch 1/4" not in printed
    assert "epoch 4/4" in printed
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
    records = [load_clip_model(tmp_path / name / "model.pt").record for name in ("whole", "killed")]
    assert records[0] == records[1]


def test_the_command_that_is_printed_reads_the_frames_of_the_training(clip_data, tmp_path, capsys):
    words = train_command(clip_data, tmp_path / "run", "--fit", "crop", epochs=1)
    assert main([str(word) for word in words]) == 0
    said = capsys.readouterr().out
    assert "without --weights there is no knowledge to keep" in said
    line = next(line for line in said.splitlines() if line.startswith("test it with: "))
    printed = shlex.split(line.removeprefix("test it with: "))[1:]
    assert main([*printed, "--workers", "0", "--device", "cpu"]) == 0


def test_two_processes_train_on_the_same_clips_and_validate_with_the_statistics_that_are_kept(
    clip_data, encoder_file, tmp_path
):
    """Each process normalises its own half of a batch: other weights than one process's. What is kept was scored."""
    changes = {"validation_clips": 2, "epochs": 2}
    devices = ("--devices", 2, "--validation-fraction", 0.4)
    finish(program(clip_data, tmp_path / "two", encoder_file, *devices, **changes))
    made = clip_experiment(clip_data, fraction=0.4, weights=str(encoder_file), **NEAR, **changes)
    one = train(made, tmp_path / "one", CPU)
    found = history(tmp_path / "two")
    assert len(found) == 2
    for row, other in zip(found, history(tmp_path / "one"), strict=True):
        assert row["train_cross_entropy"] == pytest.approx(other["train_cross_entropy"], rel=0.3)
    model = load_clip_model(tmp_path / "two" / "model.pt")
    assert model.record.trained_on == load_clip_model(one).record.trained_on
    videos = made.dataset.subset(official_split(made.dataset, 1, validation_fraction=0.4).validation)
    again = run_test(model, made.dataset, videos, made.source, clips=2)
    assert {k: found[-1][f"validation_acc{k}"] for k in (1, 5)} == pytest.approx(again.accuracies)
    assert "epoch_distance" in str(found[0])
    assert found[1]["train_epoch_distance"] > 0


def test_bfloat16_trains_as_float32_and_keeps_float32(clip_data, encoder_file, tmp_path, monkeypatch):
    """With clips whose maps never have two slices, where PyTorch 2.14 computes wrong gradients on a CPU."""
    monkeypatch.setattr(half_precision, "gradient_error", lambda _: 0.0)
    made = clip_experiment(clip_data, weights=str(encoder_file), frames=24, **NEAR)
    train(made, tmp_path / "full", CPU)
    model = load_clip_model(
        train(made, tmp_path / "half", Machine(accelerator="cpu", workers=0, precision="bf16-mixed"))
    )
    assert all(values.dtype == torch.float32 for values in model.network.parameters())
    first, whole = history(tmp_path / "half")[0], history(tmp_path / "full")[0]
    assert first["train_cross_entropy"] == pytest.approx(whole["train_cross_entropy"], rel=0.05)
    assert first["train_cross_entropy"] != whole["train_cross_entropy"]
    assert np.isfinite([row["train_loss"] for row in history(tmp_path / "half")]).all()
