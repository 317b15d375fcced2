"""Triplet trainings with epoch-wise self-distillation: nothing changes without it, and kills change nothing with it."""

import json
import sys

import numpy as np
import pytest
import torch
from killed_processes import kill
from torch.nn import functional
from triplet_workplace import CPU, TINY, experiment, options, tiny_settings

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError
from video_triplet.cli.main import main
from video_triplet.models.model_file import load_model
from video_triplet.trainers import run
from video_triplet.trainers.epochwise import EpochwiseDistillation
from video_triplet.trainers.run import RUN_FILE, epochwise_callbacks, refuse_another_training, train

NEAR = {"epoch_lambda": 5.0, "choose_epoch": "last"}


def rows(folder):
    """The epochs of a training as text."""
    return (folder / "history.csv").read_text()


def test_without_it_there_is_no_teacher_and_the_network_is_called_as_ever(rendered, tmp_path, monkeypatch):
    made = experiment(rendered, epochs=1)
    assert made.settings.epoch_lambda == 0
    assert epochwise_callbacks(made.settings) == []
    monkeypatch.setattr(run, "EpochwiseDistillation", lambda **settings: pytest.fail("a teacher was built"))
    train(made, tmp_path, CPU)
    assert "epoch_distance" not in rows(tmp_path)


def test_a_weight_too_small_to_matter_gives_the_training_without_it(rendered, tmp_path):
    """The other way through the network, features first, is the same computation."""
    first, second = (
        load_model(train(experiment(rendered, epoch_lambda=weight), tmp_path / str(weight), CPU)).network.state_dict()
        for weight in (0.0, 1e-30)
    )
    for name, values in first.items():
        torch.testing.assert_close(values, second[name], rtol=1e-5, atol=1e-7)


def test_the_loss_is_bce_plus_lambda_times_the_distance_to_the_last_epoch(rendered, tmp_path, monkeypatch):
    seen = []

    class Watched(EpochwiseDistillation):
        def term(self, inputs, features):
            value = super().term(inputs, features)
            with torch.no_grad():
                expected = np.mean((features.double() - self.teacher(inputs).double()).numpy() ** 2)
            seen.append((float(value), 5.0 * expected))
            return value

    monkeypatch.setattr(run, "EpochwiseDistillation", Watched)
    monkeypatch.setattr(run, "remove_resume_files", lambda folder: None)
    train(experiment(rendered, **NEAR), tmp_path, CPU)
    for found, expected in seen:
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-9)
    assert seen[-1][0] > 0
    header, *values = (line.split(",") for line in rows(tmp_path).splitlines())
    for line in values:
        row = dict(zip(header, map(float, line), strict=True))
        whole = row["train_loss_triplet"] + 5.0 * row["train_epoch_distance"]
        assert row["train_loss"] == pytest.approx(whole, rel=1e-5)
    states = torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert states["state_dict"].keys() == experiment(rendered).build_module().state_dict().keys()
    assert load_model(tmp_path / "model.pt").settings.epoch_lambda == 5.0


def test_the_features_are_what_the_classifier_gets(rendered):
    made = experiment(rendered, epoch_lambda=1.0)
    module = made.build_module().eval()
    seen = []
    module.network.backbone.get_classifier().register_forward_pre_hook(lambda layer, inputs: seen.append(inputs[0]))
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        module.network(images)
        assert torch.equal(module.encoder(module.network.normalised(images)), seen[0])
    assert functional.mse_loss(seen[0], torch.zeros_like(seen[0])) > 0


@pytest.mark.usefixtures("one_thread")
def test_a_training_killed_in_an_epoch_ends_bitwise_as_the_uninterrupted_one(rendered, tmp_path, capsys):
    train(experiment(rendered, epochs=4, **NEAR), tmp_path / "whole", CPU)
    command = ["train", "-tr", "SwinTripletTeacher", "-o", str(tmp_path / "killed")]
    command += ["--data", str(rendered), "--split", "k-fold", "--folds", "2", "--validation-videos", "1"]
    command += ["--workers", "0", "--accelerator", "cpu", *options({**TINY, **NEAR, "epochs": 4})]
    kill([sys.executable, "-m", "video_triplet", *command], "epoch 3/4")
    capsys.readouterr()
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "epoch 1/4" not in printed
    assert "epoch 4/4" in printed
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")
    whole, killed = (load_model(tmp_path / name / "model.pt").record.checkpoint for name in ("whole", "killed"))
    assert killed == whole


def test_a_run_that_began_before_these_settings_existed_can_go_on(rendered, tmp_path):
    description = experiment(rendered).describe()
    del description["settings"]["epoch_lambda"], description["settings"]["epoch_reduction"]
    (tmp_path / RUN_FILE).write_text(json.dumps(description))
    refuse_another_training(tmp_path, experiment(rendered))
    with pytest.raises(SettingsError, match=r"settings\.epoch_lambda is 0\.0 there, now 2\.0"):
        refuse_another_training(tmp_path, experiment(rendered, epoch_lambda=2.0))


def test_impossible_settings_and_backbones_are_refused(rendered):
    with pytest.raises(SettingsError, match=r"(?s)epoch_lambda: got -1.*epoch_reduction: got 'max'"):
        tiny_settings(epoch_lambda=-1.0, epoch_reduction="max")
    changes = {"backbone": "deit_tiny_distilled_patch16_224", "backbone_options": "{}", "image_size": 224}
    with pytest.raises(NetworkStructureError, match="or epoch_lambda 0"):
        experiment(rendered, epoch_lambda=1.0, **changes).build_module()
