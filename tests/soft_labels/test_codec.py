"""Probabilities in eight bits: how far they may be from what was written, and what they keep."""

import itertools

import numpy as np
import pytest
import torch

from nnunet_dsd.soft_labels.codec import (
    DENSE_CLASSES,
    LARGEST_ERROR,
    LIKELIEST,
    SMALLEST_KEPT,
    Layout,
    dequantise,
    quantise,
)


def made_up(classes, *, sharpness=3.0, seed=0, shape=(6, 7, 8)):
    """Probabilities (K, *S) as networks give them, sure in most places."""
    generator = torch.Generator().manual_seed(seed)
    return torch.softmax(sharpness * torch.randn(classes, *shape, generator=generator), dim=0)


def slow_decode(planes, classes):
    """The documented meaning of the planes of many classes, voxel by voxel in float64."""
    flat = planes.reshape(planes.shape[0], -1).numpy()
    found = np.zeros((classes, flat.shape[1]))
    for voxel, rank in itertools.product(range(flat.shape[1]), range(LIKELIEST)):
        name, level = int(flat[rank, voxel]), int(flat[LIKELIEST + rank, voxel])
        distance = 0.5 * (min(level, 255 - level) / 127) ** 3
        found[name, voxel] += 1 - distance if level > 127 else distance
    sums = found.sum(0)
    return (found / np.where(sums > 0, sums, 1)).reshape(classes, *planes.shape[1:])


def test_the_error_of_a_probability_is_within_its_bound_and_the_bound_is_met():
    exact = torch.linspace(0, 1, 100_001, dtype=torch.float64)
    error = (dequantise(quantise(exact)).double() - exact).abs().max()
    assert 0.98 * LARGEST_ERROR < error <= LARGEST_ERROR


def test_what_is_certain_stays_certain_and_levels_ascend():
    assert dequantise(quantise(torch.tensor([0.0, 0.5, 1.0]))).tolist() == [0.0, 0.5, 1.0]
    ladder = dequantise(torch.arange(256, dtype=torch.uint8))
    assert (ladder.diff() >= 0).all()
    assert (quantise(ladder)[ladder != 0.5] == torch.arange(256)[ladder != 0.5]).all()


@pytest.mark.parametrize("power", [1, 2, 3, 4])
def test_small_probabilities_keep_their_size_for_a_temperature(power):
    exact = torch.logspace(-6, -0.31, 500, dtype=torch.float64)
    stored = dequantise(quantise(exact)).double()
    assert ((stored ** (1 / power)) - exact ** (1 / power)).abs().max() < 0.009


@pytest.mark.parametrize("classes", [2, 3, 7, DENSE_CLASSES])
def test_few_classes_have_a_plane_each_and_add_up_to_one(classes):
    exact, layout = made_up(classes), Layout(classes)
    planes = layout.encode(exact)
    assert layout.planes == planes.shape[0] == classes
    assert planes.dtype == torch.uint8
    stored = layout.decode(planes)
    assert torch.allclose(stored.sum(0), torch.ones(()))
    assert (stored - exact).abs().max() < 2 * LARGEST_ERROR


@pytest.mark.parametrize("classes", [DENSE_CLASSES + 1, 134, 300])
def test_of_many_classes_the_likeliest_are_kept(classes):
    exact, layout = made_up(classes, sharpness=4.0), Layout(classes)
    planes = layout.encode(exact)
    assert layout.planes == planes.shape[0] == 2 * LIKELIEST
    stored = layout.decode(planes)
    assert np.allclose(stored.numpy(), slow_decode(planes, classes), atol=1e-6)
    assert torch.allclose(stored.sum(0), torch.ones(()), atol=1e-5)
    assert (stored.argmax(0) == exact.argmax(0)).float().mean() > 0.99  # but for ties within the bound
    left_out = exact.topk(LIKELIEST, dim=0).values.sum(0)
    lost = 1 - left_out + LIKELIEST * SMALLEST_KEPT
    assert ((stored - exact).abs().amax(0) <= lost + LIKELIEST * LARGEST_ERROR).all()


def test_names_beyond_a_byte_are_kept_whole():
    exact = torch.zeros(300, 2)
    exact[299, 0] = exact[256, 1] = 1.0
    assert Layout(300).decode(Layout(300).encode(exact)).argmax(0).tolist() == [299, 256]


def test_what_is_unlikely_among_many_classes_takes_no_room():
    exact = torch.full((40, 1), SMALLEST_KEPT / 2)
    exact[3] = 1 - 39 * SMALLEST_KEPT / 2
    planes = Layout(40).encode(exact)
    assert planes[0].item() == 3
    assert planes[1:LIKELIEST].count_nonzero() == planes[LIKELIEST + 1 :].count_nonzero() == 0


@pytest.mark.parametrize("layout", [Layout(3), Layout(40), Layout(3, regions=True)])
def test_a_voxel_that_says_nothing_stays_so(layout):
    nothing = torch.zeros((layout.planes, 4), dtype=layout.dtype)
    assert layout.decode(nothing).count_nonzero() == 0


def test_regions_need_not_add_up_to_one():
    exact = torch.rand(20, 5, 6, generator=torch.Generator().manual_seed(1))
    layout = Layout(20, regions=True)
    assert layout.planes == 20
    assert (layout.decode(layout.encode(exact)) - exact).abs().max() <= LARGEST_ERROR
