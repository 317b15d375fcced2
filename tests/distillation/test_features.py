"""The L2 distance between feature vectors of the levels of one side."""

import oracle
import pytest
import torch

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.features import feature_distances


def test_two_vectors_give_the_mean_of_their_squared_differences():
    student, teacher = torch.tensor([[1.0, 2.0]]), torch.tensor([[4.0, 6.0]])
    assert feature_distances([student, teacher], side="encoder", teacher="deepest") == {1: torch.tensor(12.5)}
    assert feature_distances([teacher, student], side="decoder", teacher="deepest") == {2: torch.tensor(12.5)}


@pytest.mark.parametrize("teacher", ["deepest", "mean", "reversed"])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize("levels", [2, 4])
def test_distances_agree_with_numpy_for_every_teacher(levels, side, teacher):
    vectors = [torch.randn(3, 7) for _ in range(levels)]
    expected = oracle.side_distances([oracle.as_array(item) for item in vectors], side, teacher)
    found = feature_distances(vectors, side=side, teacher=teacher)
    assert {level: value.item() for level, value in found.items()} == pytest.approx(expected, rel=1e-5)


def test_equal_vectors_have_no_distance():
    vectors = [torch.ones(2, 5)] * 3
    assert {v.item() for v in feature_distances(vectors, side="encoder", teacher="mean").values()} == {0.0}


@pytest.mark.parametrize("detach", [False, True])
def test_the_teacher_gets_a_gradient_unless_it_is_detached(detach):
    vectors = [torch.randn(2, 5, requires_grad=True) for _ in range(3)]
    sum(feature_distances(vectors, side="decoder", teacher="deepest", detach_teacher=detach).values()).backward()
    assert bool(vectors[0].grad.abs().max() == 0) == detach
    assert all(item.grad.abs().max() > 0 for item in vectors[1:])


def test_half_precision_vectors_are_compared_in_float32():
    far = [torch.full((1, 4), 300.0).half(), torch.full((1, 4), -300.0).half()]  # 600 squared overflows float16
    value = feature_distances(far, side="encoder", teacher="deepest")[1]
    assert value.dtype == torch.float32
    assert value.item() == 360000.0


def test_a_side_without_vectors_is_refused():
    with pytest.raises(NetworkStructureError, match="at least 2 encoder levels, got 0"):
        feature_distances([], side="encoder", teacher="deepest")
