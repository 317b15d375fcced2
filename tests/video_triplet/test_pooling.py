"""Means of probabilities against their definitions, value by value."""

import math

import numpy as np
import pytest

from nnunet_dsd.common.errors import ShapeError
from video_triplet.predictions.pooling import MEANS, pool


def by_definition(values, mean):
    if mean == "arithmetic":
        return sum(values) / len(values)
    if mean == "geometric":
        return math.prod(values) ** (1 / len(values))
    odds = math.prod(value / (1 - value) for value in values) ** (1 / len(values))
    return odds / (1 + odds)


@pytest.mark.parametrize("mean", MEANS)
@pytest.mark.parametrize("members", [1, 2, 5])
def test_each_mean_is_what_its_name_says(mean, members):
    tables = [np.random.default_rng(seed).uniform(0.01, 0.99, (4, 3)).astype(np.float32) for seed in range(members)]
    found = pool(tables, mean)
    assert found.dtype == np.float32
    for place in np.ndindex(4, 3):
        expected = by_definition([float(table[place]) for table in tables], mean)
        assert found[place] == pytest.approx(expected, rel=1e-5)


def test_the_geometric_mean_is_never_above_the_arithmetic_one():
    tables = list(np.random.default_rng(0).random((3, 50, 4), dtype=np.float32))
    assert (pool(tables, "geometric") <= pool(tables, "arithmetic") + 1e-6).all()


def test_the_logit_mean_treats_yes_and_no_alike():
    tables = list(np.random.default_rng(1).uniform(0.01, 0.99, (3, 20, 2)).astype(np.float32))
    flipped = pool([1 - table for table in tables], "logit")
    np.testing.assert_allclose(pool(tables, "logit"), 1 - flipped, atol=1e-5)


@pytest.mark.parametrize("mean", MEANS)
def test_certainty_stays_a_probability(mean):
    sure = [np.array([[0.0, 1.0]], dtype=np.float32), np.array([[0.0, 1.0]], dtype=np.float32)]
    found = pool(sure, mean)
    np.testing.assert_allclose(found, [[0, 1]], atol=1e-6)
    assert ((found >= 0) & (found <= 1)).all()


def test_one_table_comes_back_as_it_is():
    table = np.random.default_rng(2).random((3, 2), dtype=np.float32)
    for mean in MEANS:
        np.testing.assert_array_equal(pool([table], mean), table)


def test_tables_of_several_shapes_are_refused():
    with pytest.raises(ShapeError, match=r"2 tables of shapes \[\(2, 3\), \(3, 3\)\]"):
        pool([np.zeros((2, 3), np.float32), np.zeros((3, 3), np.float32)], "arithmetic")
