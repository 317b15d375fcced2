"""Numbers that describe a data set: how much there is, and how rare its classes are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from video_triplet.data.videos import TripletDataset


@dataclass(frozen=True)
class Statistics:
    """Of the labelled frames of a data set.

    Attributes:
        videos: How many.
        frames: With labels.
        images: That have a label.
        triplet_labels: All of them.
        triplets_per_frame: Their mean per frame.
        frames_without_triplet: As a fraction of the frames.
        triplets_never_seen: Triplet classes without any label.
        most_frequent: Name and fraction of frames of the most frequent triplets, at most three.
        rarest: As above of the rarest triplets that are there, at most three, the rarest first.
    """

    videos: int
    frames: int
    images: int
    triplet_labels: int
    triplets_per_frame: float
    frames_without_triplet: float
    triplets_never_seen: int
    most_frequent: tuple[tuple[str, float], ...]
    rarest: tuple[tuple[str, float], ...]

    def to_json(self) -> dict[str, Any]:
        """Return what a JSON file holds."""
        return asdict(self)


def describe(dataset: TripletDataset, *, extremes: int = 3) -> Statistics:
    """Count the labels of a data set.

    Args:
        dataset: With at least one labelled frame.
        extremes: How many of the most frequent and the rarest triplets to name.
    """
    labels = np.concatenate([video.labels["triplet"] for video in dataset.videos.values()])
    counts = labels.sum(axis=0, dtype=np.int64)
    ascending = [int(index) for index in np.argsort(counts, kind="stable") if counts[index]]

    def named(indices: list[int]) -> tuple[tuple[str, float], ...]:
        return tuple((dataset.vocabulary.triplet_names[index], float(counts[index] / len(labels))) for index in indices)

    return Statistics(
        videos=len(dataset.videos),
        frames=len(labels),
        images=sum(len(video) - len(video.missing_images) for video in dataset.videos.values()),
        triplet_labels=int(counts.sum()),
        triplets_per_frame=float(counts.sum() / len(labels)),
        frames_without_triplet=float(np.mean(~labels.any(axis=1))),
        triplets_never_seen=int(np.sum(counts == 0)),
        most_frequent=named(ascending[::-1][:extremes]),
        rarest=named(ascending[:extremes]),
    )
