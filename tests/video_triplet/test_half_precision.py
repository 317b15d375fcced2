"""Half precision where PyTorch computes wrong gradients in it is refused before anything is trained."""

import pytest
import torch
from clip_workplace import clip_experiment
from torch import nn

from nnunet_dsd.common.errors import SetupError
from video_triplet.trainers import half_precision
from video_triplet.trainers.half_precision import gradient_error, refuse_wrong_gradients
from video_triplet.trainers.run import Machine, train

WRONG = {"accelerator": "cpu", "precision": "bf16-mixed"}


@pytest.fixture
def faulty(monkeypatch):
    """A machine whose gradients in half precision are no finite numbers."""
    monkeypatch.setattr(half_precision, "gradient_error", lambda _: float("inf"))


@pytest.mark.parametrize(("factor", "error"), [(1.0, 0.0), (1.5, 0.5), (0.0, 1.0), (float("nan"), float("inf"))])
def test_the_error_is_the_difference_from_float32_over_its_norm(monkeypatch, factor, error):
    convolution = nn.functional.conv3d

    def scaled(maps, weights, *, padding):
        halved = torch.is_autocast_enabled("cpu")
        with torch.autocast("cpu", enabled=False):
            return convolution(maps, weights, padding=padding) * (factor**0.5 if halved else 1.0)

    monkeypatch.setattr(nn.functional, "conv3d", scaled)
    assert gradient_error(torch.bfloat16) == pytest.approx(error, abs=1e-5)


def test_a_training_that_would_go_wrong_is_refused_before_anything_is_written(clip_data, tmp_path, faulty):
    with pytest.raises(SetupError, match=r"wrong gradients.*Train with --precision 32-true"):
        train(clip_experiment(clip_data), tmp_path / "run", Machine(workers=0, **WRONG))
    assert not list((tmp_path / "run").glob("*.json"))


@pytest.mark.parametrize(
    ("network", "changes"),
    [
        (nn.Conv2d(1, 1, 3), {}),
        (nn.Conv3d(1, 1, 3), {"accelerator": "cuda"}),
        (nn.Conv3d(1, 1, 3), {"precision": "32-true"}),
        (nn.Conv3d(1, 1, 3), {"precision": "16-mixed"}),
    ],
)
def test_networks_accelerators_and_precisions_without_the_fault_are_let_through(faulty, network, changes):
    refuse_wrong_gradients(network, **{**WRONG, **changes})
