"""Weights of single epochs: which are kept, in which precision, what they know, and what happens after a kill."""

import shutil
from collections import namedtuple

import pytest
import torch
from triplet_workplace import CPU, experiment

from nnunet_dsd.common.errors import SettingsError, SetupError
from video_triplet.models.kept_epochs import epoch_file, epochs_as_text, epochs_on_disk, read_epochs
from video_triplet.models.model_file import load_model
from video_triplet.trainers import run
from video_triplet.trainers.keeping import KeepEpochs, halved
from video_triplet.trainers.run import train


@pytest.mark.parametrize(
    ("text", "expected"),
    [("all", (1, 2, 3, 4, 5)), ("2-4", (2, 3, 4)), ("5, 1-2", (1, 2, 5)), ("3,3", (3,))],
)
def test_epochs_are_read_as_numbers_and_ranges(text, expected):
    assert read_epochs(text, 5, source="--epochs") == expected


@pytest.mark.parametrize("text", ["0-2", "6", "4-2", "two", "", "1-", "-3"])
def test_epochs_that_there_are_not_are_refused_by_name(text):
    with pytest.raises(SettingsError, match="--keep-epochs"):
        read_epochs(text, 5, source="--keep-epochs")


def test_epochs_are_written_as_ranges():
    assert epochs_as_text([3, 1, 2, 7, 9, 8]) == "1-3, 7-9"


@pytest.fixture(scope="module")
def unbroken(rendered, tmp_path_factory):
    """A training of three epochs that keeps each."""
    folder = tmp_path_factory.mktemp("kept") / "run"
    train(experiment(rendered, epochs=3, choose_epoch="last"), folder, CPU, keep_epochs=(1, 2, 3))
    return folder


def test_each_epoch_is_a_model_file_that_nothing_has_chosen(unbroken):
    assert epochs_on_disk(unbroken) == (1, 2, 3)
    for epoch in (1, 2, 3):
        record = load_model(epoch_file(unbroken, epoch)).record
        assert record.epoch == epoch
        assert record.selected_on == ()
        assert record.trained_on == load_model(unbroken / "model.pt").record.trained_on


def test_a_kept_epoch_is_not_chosen_even_where_the_model_is(rendered, tmp_path):
    train(experiment(rendered, epochs=1, choose_epoch="best"), tmp_path, CPU, keep_epochs=(1,))
    assert load_model(tmp_path / "model.pt").record.selected_on
    assert load_model(epoch_file(tmp_path, 1)).record.selected_on == ()


def test_the_last_kept_epoch_is_the_model_in_half_precision(unbroken):
    whole = load_model(unbroken / "model.pt").network.state_dict()
    kept = load_model(epoch_file(unbroken, 3)).network.state_dict()
    assert set(whole) == set(kept)
    for name, values in whole.items():
        torch.testing.assert_close(kept[name], values, rtol=1e-3, atol=1e-6)
    assert any(not torch.equal(kept[name], values) for name, values in whole.items())
    on_disk = torch.load(epoch_file(unbroken, 3), weights_only=True)["weights"]
    assert on_disk["backbone.head.fc.weight"].dtype == torch.float16
    assert torch.equal(on_disk["mean"], whole["mean"])


def test_epochs_differ(unbroken):
    hashes = {load_model(epoch_file(unbroken, epoch)).record.checkpoint for epoch in (1, 2, 3)}
    assert len(hashes) == 3


def test_keeping_epochs_does_not_change_the_training(unbroken, rendered, tmp_path):
    plain = train(experiment(rendered, epochs=3, choose_epoch="last"), tmp_path, CPU)
    assert load_model(plain).record == load_model(unbroken / "model.pt").record


def test_values_beyond_half_precision_stay_as_they_are():
    network = torch.nn.Linear(2, 1)
    with torch.no_grad():
        network.weight.copy_(torch.tensor([[1e6, 1.0]]))
    state = halved(network)
    assert state["weight"].dtype == torch.float32
    assert state["weight"][0, 0] == 1e6
    assert state["bias"].dtype == torch.float16


def test_a_killed_training_keeps_the_same_epochs(unbroken, rendered, tmp_path, monkeypatch):
    made = experiment(rendered, epochs=3, choose_epoch="last")
    usual = KeepEpochs.on_train_epoch_end

    def killed(self, trainer, pl_module):
        usual(self, trainer, pl_module)
        if trainer.current_epoch == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(KeepEpochs, "on_train_epoch_end", killed)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        train(made, tmp_path, CPU, keep_epochs=(1, 2, 3))
    assert epochs_on_disk(tmp_path) == (1, 2)
    monkeypatch.setattr(KeepEpochs, "on_train_epoch_end", usual)
    train(made, tmp_path, CPU, keep_epochs=(1, 2, 3))
    for epoch in (1, 2, 3):
        found, expected = (load_model(epoch_file(folder, epoch)).record for folder in (tmp_path, unbroken))
        assert found == expected


def test_a_finished_training_that_kept_nothing_says_so(rendered, tmp_path):
    made = experiment(rendered, epochs=1)
    train(made, tmp_path, CPU)
    with pytest.raises(SettingsError, match=r"epochs 1 are over and their weights were not kept.*another folder"):
        train(made, tmp_path, CPU, keep_epochs=(1,))


def test_a_training_under_way_that_kept_too_little_says_so(rendered, tmp_path, monkeypatch):
    made = experiment(rendered, epochs=3)
    monkeypatch.setattr(run, "remove_resume_files", lambda folder: None)
    train(made, tmp_path, CPU)
    (tmp_path / "model.pt").unlink()
    with pytest.raises(SettingsError, match="epochs 1-2 are over"):
        train(made, tmp_path, CPU, keep_epochs=(1, 2))


def test_a_disk_that_is_too_small_is_said_before_the_first_epoch(rendered, tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9, 10))
    with pytest.raises(SetupError, match=r"does not fit.*Keep fewer"):
        train(experiment(rendered), tmp_path, CPU, keep_epochs=(1, 2))
    assert not (tmp_path / "history.csv").exists()


def test_the_use_of_the_disk_is_stated(rendered, tmp_path, capsys):
    path = train(experiment(rendered, epochs=1), tmp_path, CPU, keep_epochs=(1,))
    stated = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("keeping the weights"))
    megabytes = float(stated.split("1 epoch of ")[1].split(" MB")[0])
    assert megabytes == pytest.approx(epoch_file(path.parent, 1).stat().st_size / 1e6, abs=0.15)
