"""Trainings end to end on a rendered data set: loss, accumulation, best epoch, resuming, two processes."""

import dataclasses
import json
import math
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from killed_processes import ENVIRONMENT, finish
from metric_oracle import class_ap, mean, video_map
from torch.nn import functional
from triplet_workplace import CPU, TINY, experiment, history, options, tiny_settings

from nnunet_dsd.common import files
from nnunet_dsd.common.errors import CheckpointError, DataError, DivergenceError, SettingsError, SetupError
from nnunet_dsd.common.files import exclusive
from video_triplet.cli.main import main
from video_triplet.models.inference import predict_videos
from video_triplet.models.model_file import load_model
from video_triplet.trainers import base, run
from video_triplet.trainers.base import TripletTrainer, ValidationTruth, validation_score
from video_triplet.trainers.callbacks import refuse_divergence
from video_triplet.trainers.experiment import Experiment, find_video_trainer
from video_triplet.trainers.loading import TripletData
from video_triplet.trainers.run import Machine, train

PROGRAM = [sys.executable, "-m", "video_triplet"]


def train_command(data, folder, *more, **changes):
    """The words of a training on the rendered data set."""
    command = ["train", "-tr", "SwinTripletTeacher", "-o", str(folder)]
    command += ["--data", str(data), "--split", "k-fold", "--folds", "2", "--validation-videos", "1", "--workers", "0"]
    return [*command, "--accelerator", "cpu", *options({**TINY, **changes}), *more]


def module_for(rendered, **changes):
    made = experiment(rendered, **changes)
    return made, made.build_module()


def some_batch(made, count=8):
    data = TripletData(made, workers=0)
    frames = data.training_rows()
    items = [frames[row] for row in range(count)]
    return {key: torch.stack([torch.as_tensor(item[key]) for item in items]) for key in items[0]}


def test_the_loss_is_binary_cross_entropy_over_all_heads_together(rendered):
    made, module = module_for(rendered, trainer="SwinTripletPhaseTeacher", augmentation="none")
    batch = some_batch(made)
    module.eval()
    with torch.no_grad():
        logits = module.network(batch["image"])
        found = sum(module.loss_terms(logits, batch).values())
    flat = torch.cat([logits[head] for head in made.settings.heads], dim=1).double()
    labels = torch.cat([batch[head] for head in made.settings.heads], dim=1).double()
    expected = -(labels * flat.sigmoid().log() + (1 - labels) * (1 - flat.sigmoid()).log()).mean()
    assert float(found) == pytest.approx(float(expected), rel=1e-5)


def test_the_summed_loss_is_the_sum(rendered):
    made, module = module_for(rendered, reduction="sum")
    batch = some_batch(made)
    logits = {"triplet": torch.randn(8, batch["triplet"].shape[1])}
    expected = functional.binary_cross_entropy_with_logits(logits["triplet"], batch["triplet"], reduction="sum")
    assert float(module.loss_terms(logits, batch)["triplet"]) == pytest.approx(float(expected))


def test_validation_counts_each_frame_once_and_ignores_padding():
    rng = np.random.default_rng(0)
    labels = (rng.random((10, 3)) < 0.4).astype(np.uint8)
    truth = ValidationTruth(labels, np.repeat([0, 1], 5))
    scores = torch.tensor(rng.random((10, 3)), dtype=torch.float32)
    whole = validation_score(torch.arange(10), scores, truth)
    padded = torch.cat([torch.arange(10).flip(0), torch.tensor([0, 1])])
    assert validation_score(padded, scores[padded], truth) == pytest.approx(whole)


def videos_of_different_lengths(seed):
    """Labels and scores of three videos whose AP lies far apart; classes 3 and 4 are absent from some, 5 from all."""
    rng = np.random.default_rng(seed)
    targets, scores = [], []
    for frames, absent, noise in ((7, (3, 5), 0.2), (24, (4, 5), 1.0), (60, (3, 4, 5), 3.0)):
        labels = (rng.random((frames, 6)) < 0.35).astype(np.uint8)
        labels[:, absent] = 0
        targets.append(labels)
        scores.append((labels + noise * rng.normal(size=labels.shape)).astype(np.float32))
    return targets, scores


@pytest.mark.parametrize("seed", range(5))
def test_the_validation_score_is_the_mean_over_classes_of_the_mean_over_videos(seed):
    targets, scores = videos_of_different_lengths(seed)
    order = np.random.default_rng(seed).permutation(sum(map(len, targets)))
    video_ids = np.repeat([4, 0, 9], [len(labels) for labels in targets])
    truth = ValidationTruth(np.concatenate(targets), video_ids)
    found = validation_score(torch.from_numpy(order), torch.from_numpy(np.concatenate(scores)[order]), truth)

    per_video = [class_ap(*video) for video in zip(targets, scores, strict=True)]
    assert found == pytest.approx(video_map(targets, scores), abs=1e-6)
    others = {
        "over all frames": mean(class_ap(np.concatenate(targets), np.concatenate(scores))),
        "over classes, then videos": mean([mean(values) for values in per_video]),
        "over all pairs of video and class": mean([value for values in per_video for value in values]),
    }
    assert {name for name, other in others.items() if abs(other - found) < 1e-3} == set()


def test_validation_without_any_label_has_no_score():
    truth = ValidationTruth(np.zeros((4, 3), dtype=np.uint8), np.repeat([0, 1], 2))
    assert math.isnan(validation_score(torch.arange(4), torch.rand(4, 3), truth))


def test_the_score_in_the_history_is_that_of_the_model_s_own_predictions_by_video(rendered, tmp_path):
    made = experiment(rendered, protocol="test-fold", epochs=1)
    first, *others = made.validation_videos
    assert others
    cut = first.select(np.arange(len(first)) < 5)
    made = dataclasses.replace(
        made, dataset=dataclasses.replace(made.dataset, videos={**made.dataset.videos, first.name: cut})
    )
    model = load_model(train(made, tmp_path, CPU))
    said = predict_videos(model, made.validation_videos, made.source)
    targets = [video.labels["triplet"] for video in made.validation_videos]
    scores = np.split(said.probabilities["triplet"], np.cumsum([len(labels) for labels in targets])[:-1])
    assert [len(labels) for labels in targets] == [5, 16]
    assert history(tmp_path)[0]["validation_mAP"] == pytest.approx(video_map(targets, scores), abs=1e-5)


@pytest.fixture(scope="module")
def unbroken(rendered, tmp_path_factory):
    """A training of four epochs that nothing disturbed."""
    folder = tmp_path_factory.mktemp("unbroken") / "run"
    train(experiment(rendered, epochs=4), folder, CPU)
    return folder


def test_a_training_learns_and_leaves_everything_it_promises(unbroken):
    losses = [row["train_loss"] for row in history(unbroken)]
    assert len(losses) == 4
    assert losses[-1] < 0.8 * losses[0]
    names = {path.name for path in unbroken.iterdir()}
    assert {"model.pt", "run.json", "history.csv"} <= names
    assert "last.ckpt" not in names
    assert list((unbroken / "logs").rglob("events.out.tfevents*"))
    assert list((unbroken / "logs").rglob("metrics.csv"))
    assert not list(unbroken.rglob(".partial-*"))


def test_the_model_is_that_of_the_epoch_with_the_best_validation_score(unbroken):
    scores = [row["validation_mAP"] for row in history(unbroken)]
    assert load_model(unbroken / "model.pt").record.epoch == int(np.argmax(scores)) + 1


@pytest.fixture
def keep_checkpoints(monkeypatch):
    """Leave what a finished training would delete."""
    monkeypatch.setattr(run, "remove_resume_files", lambda folder: None)


@pytest.mark.usefixtures("keep_checkpoints")
def test_the_last_epoch_is_kept_where_that_is_asked_for(rendered, tmp_path):
    path = train(experiment(rendered, choose_epoch="last"), tmp_path, CPU)
    found = load_model(path)
    assert found.record.epoch == 2
    last = torch.load(tmp_path / "last.ckpt", weights_only=True)["state_dict"]
    assert torch.equal(found.network.state_dict()["backbone.head.fc.weight"], last["network.backbone.head.fc.weight"])


def test_a_finished_training_is_not_repeated(unbroken, rendered, monkeypatch):
    monkeypatch.setattr(Experiment, "build_module", lambda experiment: pytest.fail("trained again"))
    assert train(experiment(rendered, epochs=4), unbroken, CPU) == unbroken / "model.pt"


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("workers", [0, 2])
def test_a_killed_training_goes_on_and_ends_with_the_same_weights(unbroken, rendered, tmp_path, capsys, workers):
    folder = tmp_path / "killed"
    command = train_command(rendered, folder, "--workers", str(workers), epochs=4)
    process = subprocess.Popen([*PROGRAM, *command], stdout=subprocess.PIPE, text=True, env=ENVIRONMENT)
    for line in process.stdout:
        if line.startswith("epoch 2/4"):
            while not (folder / "last.ckpt").is_file():
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
            break
    process.wait()
    assert not (folder / "model.pt").exists()
    capsys.readouterr()
    assert main(command) == 0
    assert "epoch 1/4" not in capsys.readouterr().out
    whole, killed = (load_model(path / "model.pt") for path in (unbroken, folder))
    assert history(folder) == history(unbroken)
    assert killed.record.checkpoint == whole.record.checkpoint


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(rendered, tmp_path, unbroken):
    first = [
        load_model(train(experiment(rendered, epochs=1, **changes), tmp_path / name, CPU)).record.checkpoint
        for name, changes in {"a": {}, "b": {}, "c": {"seed": 5}}.items()
    ]
    assert first[0] == first[1] != first[2]


def test_worker_processes_change_nothing(rendered, tmp_path):
    found = [
        load_model(
            train(experiment(rendered), tmp_path / str(workers), Machine(accelerator="cpu", workers=workers))
        ).record.checkpoint
        for workers in (0, 2)
    ]
    assert found[0] == found[1]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_parts_of_a_step_add_up_to_the_whole_step(rendered, tmp_path, reduction):
    steady = {"augmentation": "none", "epochs": 1, "reduction": reduction, "choose_epoch": "last"}
    steady["backbone_options"] = json.dumps({**json.loads(TINY["backbone_options"]), "drop_path_rate": 0.0})
    weights = [
        load_model(train(experiment(rendered, accumulate=parts, **steady), tmp_path / str(parts), CPU)).network
        for parts in (1, 4)
    ]
    whole, parts = (torch.cat([values.flatten() for values in network.parameters()]) for network in weights)
    start = torch.cat([v.flatten() for v in experiment(rendered, **steady).build_module().network.parameters()])
    assert ((parts - whole).norm() / (whole - start).norm()).item() < 0.02


@pytest.mark.usefixtures("keep_checkpoints")
def test_accumulating_takes_one_optimiser_step_per_batch(rendered, tmp_path):
    train(experiment(rendered, accumulate=4, epochs=1), tmp_path, CPU)
    state = torch.load(tmp_path / "last.ckpt", weights_only=True)
    training_frames = sum(map(len, experiment(rendered).training_videos))
    assert state["global_step"] == training_frames // TINY["batch_size"] == 2


def test_two_processes_train_and_validate_as_one(rendered, tmp_path):
    """Two gloo processes of half a batch each: same rows per step, same metric, nearly the same weights."""
    steady = {"augmentation": "none", "choose_epoch": "last"}
    steady["backbone_options"] = json.dumps({**json.loads(TINY["backbone_options"]), "drop_path_rate": 0.0})
    train(experiment(rendered, **steady), tmp_path / "one", CPU)
    command = train_command(rendered, tmp_path / "two", "--devices", "2", **steady)
    finish([*PROGRAM, *command])
    one, two = history(tmp_path / "one"), history(tmp_path / "two")
    for row, other in zip(one, two, strict=True):
        assert row["train_loss"] == pytest.approx(other["train_loss"], rel=1e-3)
        assert row["validation_mAP"] == pytest.approx(other["validation_mAP"], abs=0.02)
    networks = [load_model(tmp_path / name / "model.pt").network for name in ("one", "two")]
    first, second = (torch.cat([values.flatten() for values in network.parameters()]) for network in networks)
    assert ((first - second).norm() / first.norm()).item() < 0.01


def test_every_weight_gets_a_gradient_in_every_step(rendered):
    made, module = module_for(rendered, trainer="SwinTripletPhaseTeacher")
    batch = some_batch(made)
    sum(module.loss_terms(module.network(batch["image"]), batch).values()).backward()
    assert all(values.grad is not None for values in module.network.parameters())


def test_a_broken_checkpoint_is_refused(rendered, tmp_path):
    (tmp_path / "last.ckpt").write_bytes(b"PK\x03\x04 cut off")
    with pytest.raises(CheckpointError, match=r"last\.ckpt is broken .*delete the folder"):
        train(experiment(rendered), tmp_path, CPU)


def test_a_machine_that_is_not_there_is_refused(rendered, tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(SetupError, match="cannot run on"):
        train(experiment(rendered), tmp_path, Machine(accelerator="cuda", workers=0))


def test_the_best_weights_are_those_of_the_epochs_that_the_checkpoint_knows(rendered, tmp_path, monkeypatch):
    """A training killed after its third epoch and before that epoch's checkpoint forgets the third epoch."""
    scores = {1: 0.5, 2: 0.6, 3: 0.9}

    class Killed(Exception):
        pass

    def score(rows, probabilities, truth):
        return scores[len(scores_seen) + 1]

    scores_seen = []
    whole = TripletTrainer.on_validation_epoch_end

    def validated(module):
        whole(module)
        scores_seen.append(module.current_epoch)
        if len(scores_seen) == 3 and scores[3] == 0.9:
            raise Killed

    monkeypatch.setattr(base, "validation_score", score)
    monkeypatch.setattr(TripletTrainer, "on_validation_epoch_end", validated)
    with pytest.raises(Killed):
        train(experiment(rendered, epochs=3), tmp_path, CPU)
    scores_seen.pop()
    scores[3] = 0.3
    assert load_model(train(experiment(rendered, epochs=3), tmp_path, CPU)).record.epoch == 2


@pytest.mark.parametrize("numbers", [{"devices": 0}, {"nodes": 0}, {"workers": -1}])
def test_a_machine_of_impossible_numbers_is_refused(numbers):
    with pytest.raises(SettingsError, match=f"{next(iter(numbers))} is"):
        Machine(**numbers)


@pytest.mark.parametrize(
    ("environment", "first"), [({}, True), ({"NODE_RANK": "1"}, False), ({"GROUP_RANK": "2"}, False)]
)
def test_only_the_first_node_writes(monkeypatch, environment, first):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run.is_first_process() is first


def test_weights_start_the_same_for_every_fold_of_a_seed(rendered):
    found = [experiment(rendered, fold=fold).build_module().network.state_dict() for fold in (1, 2)]
    assert all(torch.equal(values, found[1][name]) for name, values in found[0].items())


def test_bfloat16_trains_to_finite_losses(rendered, tmp_path):
    train(experiment(rendered, epochs=1), tmp_path, Machine(accelerator="cpu", workers=0, precision="bf16-mixed"))
    assert math.isfinite(history(tmp_path)[0]["train_loss"])


def test_a_trainer_of_one_s_own_can_change_the_loss(rendered):
    class Doubled(find_video_trainer("SwinTripletTeacher")):
        def loss_terms(self, logits, targets):
            return {name: 2 * value for name, value in super().loss_terms(logits, targets).items()}

    made, module = module_for(rendered)
    batch = some_batch(made)
    logits = {"triplet": torch.zeros_like(batch["triplet"])}
    doubled = Doubled(tiny_settings(), made.dataset.vocabulary).loss_terms(logits, batch)
    assert float(doubled["triplet"]) == pytest.approx(2 * math.log(2), rel=1e-5)
    assert float(module.loss_terms(logits, batch)["triplet"]) == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000])
def test_a_damaged_description_of_a_run_is_refused_by_name(rendered, tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(DataError, match=r"run\.json is damaged .*; delete the folder and train again"):
        train(experiment(rendered), tmp_path, CPU)


def test_a_start_that_failed_leaves_the_folder_free(rendered, tmp_path):
    with pytest.raises(SetupError, match="no file of pre-trained weights"):
        train(experiment(rendered, weights="missing.pth"), tmp_path, CPU)
    assert train(experiment(rendered, epochs=1), tmp_path, CPU).is_file()


def test_two_trainings_in_one_folder_are_refused(rendered, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "PATIENCE_SECONDS", 0.1)
    with exclusive(tmp_path / ".lock", busy="held by the test"), pytest.raises(SetupError, match="another training"):
        train(experiment(rendered), tmp_path, CPU)


@pytest.mark.usefixtures("keep_checkpoints")
@pytest.mark.parametrize("choose_epoch", ["best", "last"])
def test_a_training_killed_after_its_last_epoch_still_gets_its_model(rendered, tmp_path, choose_epoch):
    made = experiment(rendered, choose_epoch=choose_epoch)
    before = load_model(train(made, tmp_path, CPU)).record
    (tmp_path / "model.pt").unlink()
    assert load_model(train(made, tmp_path, CPU)).record == before
    assert len(history(tmp_path)) == 2


def test_a_training_that_diverges_stops_and_keeps_the_last_sound_epoch(rendered, tmp_path):
    made = experiment(rendered, epochs=6, learning_rate=1e30, minimum_learning_rate=0.0, reduction="sum")
    with pytest.raises(DivergenceError, match=r"the training diverged.*lower learning rate"):
        train(made, tmp_path, CPU)
    assert not (tmp_path / "model.pt").exists()
    kept = tmp_path / "last.ckpt"
    if kept.is_file():
        weights = torch.load(kept, weights_only=True)["state_dict"].values()
        assert all(torch.isfinite(values).all() for values in weights if values.is_floating_point())


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_divergence_names_the_epoch_and_the_losses_before(loss):
    with pytest.raises(DivergenceError, match=r"epoch 3 is (nan|inf) \(those before: 0.5, 0.25\)"):
        refuse_divergence([{"train_loss": value} for value in (0.5, 0.25, loss)])
    refuse_divergence([{"train_loss": 0.5}])


def test_a_loss_that_explodes_is_a_divergence_and_a_small_one_that_comes_back_is_not():
    with pytest.raises(DivergenceError, match=r"epoch 2 is 6\.644e\+05 \(those before: 10\.6\)"):
        refuse_divergence([{"train_loss": value} for value in (10.6, 664385.0)])
    refuse_divergence([{"train_loss": value} for value in (0.001, 0.2)])
    refuse_divergence([{"train_loss": value} for value in (16.0, 1001.0)])


def test_an_interrupted_training_ends_as_an_interruption(rendered, tmp_path, monkeypatch):
    def interrupted(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(TripletTrainer, "training_step", interrupted)
    with pytest.raises(KeyboardInterrupt):
        train(experiment(rendered), tmp_path / "run", CPU)
    command = train_command(rendered, tmp_path / "command", "--devices", "1")
    assert main(command) == 130
