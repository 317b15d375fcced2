"""Model files: round trip, and what is refused."""

import pytest
import torch

from nnunet_dsd.common.errors import CheckpointError
from video_triplet.models.model_file import load_model


def test_a_model_file_gives_back_everything(teacher_file, tmp_path):
    model = load_model(teacher_file)
    model.save(tmp_path / "copy.pt")
    copy = load_model(tmp_path / "copy.pt")
    assert (copy.vocabulary, copy.settings, copy.record) == (model.vocabulary, model.settings, model.record)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(copy.network(images)["triplet"], model.network(images)["triplet"])
    assert not copy.network.training


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no model file"):
        load_model(tmp_path / "none.pt")


@pytest.mark.parametrize("fraction", [0, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_refused(teacher_file, tmp_path, fraction):
    content = teacher_file.read_bytes()
    (tmp_path / "cut.pt").write_bytes(content[: int(fraction * len(content))])
    with pytest.raises(CheckpointError, match="not a whole model file"):
        load_model(tmp_path / "cut.pt")


def test_a_file_of_something_else_is_refused(tmp_path):
    torch.save({"weights": {}}, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="not a model file of schema 1"):
        load_model(tmp_path / "other.pt")


def test_weights_that_were_changed_are_noticed(teacher_file, tmp_path):
    content = torch.load(teacher_file, weights_only=True)
    next(iter(content["weights"].values())).add_(1)
    torch.save(content, tmp_path / "changed.pt")
    with pytest.raises(CheckpointError, match="has been changed"):
        load_model(tmp_path / "changed.pt")


def test_weights_of_another_network_are_refused(teacher_file, tmp_path):
    content = torch.load(teacher_file, weights_only=True)
    content["settings"]["backbone"], content["settings"]["backbone_options"] = "resnet18", "{}"
    torch.save(content, tmp_path / "other.pt")
    with pytest.raises(CheckpointError, match="does not fit this version"):
        load_model(tmp_path / "other.pt")
