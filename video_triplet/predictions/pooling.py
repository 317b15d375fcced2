"""Means of probabilities over the members of an ensemble, class by class."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import ShapeError

Mean = Literal["arithmetic", "geometric", "logit"]
MEANS: tuple[str, ...] = get_args(Mean)
SMALLEST = 1e-7  # probabilities are kept this far from 0 and 1 where a logarithm is taken
Stack = NDArray[np.float64]


def arithmetic_mean(stack: Stack) -> Stack:
    """Return the mean of the probabilities over the first axis."""
    return np.asarray(stack.mean(axis=0))


def geometric_mean(stack: Stack) -> Stack:
    """Return `exp(mean(log p))`: never above the arithmetic mean; one member that is sure of 0 decides."""
    return np.asarray(np.exp(np.log(np.clip(stack, SMALLEST, 1)).mean(axis=0)))


def logit_mean(stack: Stack) -> Stack:
    """Return `sigmoid(mean(logit p))`: the geometric mean of p and 1 - p, scaled so that both add up to 1."""
    p = np.clip(stack, SMALLEST, 1 - SMALLEST)
    return np.asarray(1 / (1 + np.exp(-(np.log(p) - np.log1p(-p)).mean(axis=0))))


_FUNCTIONS: Mapping[str, Callable[[Stack], Stack]] = {
    "arithmetic": arithmetic_mean,
    "geometric": geometric_mean,
    "logit": logit_mean,
}


def pool(members: Sequence[NDArray[np.float32]], mean: Mean) -> NDArray[np.float32]:
    """Return the mean of several tables of probabilities of the same shape, in float32; computed in float64.

    Raises:
        ShapeError: if there is no table, or the shapes differ.
    """
    shapes = {table.shape for table in members}
    if len(shapes) != 1:
        raise ShapeError(f"tables of one shape can be averaged, got {len(members)} tables of shapes {sorted(shapes)}")
    if len(members) == 1:
        return members[0]
    return np.clip(_FUNCTIONS[mean](np.stack(members).astype(np.float64)), 0, 1).astype(np.float32)
