"""Chooses whole videos of the training folds for validation, so that no checkpoint is chosen on test videos."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from video_triplet.data.videos import Video


def usual_count(videos: int) -> int:
    """Return how many training videos to validate on: one in seven, as the official loader does (5 of 36)."""
    return max(1, videos // 7)


def inner_validation(videos: Sequence[Video], *, count: int, seed: int) -> tuple[str, ...]:
    """Choose validation videos whose triplets are many and spread like those of all training videos.

    The seed draws the first video. Each next one is that with which most triplet classes are both in validation and
    left in training; among equals, that with which the classes' shares of all labels in validation differ least (sum of
    absolute differences) from their shares in all videos; among equals again, the first in a random order by the seed.

    Args:
        videos: The videos of the training folds.
        count: How many to choose.
        seed: Of the first video and the order; the same videos in another order give the same choice.

    Returns:
        Their names, in the order in which they were chosen.

    Raises:
        DataError: if no video would remain on one of the two sides.
    """
    if not 1 <= count < len(videos):
        raise DataError(
            f"{counted(count, 'validation video')} asked for out of "
            f"{counted(len(videos), 'training video')}; allowed are 1 to "
            f"{len(videos) - 1}. With too few videos, take fewer folds"
        )
    ordered = sorted(videos, key=lambda video: video.name)
    order = [int(index) for index in np.random.default_rng(seed).permutation(len(ordered))]
    counts = np.stack([ordered[index].labels["triplet"].sum(axis=0, dtype=np.int64) for index in order])
    chosen = [0]
    while len(chosen) < count:
        others = [row for row in range(len(order)) if row not in chosen]
        chosen.append(max(others, key=lambda row: _merit(counts, [*chosen, row])))  # max keeps the first of equals
    return tuple(ordered[order[row]].name for row in chosen)


def _merit(counts: NDArray[np.int64], rows: list[int]) -> tuple[int, float]:
    """Return how many classes are on both sides, and minus the difference in shares."""
    validation, everything = counts[rows].sum(axis=0), counts.sum(axis=0)
    shared = int(np.sum((validation > 0) & (everything > validation)))
    difference = np.abs(_shares(validation) - _shares(everything)).sum()
    return shared, -round(float(difference), 12)


def _shares(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(counts / max(1, counts.sum()))
