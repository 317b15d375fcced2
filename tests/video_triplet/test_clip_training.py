"""Fine-tunings on tiny made-up clips: loss, choice of the epoch, resuming, files, refusals."""

import json

import numpy as np
import pytest
import torch
from clip_workplace import CPU, clip_experiment, save_encoder, train_command
from triplet_workplace import history

from nnunet_dsd.common.errors import CheckpointError, DataError, NetworkStructureError, SettingsError
from video_triplet.cli.main import main
from video_triplet.clips.model_file import load_clip_model
from video_triplet.clips.splits import ClipSplit
from video_triplet.data.provenance import LeakError
from video_triplet.models.model_file import load_model
from video_triplet.trainers import clips as clip_trainers
from video_triplet.trainers import run
from video_triplet.trainers.clip_experiment import find_clip_trainer, refuse_overlap
from video_triplet.trainers.clips import ClipTrainer, validation_accuracies
from video_triplet.trainers.epochwise import EpochwiseDistillation
from video_triplet.trainers.run import RUN_FILE, train


class Killed(Exception):
    pass


def test_the_loss_is_cross_entropy_plus_lambda_times_the_squared_norm_per_clip(
    clip_data, encoder_file, tmp_path, monkeypatch
):
    """Against a float64 computation; in the first step of all the teacher is the pre-trained encoder."""
    seen = []

    class Watched(EpochwiseDistillation):
        def term(self, inputs, features):
            value = super().term(inputs, features)
            with torch.no_grad():
                previous = self.teacher.encoder(inputs).double().numpy()
            squares = [np.sum((ours - theirs) ** 2) for ours, theirs in zip(
                features.detach().double().numpy(), previous, strict=True)]  # fmt: skip
            if not seen:
                first.update({name: values.clone() for name, values in self.teacher.encoder.state_dict().items()})
            seen.append((float(value.detach()), 100.0 * float(np.mean(squares))))
            return value

    first = {}
    pretrained = save_encoder(tmp_path / "again.pth").state_dict()
    monkeypatch.setattr(run, "EpochwiseDistillation", Watched)
    monkeypatch.setattr(run, "remove_resume_files", lambda folder: None)
    made = clip_experiment(clip_data, weights=str(encoder_file), epoch_reduction="samples", learning_rate=1e-4)
    assert made.settings.epoch_lambda == 100
    model = load_clip_model(train(made, tmp_path / "run", CPU))
    for found, expected in seen:
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-6)
    assert all(torch.equal(pretrained[name], values) for name, values in first.items())
    assert first
    for row in history(tmp_path / "run"):
        whole = row["train_cross_entropy"] + 100 * row["train_epoch_distance"]
        assert row["train_loss"] == pytest.approx(whole, rel=1e-4)
    state = torch.load(tmp_path / "run" / "last.ckpt", weights_only=True)
    assert not [name for name in state["state_dict"] if "teacher" in name]
    assert model.record.selected_on == made.split.validation
    loading = json.loads((tmp_path / "run" / RUN_FILE).read_text())["loading"]
    assert loading["prefix"] == "module.encoder_q.encoder."
    assert loading["fraction"] == 1


def test_cross_entropy_is_the_mean_over_clips():
    logits, labels = torch.randn(5, 3), torch.tensor([0, 2, 1, 1, 0])
    exact = logits.double().numpy()
    expected = [np.log(np.exp(row).sum()) - row[label] for row, label in zip(exact, labels.tolist(), strict=True)]
    assert float(ClipTrainer.loss(None, logits, labels)) == pytest.approx(np.mean(expected), rel=1e-5)


def test_a_training_killed_in_its_second_epoch_ends_bitwise_as_the_uninterrupted_one(
    clip_data, encoder_file, tmp_path, monkeypatch
):
    made = clip_experiment(clip_data, weights=str(encoder_file), epochs=3, epoch_lambda=1.0, learning_rate=1e-3)
    whole = load_clip_model(train(made, tmp_path / "whole", CPU))
    usual = ClipTrainer.training_step

    def killed(module, batch, batch_idx):
        if (module.current_epoch, batch_idx) == (1, 1):
            raise Killed
        return usual(module, batch, batch_idx)

    with monkeypatch.context() as patched:
        patched.setattr(ClipTrainer, "training_step", killed)
        with pytest.raises(Killed):
            train(made, tmp_path / "killed", CPU)
    assert len(history(tmp_path / "killed")) == 1
    resumed = load_clip_model(train(made, tmp_path / "killed", CPU))
    assert history(tmp_path / "killed") == history(tmp_path / "whole")
    assert resumed.record == whole.record
    assert all(np.isfinite(row["train_loss"]) for row in history(tmp_path / "whole"))


def test_the_epoch_is_chosen_on_the_validation_part_and_the_test_list_is_never_read(clip_data, tmp_path, monkeypatch):
    made = clip_experiment(clip_data, "ClipFineTuning", epochs=3)
    read, usual = set(), type(made.source).read
    monkeypatch.setattr(
        type(made.source), "read", lambda self, name, indices: read.add(name) or usual(self, name, indices)
    )
    scores = iter([0.4, 0.9, 0.9])
    monkeypatch.setattr(clip_trainers, "validation_accuracies", lambda *given: {1: next(scores), 5: 1.0})
    model = load_clip_model(train(made, tmp_path, CPU))
    assert model.record.epoch == 2
    assert read == {*made.split.training, *made.split.validation}
    assert not read & set(made.split.test)
    assert model.settings.epoch_lambda == 0
    with pytest.raises(CheckpointError, match="is a model of clips"):
        load_model(tmp_path / "model.pt")


def test_a_training_without_progress_ends_early_also_when_it_is_resumed(clip_data, tmp_path, monkeypatch):
    monkeypatch.setattr(clip_trainers, "validation_accuracies", lambda *given: {1: 0.5, 5: 1.0})
    monkeypatch.setattr(run, "remove_resume_files", lambda folder: None)
    made = clip_experiment(clip_data, "ClipFineTuning", epochs=5, patience=1)
    model = train(made, tmp_path, CPU)
    before = load_clip_model(model).record
    assert (len(history(tmp_path)), before.epoch) == (2, 1)
    model.unlink()
    assert load_clip_model(train(made, tmp_path, CPU)).record == before
    assert len(history(tmp_path)) == 2


def test_the_last_epoch_of_all_training_videos_is_the_paper_s_algorithm(clip_data, tmp_path):
    words = train_command(clip_data, tmp_path, "--preset", "paper-c3d-last", trainer="ClipFineTuning", epochs=1)
    assert main(words) == 0
    record = load_clip_model(tmp_path / "model.pt").record
    assert (record.epoch, record.fold, record.selected_on, len(record.trained_on)) == (1, 1, (), 12)


def test_each_validation_video_counts_once_whatever_the_order():
    generator = np.random.default_rng(3)
    logits = torch.tensor(generator.normal(size=(7, 6)), dtype=torch.float32)
    labels = generator.integers(0, 6, size=7)
    rows = torch.tensor([6, 0, 3, 2, 1, 5, 4, 6, 0])
    found = validation_accuracies(rows, logits[rows], labels)
    for k, value in found.items():
        right = [label in row.topk(k).indices.tolist() for row, label in zip(logits, labels.tolist(), strict=True)]
        assert value == pytest.approx(np.mean(right))


def test_wrong_weights_encoders_splits_and_trainers_are_refused(clip_data, tmp_path, capsys):
    wider = tmp_path / "wider.pth"
    save_encoder(wider, width=3)
    with pytest.raises(CheckpointError, match="does not fit this encoder"):
        clip_experiment(clip_data, weights=str(wider)).build_module()
    with pytest.raises(SettingsError, match=r"(?s)no clip encoder 'c4d'; there are .*did you mean c3d\?.*patience"):
        clip_experiment(clip_data, encoder="c4d", patience=2, choose_epoch="last")
    with pytest.raises(SettingsError, match=r"epoch_lambda is 0\.0 in this trainer"):
        clip_experiment(clip_data, "ClipFineTuning", epoch_lambda=1.0)
    with pytest.raises(DataError, match="no validation part"):
        clip_experiment(clip_data, fraction=0)
    with pytest.raises(NetworkStructureError, match="cannot take clips"):
        clip_experiment(clip_data, frames=2).build_module()
    with pytest.raises(DataError, match="not a trainer for clips"):
        find_clip_trainer("SwinTripletTeacher")
    with pytest.raises(SettingsError, match="training videos do not fill one step of 64"):
        train(clip_experiment(clip_data, batch_size=64), tmp_path / "few", CPU)
    assert main(train_command(clip_data, tmp_path / "none", "--preset", "paper")) == 1
    assert "unknown preset 'paper'; there are paper-c3d, " in capsys.readouterr().err


def test_a_video_in_two_parts_of_a_split_is_a_leak():
    with pytest.raises(LeakError, match="1 video is in two parts of split 1 of ucf101, first: b"):
        refuse_overlap(ClipSplit("ucf101", 1, ("a", "b"), ("c",), ("b", "d")))


def test_a_folder_of_another_training_is_refused_with_the_differences(clip_data, encoder_file, tmp_path):
    made = clip_experiment(clip_data)
    (tmp_path / RUN_FILE).write_text(json.dumps({**made.describe(), "loading": {"fraction": 1.0}}))
    run.refuse_another_training(tmp_path, made)
    with pytest.raises(SettingsError, match=r"(?s)epochs is 2 there, now 9.*weights_file"):
        run.refuse_another_training(tmp_path, clip_experiment(clip_data, epochs=9, weights=str(encoder_file)))
