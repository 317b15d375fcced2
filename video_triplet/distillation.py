"""Soft labels: how a student's targets are made of hard labels and of its teacher's probabilities.

Shapes: N frames, C classes; every class is a Bernoulli variable of its own (multi-label), so there is no softmax.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import ShapeError

Array = NDArray[np.float32]


def soften(probabilities: NDArray[np.floating], temperature: float) -> Array:
    """Return `sigmoid(logit(p) / T)`: T > 1 moves probabilities towards 0.5, T = 1 leaves them as they are.

    Args:
        probabilities: `(N, C)` in [0, 1]; 0 and 1 stay what they are at any temperature.
        temperature: T > 0.
    """
    values = probabilities.astype(np.float64)
    with np.errstate(divide="ignore"):
        logits = np.log(values) - np.log1p(-values)
        softened = 1 / (1 + np.exp(-logits / temperature))
    return softened.astype(np.float32)


def mix(hard: NDArray[np.generic], soft: NDArray[np.floating], weight: float) -> Array:
    """Return `(1 - SD) hard + SD soft`.

    Args:
        hard: `(N, C)` of 0 and 1.
        soft: `(N, C)` in [0, 1].
        weight: SD in [0, 1]; the paper uses 1, the soft labels alone.

    Raises:
        ShapeError: if the shapes differ.
    """
    if hard.shape != soft.shape:
        raise ShapeError(f"hard labels have shape {hard.shape}, soft labels {soft.shape}; they must be equal")
    mixed = (1 - weight) * hard.astype(np.float64) + weight * soft.astype(np.float64)
    return np.clip(mixed, 0, 1).astype(np.float32)


def smooth(labels: NDArray[np.generic], amount: float) -> Array:
    """Return `(1 - s) y + s / 2`: each label moves towards 0.5, hard and soft ones alike.

    Args:
        labels: `(N, C)` in [0, 1].
        amount: s in [0, 1]; the authors' code has 0.1.
    """
    return ((1 - amount) * labels.astype(np.float64) + amount / 2).astype(np.float32)


def student_targets(
    hard: NDArray[np.generic],
    soft: NDArray[np.floating] | None,
    *,
    weight: float,
    temperature: float,
    label_smoothing: float,
) -> Array:
    """Return what one head of a student (or, with `soft` None, of a teacher) is trained with, `(N, C)`.

    The order is that of the authors' code: soften, mix, smooth.

    Raises:
        ShapeError: if the shapes differ.
    """
    mixed = hard.astype(np.float32) if soft is None else mix(hard, soften(soft, temperature), weight)
    return smooth(mixed, label_smoothing) if label_smoothing else mixed
