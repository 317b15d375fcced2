"""Average precision and top-k of one head or one triplet component over several videos, from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.predictions.ivt import class_average_precision, nan_mean, top_k_recall
from video_triplet.vocabulary import COMPONENTS, PARTS, Component, Vocabulary

TOP_K = (5, 10, 20)


@dataclass(frozen=True)
class Score:
    """How well one component or one head is recognised.

    Attributes:
        classes: Names of the classes that are scored.
        video_ap: `(videos, classes)`, NaN where the video lacks the class.
        global_ap: `(classes,)`, AP over the frames of all videos together, NaN where all lack the class.
        top_k: For each k the fraction of labels among the k highest scores of their frames; null triplets included.
    """

    classes: tuple[str, ...]
    video_ap: NDArray[np.float64]
    global_ap: NDArray[np.float64]
    top_k: Mapping[int, float]

    @property
    def class_ap(self) -> NDArray[np.float64]:
        """`(classes,)`: mean over the videos that have the class, NaN if none has it."""
        return nan_mean(self.video_ap, axis=0)

    @property
    def mean_ap(self) -> float:
        """Video mAP: the mean of `class_ap` over the classes that occur. This is the official number."""
        return float(nan_mean(self.class_ap))

    @property
    def per_video_map(self) -> NDArray[np.float64]:
        """`(videos,)`: mean over the classes of each video, NaN for a video without labels."""
        return nan_mean(self.video_ap, axis=1)

    @property
    def global_map(self) -> float:
        """Mean of `global_ap` over the classes that occur."""
        return float(nan_mean(self.global_ap))


def score_components(
    targets: Sequence[NDArray[Any]],
    scores: Sequence[NDArray[Any]],
    *,
    vocabulary: Vocabulary,
    ignore_null: bool = False,
    top_k: Sequence[int] = TOP_K,
) -> dict[Component, Score]:
    """Return the score of each component, derived from the triplets by maximum over those that have it.

    Of classes without components there is `"ivt"` alone, the classes themselves.

    Args:
        targets: For each video `(frames, triplets)` of 0 and 1.
        scores: Probabilities of the same shapes.
        vocabulary: What the triplets are made of.
        ignore_null: Whether to drop triplets that name no action from the AP of `"ivt"`.
        top_k: Values of k.
    """
    result: dict[Component, Score] = {}
    for component in COMPONENTS if vocabulary.has_components else COMPONENTS[:1]:
        part_targets, part_scores = (
            [vocabulary.to_component(t, component) for t in side] for side in (targets, scores)
        )
        classes = component_names(vocabulary, component)
        result[component] = score_classes(part_targets, part_scores, classes=classes, top_k=top_k)
    if ignore_null:
        result["ivt"] = without_classes(result["ivt"], vocabulary.null_triplets)
    return result


def score_classes(
    targets: Sequence[NDArray[Any]],
    scores: Sequence[NDArray[Any]],
    *,
    classes: tuple[str, ...],
    top_k: Sequence[int] = TOP_K,
) -> Score:
    """Return AP per video and class, AP over all frames, and top-k, given one pair of `(frames, classes)` per video.

    Raises:
        DataError: if there is no video, or labels or scores are not what `class_average_precision` takes.
    """
    if not targets:
        raise DataError("there is no video to score; give at least one")
    video_ap = np.stack([class_average_precision(t, s) for t, s in zip(targets, scores, strict=True)])
    all_targets, all_scores = np.concatenate(targets), np.concatenate(scores)
    return Score(
        classes,
        video_ap,
        class_average_precision(all_targets, all_scores),
        top_k_recall(all_targets, all_scores, top_k),
    )


def without_classes(score: Score, dropped: Sequence[int]) -> Score:
    """Return the score with the AP of some classes left out; top-k stays as it is."""
    kept = [index for index in range(len(score.classes)) if index not in set(dropped)]
    names = tuple(score.classes[index] for index in kept)
    return Score(names, score.video_ap[:, kept], score.global_ap[kept], score.top_k)


def component_names(vocabulary: Vocabulary, component: Component) -> tuple[str, ...]:
    """Return the names of a component's columns, in the order of `Vocabulary.component_columns`."""
    if component == "ivt":
        return vocabulary.triplet_names
    if component in ("i", "v", "t"):
        names = vocabulary.names(PARTS[component][0])  # type: ignore[arg-type]
        return tuple(names[column] for column in vocabulary.component_columns(component))
    first, second = (vocabulary.names(part) for part in PARTS[component])  # type: ignore[arg-type]
    pairs = (divmod(column, len(second)) for column in vocabulary.component_columns(component))
    return tuple(f"{first[a]},{second[b]}" for a, b in pairs)
