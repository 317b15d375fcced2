"""Checkpoints are written whole or not at all, and what does not fit is refused in words."""

import errno
import os
import stat
from itertools import pairwise

import pytest
import torch
from torch import nn

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.config.settings import read_settings
from nnunet_dsd.trainers.checkpoint import (
    SETTINGS_KEY,
    capture_checkpoint,
    check_settings_fit,
    check_weights_fit,
    read_checkpoint,
    write_checkpoint,
)


def checkpoint(value=1.0):
    return {"network_weights": {"a": torch.full((3,), value)}, "current_epoch": 4, "logging": {"lrs": [0.1]}}


def no_space(content, target, *_, **__):
    """Write a part, as a full disk lets one do, then fail."""
    with open(target, "wb") as file:
        file.write(b"PK\x03\x04 half a checkpoint")
    raise OSError(errno.ENOSPC, "No space left on device")


def broken_writer(content, target, *_, **__):
    with open(target, "wb") as file:
        file.write(b"PK")
    raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")


def test_what_is_written_is_read_back(tmp_path):
    path = tmp_path / "checkpoint_latest.pth"
    write_checkpoint(checkpoint(), path)
    found = read_checkpoint(path)
    assert torch.equal(found["network_weights"]["a"], torch.ones(3))
    assert (found["current_epoch"], found["logging"]) == (4, {"lrs": [0.1]})
    assert os.listdir(tmp_path) == ["checkpoint_latest.pth"]


def test_a_new_checkpoint_replaces_the_old_one(tmp_path):
    path = tmp_path / "checkpoint_latest.pth"
    for value in (1.0, 2.0):
        write_checkpoint(checkpoint(value), str(path))
    assert read_checkpoint(path)["network_weights"]["a"][0] == 2


@pytest.mark.parametrize("failure", [no_space, broken_writer])
def test_a_full_disk_leaves_the_old_checkpoint_whole_and_no_rest(tmp_path, monkeypatch, failure):
    path = tmp_path / "checkpoint_latest.pth"
    write_checkpoint(checkpoint(), path)
    before = path.read_bytes()
    monkeypatch.setattr(torch, "save", failure)
    with pytest.raises(CheckpointError) as refusal:
        write_checkpoint(checkpoint(2.0), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["checkpoint_latest.pth"]
    message = str(refusal.value)
    assert str(path) in message
    assert "MiB are free" in message
    assert "make room and continue the training with --c" in message


def test_a_full_disk_leaves_nothing_where_there_was_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(torch, "save", no_space)
    with pytest.raises(CheckpointError, match="No space left on device"):
        write_checkpoint(checkpoint(), tmp_path / "checkpoint_best.pth")
    assert os.listdir(tmp_path) == []


def test_a_kill_in_the_middle_leaves_the_old_checkpoint_whole(tmp_path, monkeypatch):
    path = tmp_path / "checkpoint_latest.pth"
    write_checkpoint(checkpoint(), path)
    before = path.read_bytes()

    def interrupted(content, target, *_, **__):
        with open(target, "wb") as file:
            file.write(b"PK")
        raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_checkpoint(checkpoint(2.0), path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["checkpoint_latest.pth"]


def test_no_reader_ever_sees_a_part_of_the_new_checkpoint(tmp_path, monkeypatch):
    path, seen, save = tmp_path / "checkpoint_latest.pth", [], torch.save
    write_checkpoint(checkpoint(1.0), path)

    def look_then_save(content, target, *more, **named):
        save(content, target, *more, **named)
        seen.append(read_checkpoint(path)["network_weights"]["a"][0].item())

    monkeypatch.setattr(torch, "save", look_then_save)
    write_checkpoint(checkpoint(2.0), path)
    assert seen == [1.0]
    assert read_checkpoint(path)["network_weights"]["a"][0] == 2


def test_a_folder_that_is_gone_is_a_checkpoint_error_too(tmp_path):
    with pytest.raises(CheckpointError, match=r"could not write .*the folder .*gone does not exist"):
        write_checkpoint(checkpoint(), tmp_path / "gone" / "checkpoint_latest.pth")


def test_the_file_has_the_permissions_of_an_ordinary_new_file(tmp_path):
    old = os.umask(0o027)
    try:
        write_checkpoint(checkpoint(), tmp_path / "checkpoint.pth")
        assert os.umask(0o027) == 0o027
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "checkpoint.pth").stat().st_mode) == 0o640


def test_what_nnunet_would_write_is_captured_without_a_file():
    found = capture_checkpoint(lambda buffer: torch.save(checkpoint(3.0), buffer))
    assert found["network_weights"]["a"][0] == 3


def test_where_nnunet_writes_nothing_nothing_is_captured():
    assert capture_checkpoint(lambda buffer: None) is None


def test_a_missing_checkpoint_is_said_to_be_missing(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint at .*nowhere\.pth"):
        read_checkpoint(tmp_path / "nowhere.pth")


@pytest.mark.parametrize("share", [0.0, 0.3, 0.95])
def test_a_truncated_checkpoint_is_refused_with_what_to_use_instead(tmp_path, share):
    path = tmp_path / "checkpoint_latest.pth"
    write_checkpoint(checkpoint(), path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(CheckpointError, match=r"may be cut short.*checkpoint_best\.pth"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"hello, world", b"{}", b"\x00" * 64])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "checkpoint_latest.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], torch.zeros(2)], ids=["foreign", "list", "tensor"])
def test_a_torch_file_of_another_kind_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "model.pth")
    with pytest.raises(CheckpointError, match="is not an nnU-Net checkpoint: it has no 'network_weights'"):
        read_checkpoint(tmp_path / "model.pth")


def weights_of(*channels):
    return nn.Sequential(*(nn.Conv2d(a, b, 1) for a, b in pairwise(channels))).state_dict()


@pytest.mark.parametrize("prefix", ["", "module."])
def test_weights_of_the_same_architecture_fit(prefix):
    check_weights_fit(
        {prefix + key: value for key, value in weights_of(1, 2, 3).items()}, weights_of(1, 2, 3), source="x"
    )


@pytest.mark.parametrize(
    ("found", "words", "count"),
    [
        ((1, 2), "'1.weight' is missing", 2),
        ((1, 2, 3, 4), "'2.weight' is not part of this network", 2),
        ((1, 5, 3), "'0.weight' has shape (5, 1, 1, 1), this network needs (2, 1, 1, 1)", 3),
    ],
)
def test_weights_of_another_architecture_are_refused_naming_what_does_not_fit(found, words, count):
    with pytest.raises(CheckpointError) as refusal:
        check_weights_fit(weights_of(*found), weights_of(1, 2, 3), source="checkpoint_final.pth")
    message = str(refusal.value)
    assert message.startswith("checkpoint_final.pth belongs to another architecture")
    assert f"{count} weights do not fit" in message
    assert words in message
    assert "plans" in message


def settings_of(**values):
    return read_settings(values)


def saved_with(epoch, **settings):
    return {"current_epoch": epoch, SETTINGS_KEY: settings_of(epochs=10, **settings).flat()}


def test_an_unfinished_training_is_not_continued_with_another_loss_or_optimiser():
    checkpoint = saved_with(4, temperature=2.0, optimiser="sgd")
    with pytest.raises(CheckpointError, match=r"temperature was 2\.0, is 3\.0; optimiser was sgd, is adamw"):
        check_settings_fit(
            checkpoint, settings_of(epochs=10, temperature=3.0, optimiser="adamw"), own=settings_of(), source="here"
        )


def test_another_budget_is_allowed_and_said():
    said = check_settings_fit(saved_with(4, seed=1), settings_of(epochs=20, seed=1), own=settings_of(), source="here")
    assert said == "epochs was 10, is 20"
    assert check_settings_fit(saved_with(4), settings_of(epochs=10), own=settings_of(), source="here") == ""


def test_a_finished_training_and_a_checkpoint_of_stock_nnunet_pass_with_any_settings():
    other = settings_of(epochs=10, temperature=4.5)
    assert "temperature" in check_settings_fit(saved_with(10, temperature=2.0), other, own=settings_of(), source="here")
    assert check_settings_fit({"current_epoch": 4}, other, own=settings_of(), source="here") == ""


def test_a_setting_younger_than_the_checkpoint_was_at_the_trainers_own_value():
    checkpoint = saved_with(4)
    del checkpoint[SETTINGS_KEY]["encoder_supervision"]
    own = settings_of(encoder_supervision=0.5)
    assert check_settings_fit(checkpoint, settings_of(epochs=10, encoder_supervision=0.5), own=own, source="here") == ""
    with pytest.raises(CheckpointError, match=r"encoder_supervision was 0\.5, is 0\.0"):
        check_settings_fit(checkpoint, settings_of(epochs=10), own=own, source="here")
