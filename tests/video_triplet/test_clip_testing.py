"""The test of clip classifiers: averages over clips, accuracies, files, and what is refused."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import torch
from clip_workplace import SIZE, clip_experiment
from made_up_clips import write_hmdb51, write_ucf101
from torchmetrics.functional.classification import multiclass_accuracy

from nnunet_dsd.common.errors import CheckpointError, DataError
from video_triplet.cli.main import main
from video_triplet.clips.accuracy import class_accuracies, reference_ranks, top_k
from video_triplet.clips.clips import TestClips
from video_triplet.clips.model_file import load_clip_model
from video_triplet.clips.reading import open_clips
from video_triplet.clips.sources import VideoFiles
from video_triplet.clips.testing import run_test
from video_triplet.data.provenance import LeakError


@pytest.fixture(scope="module")
def ucf(tmp_path_factory):
    return write_ucf101(tmp_path_factory.mktemp("ucf") / "data", groups=3, clips=1, test_groups=1, frames=20)


@pytest.fixture(scope="module")
def model_file(ucf, tmp_path_factory):
    """A model that nobody trained, with the provenance of a training on split 1."""
    path = tmp_path_factory.mktemp("model") / "model.pt"
    made = clip_experiment(ucf, "ClipFineTuning", batch_size=2)
    made.save_model(path, made.build_module().network.state_dict(), epoch=1)
    return path


def test_accuracies_are_those_of_torchmetrics():
    generator = torch.Generator().manual_seed(4)
    logits, labels = torch.randn(60, 9, generator=generator), torch.randint(0, 9, (60,), generator=generator)
    ranks = reference_ranks(logits.numpy(), labels.numpy())
    for k in (1, 2, 5, 9):
        expected = multiclass_accuracy(logits, labels, num_classes=9, average="micro", top_k=k)
        assert top_k(ranks, k) == pytest.approx(float(expected))
    rows = class_accuracies(ranks, labels.numpy(), list("abcdefghi"))
    expected = multiclass_accuracy(logits, labels, num_classes=9, average="none")
    assert [row.acc1 for row in rows] == pytest.approx(expected.tolist())
    assert sum(row.videos for row in rows) == 60


def test_ties_and_undefined_logits_are_never_right():
    logits = np.array([[1, 1, 1], [np.nan, 0, 0], [0, 2, np.nan]], dtype=np.float32)
    assert reference_ranks(logits, np.array([0, 0, 1])).tolist() == [2, 2, 1]
    assert np.isnan(top_k(np.array([], dtype=np.int64), 1))


def test_the_logits_of_a_video_are_the_mean_over_its_ten_clips(ucf, model_file):
    model, dataset = load_clip_model(model_file), open_clips(ucf)
    source = VideoFiles(dataset, SIZE)
    videos = dataset.subset(dataset.official[1].test)
    test = run_test(model, dataset, videos, source)
    rows = TestClips(videos, source, frames=8, size=16)
    for number, video in enumerate(videos):
        clips = rows[number]["clips"]
        assert clips.shape == (10, 3, 8, 16, 16)
        with torch.no_grad():
            one_by_one = torch.stack([model.network(clip[None])[0].double() for clip in clips])
        np.testing.assert_allclose(test.logits[number], one_by_one.mean(dim=0), rtol=1e-4, atol=1e-5)
        assert test.labels[number] == video.label
    assert test.accuracies[5] == 1  # three classes


def test_the_command_writes_what_it_promises_and_refuses_what_the_model_has_seen(ucf, model_file, tmp_path, capsys):
    command = ["test-clips", str(model_file), "--data", str(ucf), "--size", *map(str, SIZE), "--workers", "0"]
    assert main([*command, "-o", str(tmp_path / "test"), "--clips", "2", "--device", "cpu"]) == 0
    shown = capsys.readouterr().out
    assert "on 3 test videos of split 1, 2 clips" in shown
    folder = tmp_path / "test"
    assert {path.name for path in folder.iterdir()} == {
        "test.json", "per_class.csv", "per_video.csv", "predictions.npz", "confusion.png"
    }  # fmt: skip
    summary = json.loads((folder / "test.json").read_text())
    with np.load(folder / "predictions.npz", allow_pickle=False) as file:
        assert file["logits"].shape == (3, 3)
        right = (file["logits"].argmax(axis=1) == file["labels"]).mean()
    assert summary["acc1"] == pytest.approx(right)
    with (folder / "per_video.csv").open() as file:
        assert np.mean([row["rank"] == "1" for row in csv.DictReader(file)]) == pytest.approx(right)
    with (folder / "per_class.csv").open() as file:
        assert [row["videos"] for row in csv.DictReader(file)] == ["1", "1", "1"]
    assert main([*command, "-o", str(tmp_path / "test"), "--clips", "2", "--device", "cpu"]) == 1
    assert "test.json and 4 more of this command's results would be written over" in capsys.readouterr().err
    assert main([*command, "-o", str(tmp_path / "test"), "--clips", "2", "--device", "cpu", "--overwrite"]) == 0
    assert main([*command, "--split-number", "2", "-o", str(tmp_path / "leak")]) == 1
    assert "used to train this model" in capsys.readouterr().err
    assert not (tmp_path / "leak").exists()


def test_videos_that_chose_the_epoch_and_other_classes_are_refused(ucf, model_file, tmp_path):
    model, dataset = load_clip_model(model_file), open_clips(ucf)
    chosen = dataset.subset(model.record.selected_on)
    with pytest.raises(LeakError, match="chose the epoch of this model"):
        run_test(model, dataset, chosen, VideoFiles(dataset, SIZE))
    other = open_clips(write_hmdb51(tmp_path / "hmdb", encode=False))
    with pytest.raises(DataError, match="2 classes and the model 3"):
        run_test(model, other, other.subset(other.official[1].test), VideoFiles(other, SIZE))


def test_a_model_whose_weights_were_changed_is_refused(model_file, tmp_path):
    content = torch.load(model_file, weights_only=True)
    content["weights"]["head.bias"] += 1
    torch.save(content, tmp_path / "model.pt")
    with pytest.raises(CheckpointError, match="has been changed"):
        load_clip_model(tmp_path / "model.pt")
    torch.save({**content, "kind": "triplets"}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a model of clips"):
        load_clip_model(tmp_path / "other.pt")


def test_logits_that_are_not_finite_are_refused(ucf, model_file):
    model, dataset = load_clip_model(model_file), open_clips(ucf)
    broken = dataclasses.replace(model)
    with torch.no_grad():
        broken.network.head.bias.fill_(float("nan"))
    videos = dataset.subset(dataset.official[1].test)
    with pytest.raises(DataError, match="not finite"):
        run_test(broken, dataset, videos, VideoFiles(dataset, SIZE))


def test_frames_of_another_size_than_the_training_s_are_refused(ucf, model_file, tmp_path, capsys):
    model = load_clip_model(model_file)
    assert model.frames == (SIZE, "stretch")
    command = ["test-clips", str(model_file), "--data", str(ucf), "-o", str(tmp_path), "--workers", "0"]
    assert main([*command, "--device", "cpu"]) == 1
    said = capsys.readouterr().err
    assert f"trained on frames of {SIZE[0]} x {SIZE[1]} pixels (stretch), these have 128 x 171 (stretch)" in said
    assert f"give --size {SIZE[0]} {SIZE[1]} --fit stretch" in said
