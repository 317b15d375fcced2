"""Softening, mixing and smoothing of labels, against the definitions."""

import math

import numpy as np
import pytest

from nnunet_dsd.common.errors import ShapeError
from video_triplet.distillation import mix, smooth, soften, student_targets

SOFT = np.array([[0.1, 0.9, 0.5], [1.0, 0.0, 0.25]], dtype=np.float32)
HARD = np.array([[0, 1, 0], [1, 0, 1]], dtype=np.uint8)


def slow_soften(probability, temperature):
    """sigmoid(logit(p) / T) of one number."""
    if probability in (0.0, 1.0):
        return probability
    logit = math.log(probability / (1 - probability))
    return 1 / (1 + math.exp(-logit / temperature))


@pytest.mark.parametrize("temperature", [0.5, 1, 2, 10])
def test_softening_is_the_sigmoid_of_the_divided_logit(temperature):
    expected = [[slow_soften(float(value), temperature) for value in row] for row in SOFT]
    np.testing.assert_allclose(soften(SOFT, temperature), expected, rtol=1e-6)


def test_a_high_temperature_moves_probabilities_towards_one_half_and_keeps_their_order():
    softened = soften(SOFT[:1], 5)
    assert np.all(np.abs(softened - 0.5) <= np.abs(SOFT[:1] - 0.5))
    assert np.array_equal(np.argsort(softened), np.argsort(SOFT[:1]))


@pytest.mark.parametrize("weight", [0, 0.3, 1])
def test_mixing_is_the_weighted_sum_of_hard_and_soft(weight):
    expected = [
        [(1 - weight) * int(h) + weight * float(s) for h, s in zip(*rows, strict=True)]
        for rows in zip(HARD, SOFT, strict=True)
    ]
    np.testing.assert_allclose(mix(HARD, SOFT, weight), expected, rtol=1e-6)


def test_the_paper_s_weight_of_one_gives_the_soft_labels_alone():
    assert np.array_equal(mix(HARD, SOFT, 1), SOFT)


def test_smoothing_with_the_authors_amount_adds_five_percent():
    np.testing.assert_allclose(smooth(HARD, 0.1), HARD * 0.9 + 0.05, rtol=1e-6)


def test_labels_of_different_shape_are_refused():
    with pytest.raises(ShapeError, match=r"\(2, 3\).*\(2, 2\)"):
        mix(HARD, SOFT[:, :2], 1)


def test_targets_are_softened_then_mixed_then_smoothed():
    found = student_targets(HARD, SOFT, weight=0.6, temperature=2, label_smoothing=0.1)
    expected = [
        [0.9 * (0.4 * int(h) + 0.6 * slow_soften(float(s), 2)) + 0.05 for h, s in zip(*rows, strict=True)]
        for rows in zip(HARD, SOFT, strict=True)
    ]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_without_soft_labels_the_targets_are_the_hard_ones():
    found = student_targets(HARD, None, weight=1, temperature=1, label_smoothing=0)
    assert found.dtype == np.float32
    assert np.array_equal(found, HARD)
