"""Acc@1 and Acc@5 from logits, over all videos and by class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

TOPS = (1, 5)


@dataclass(frozen=True)
class ClassAccuracy:
    """One class; fractions, not-a-number for a class without videos.

    Attributes:
        name: Of the class.
        videos: How many there are of it.
        acc1: Fraction whose own class has the highest logit.
        acc5: Fraction whose own class is among the five highest.
    """

    name: str
    videos: int
    acc1: float
    acc5: float


def reference_ranks(logits: NDArray[np.float32], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many other classes are not below the reference class, `(N,)`; 0 for a right prediction.

    A tie counts against the reference class, so that a network that says the same of all classes is never right; so
    does a logit that is not a number.

    Args:
        logits: `(N, classes)`.
        labels: `(N,)`, numbers of classes.
    """
    own = np.take_along_axis(logits, labels[:, None], axis=1)
    return np.asarray((~(logits < own)).sum(axis=1) - 1, dtype=np.int64)


def top_k(ranks: NDArray[np.int64], k: int) -> float:
    """Return the fraction of videos whose reference class is among the k highest; not-a-number without videos."""
    return float((ranks < k).mean()) if len(ranks) else float("nan")


def class_accuracies(
    ranks: NDArray[np.int64], labels: NDArray[np.int64], classes: Sequence[str]
) -> list[ClassAccuracy]:
    """Return a row per class, in the order of the classes."""
    found = [ranks[labels == number] for number in range(len(classes))]
    return [
        ClassAccuracy(name, len(own), *(top_k(own, k) for k in TOPS)) for name, own in zip(classes, found, strict=True)
    ]
