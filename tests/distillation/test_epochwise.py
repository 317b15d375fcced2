"""The distance to the previous epoch's features, against NumPy, and the frozen copy that makes them."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.distillation.epochwise import PreviousEpoch, epoch_distance

SHAPES = [(3, 5), (2, 4, 3, 2), (2, 3, 2, 3, 2)]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def literal(features, previous, reduction):
    """`sum over i of ||f(x_i) - f'(x_i)||^2`, sample by sample, in float64; averaged as asked."""
    total = sum(
        float((((now - before).ravel()) ** 2).sum())
        for now, before in zip(features.double().numpy(), previous.double().numpy(), strict=True)
    )
    return total / {"sum": 1, "samples": len(features), "mean": np.prod(features.shape)}[reduction]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("reduction", ["mean", "samples", "sum"])
def test_the_distance_is_equation_2(shape, reduction):
    features, previous = draw(*shape), draw(*shape, seed=1)
    value = epoch_distance(features, previous, reduction=reduction)
    assert value.item() == pytest.approx(literal(features, previous, reduction), rel=1e-5)
    assert epoch_distance(features, features, reduction=reduction).item() == 0


def test_the_gradient_is_twice_the_difference_and_does_not_reach_the_teacher():
    features, previous = draw(2, 3).requires_grad_(), draw(2, 3, seed=1).requires_grad_()
    epoch_distance(features, previous, reduction="sum").backward()
    assert torch.allclose(features.grad, 2 * (features - previous).detach())
    assert previous.grad is None


def test_half_precision_is_summed_in_float32():
    features, previous = torch.full((2, 4096), 300.0).half(), torch.zeros(2, 4096).half()
    assert epoch_distance(features, previous, reduction="samples").item() == pytest.approx(4096 * 300**2)


def test_other_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, 3\) now and \(2, 4\) from the previous epoch"):
        epoch_distance(draw(2, 3), draw(2, 4), reduction="mean")


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.ReLU())


def test_the_copy_is_frozen_in_eval_mode_whatever_is_asked(encoder):
    teacher = PreviousEpoch(encoder)
    before = copy.deepcopy(teacher.state_dict())
    teacher.train()
    images = draw(4, 1, 6, 6)
    made = teacher(images)
    assert torch.equal(made, teacher(images))
    assert not made.requires_grad
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    assert all(torch.equal(value, before[key]) for key, value in teacher.state_dict().items())


def test_the_copy_stays_until_it_is_renewed_and_then_has_weights_and_statistics_of_the_encoder(encoder):
    teacher = PreviousEpoch(encoder)
    images = draw(4, 1, 6, 6)
    expected = copy.deepcopy(encoder).eval()(images)
    encoder.train()
    optimiser = torch.optim.SGD(encoder.parameters(), lr=1.0)
    encoder(images).sum().backward()
    optimiser.step()
    assert torch.allclose(teacher(images), expected)
    assert all(parameter.requires_grad for parameter in encoder.parameters())
    teacher.renew(encoder)
    renewed = copy.deepcopy(encoder).eval()(images)
    assert not torch.allclose(renewed, expected)
    assert torch.equal(teacher(images), renewed)
    optimiser.step()
    assert torch.equal(teacher(images), renewed)
