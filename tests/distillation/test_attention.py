"""Attention maps and their distance against a literal NumPy version, and their properties."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.distillation import attention
from nnunet_dsd.distillation.attention import attention_distance, attention_map, resize, unify

SHAPES = [(1, 1, 3, 4), (2, 5, 4, 4), (3, 2, 3, 2, 4)]


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def literal_map(features):
    """`vec(mean over channels of |x|^4) / L2 norm`, case by case, in float64."""
    rows = []
    for case in features.double().numpy():
        strength = (np.abs(case) ** 4).mean(axis=0).ravel()
        rows.append(strength / np.sqrt((strength**2).sum()))
    return np.stack(rows)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_map_is_its_formula(shape):
    assert np.allclose(attention_map(draw(*shape)).numpy(), literal_map(draw(*shape)), atol=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_distance_is_its_formula_with_other_channels(shape):
    student, teacher = draw(*shape), draw(shape[0], shape[1] + 3, *shape[2:], seed=1)
    expected = ((literal_map(student) - literal_map(teacher)) ** 2).sum(axis=1).mean()
    assert attention_distance(student, teacher).item() == pytest.approx(expected, rel=1e-5)


def test_equal_features_have_no_distance_and_neither_have_scaled_ones():
    features = draw(2, 4, 5, 5)
    assert attention_distance(features, features).item() == 0
    assert attention_distance(features, 7 * features).item() == pytest.approx(0, abs=1e-10)


def test_attention_in_different_places_is_as_far_as_it_gets():
    first, second = torch.zeros(1, 2, 4, 4), torch.zeros(1, 2, 4, 4)
    first[..., 0, 0], second[..., 3, 3] = 1.0, -2.0
    assert attention_distance(first, second).item() == pytest.approx(2)


@pytest.mark.parametrize("magnitude", [1e-12, 1.0, 300.0, 6e4, 1e12])
def test_fourth_powers_neither_overflow_nor_vanish(magnitude):
    features = magnitude * draw(1, 3, 4, 4)
    assert np.allclose(attention_map(features).numpy(), literal_map(draw(1, 3, 4, 4)), atol=1e-6)


def test_half_precision_features_are_computed_in_float32():
    features = 300 * draw(1, 3, 4, 4)
    made = attention_map(features.half())
    assert made.dtype == torch.float32
    assert torch.allclose(made, attention_map(features), atol=1e-3)


def test_empty_features_have_an_empty_map_and_a_finite_gradient():
    features = torch.zeros(1, 2, 3, 3, requires_grad=True)
    attention_distance(features, draw(1, 2, 3, 3)).backward()
    assert attention_map(features).abs().max() == 0
    assert torch.isfinite(features.grad).all()


def test_the_gradient_is_that_of_the_formula():
    features = draw(2, 3, 3, 3).requires_grad_()
    other = draw(2, 4, 3, 3, seed=1)
    attention_distance(features, other).backward()
    twin = draw(2, 3, 3, 3).double().requires_grad_()

    def unscaled(x):
        return functional.normalize(x.pow(4).mean(1).flatten(1), dim=1)

    (unscaled(twin) - unscaled(other.double())).square().sum(1).mean().backward()
    assert torch.allclose(features.grad.double(), twin.grad, atol=1e-5)


@pytest.mark.parametrize("other", [(1, 2, 4, 4), (2, 2, 4, 5)])
def test_other_sizes_are_refused(other):
    with pytest.raises(ShapeError, match="resize one of them first"):
        attention_distance(draw(2, 2, 4, 4), draw(*other))


def test_resizing_is_linear_interpolation_and_leaves_the_right_size_alone():
    features = draw(1, 2, 4, 4, 4)
    assert resize(features, (4, 4, 4)) is features
    ramp = torch.arange(4.0).view(1, 1, 4, 1).expand(1, 1, 4, 2)
    assert resize(ramp, (2, 2))[0, 0, :, 0].tolist() == [0.5, 2.5]
    assert resize(features, (8, 2, 4)).shape == (1, 2, 8, 2, 4)


def test_unified_levels_have_the_smallest_size_and_all_channels_in_order():
    levels = [draw(1, 2, 8, 8), draw(1, 3, 2, 2), draw(1, 4, 4, 4)]
    joined = unify(levels)
    assert joined.shape == (1, 9, 2, 2)
    assert torch.equal(joined[:, 2:5], levels[1])
    assert torch.allclose(joined[:, 5:], functional.interpolate(levels[2], (2, 2), mode="bilinear"))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((2, 5, 3, 4), (7, 9)), ((2, 3, 2, 3, 4), (4, 6, 8)), ((1, 4, 2, 6, 3), (5, 3, 9)), ((2, 3, 6, 6), (3, 4))],
)
@pytest.mark.parametrize("values", [1, 100, 2**20])
def test_the_map_at_another_size_is_that_of_interpolated_features(shape, size, values, monkeypatch):
    monkeypatch.setitem(attention.CHUNK_VALUES, "cpu", values)
    features = draw(*shape)
    mode = "bilinear" if len(size) == 2 else "trilinear"
    expected = literal_map(functional.interpolate(features.double(), size=size, mode=mode, align_corners=False))
    assert np.allclose(attention_map(features, size).numpy(), expected, atol=1e-6)
    assert np.allclose(attention_map(1e30 * features, size).numpy(), expected, atol=1e-6)


def test_the_gradient_passes_through_enlarged_features():
    features, other = draw(1, 3, 2, 2, 2).requires_grad_(), draw(1, 2, 4, 4, 4, seed=1)
    attention_distance(features, other, size=(4, 4, 4)).backward()
    twin = draw(1, 3, 2, 2, 2).requires_grad_()
    attention_distance(functional.interpolate(twin, size=(4, 4, 4), mode="trilinear"), other).backward()
    assert torch.allclose(features.grad, twin.grad, atol=1e-6)


@pytest.mark.parametrize("size", [None, (6, 8), (2, 3)])
def test_autocast_does_not_lower_the_precision(size):
    features = draw(2, 3, 3, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        made = attention_map(features, size)
    assert torch.equal(made, attention_map(features, size))
