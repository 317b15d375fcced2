"""Evaluation of predictions against labels: the official mean average precision, top-k, and the auxiliary heads alike.

Average precision (AP) is computed per class and per video and is NaN where the class is absent from the video. The mean
over the videos that have the class is the class's AP; the mean over classes is the video mAP, the official number. The
score of a cross-validation is the mean of its folds' video mAP. All values are fractions.

`ignore_null` drops the triplets that name no action from the AP of whole triplets, as the challenges do;
cross-validation numbers are published without. It touches neither components nor top-k, as in ivtmetrics.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_dsd.common.errors import DataError
from video_triplet.data.provenance import refuse_trained_on, videos_selected_on, videos_trained_on
from video_triplet.data.videos import TripletDataset, Video
from video_triplet.predictions.file import Predictions
from video_triplet.predictions.matching import matched, refuse_other_classes
from video_triplet.predictions.scores import TOP_K, Score, score_classes, score_components
from video_triplet.vocabulary import Component, Head


@dataclass(frozen=True)
class Evaluation:
    """One model's predictions held against labels.

    Attributes:
        videos: In the order of the rows of each `video_ap`.
        frames: How many labelled frames were scored.
        ignore_null: Whether triplets that name no action were dropped from the AP of `"ivt"`.
        components: `"ivt"` and what is derived from the triplets' probabilities by maximum; `"ivt"` alone where the
            classes have no components.
        heads: The auxiliary heads that have predictions and labels, each by its own probabilities.
        unlabelled_frames: How many predicted frames of these videos have no labels and were left out.
        unscored_heads: Heads that were predicted but lack labels for a video.
        trained_on: Videos among these that a model was trained on; empty unless that was allowed.
        selected_on: Videos among these whose labels chose a model's epoch: the result is then somewhat too good.
    """

    videos: tuple[str, ...]
    frames: int
    ignore_null: bool
    components: Mapping[Component, Score]
    heads: Mapping[Head, Score]
    unlabelled_frames: int = 0
    unscored_heads: tuple[Head, ...] = ()
    trained_on: tuple[str, ...] = ()
    selected_on: tuple[str, ...] = ()

    @property
    def has_components(self) -> bool:
        """Whether the classes are triplets; otherwise `"ivt"` is the score of the classes as they are."""
        return len(self.components) > 1

    @property
    def mean_ap(self) -> float:
        """Video mAP of whole triplets, or of classes without components."""
        return self.components["ivt"].mean_ap


@dataclass(frozen=True)
class CrossValidationScore:
    """Mean and sample standard deviation of the folds' video mAP; the deviation of a single fold is NaN."""

    fold_maps: tuple[float, ...]

    @property
    def mean(self) -> float:
        """The score of the cross-validation."""
        return statistics.fmean(self.fold_maps)

    @property
    def std(self) -> float:
        """Sample standard deviation over folds, with n - 1 in the denominator."""
        return statistics.stdev(self.fold_maps) if len(self.fold_maps) > 1 else math.nan


def evaluate(
    predictions: Predictions,
    truth: Sequence[Video],
    *,
    ignore_null: bool = False,
    top_k: Sequence[int] = TOP_K,
    allow_training_videos: bool = False,
) -> Evaluation:
    """Score predictions of videos against their labels, aligned by video and frame.

    The videos' classes must be the vocabulary's, in that order; `evaluate_dataset` checks it.

    Args:
        predictions: Must cover every labelled frame of every video given, and no other video. Predicted frames without
            labels are left out and counted.
        truth: The videos to score, each with triplet labels.
        ignore_null: Whether to drop triplets that name no action from the AP of whole triplets.
        top_k: Values of k.
        allow_training_videos: Whether videos that a model was trained on may be scored.

    Raises:
        LeakError: if a model was trained on one of the videos and that was not allowed.
        DataError: if frames or labels are missing, numbers of classes differ, or classes are no triplets to ignore.
    """
    if ignore_null:
        _require_triplets(predictions)
    names = tuple(video.name for video in truth)
    if not allow_training_videos:
        refuse_trained_on(predictions.models, names, purpose="evaluation")
    pairs, left_out, unscored = matched(predictions, truth)
    components = score_components(
        *pairs["triplet"], vocabulary=predictions.vocabulary, ignore_null=ignore_null, top_k=top_k
    )
    heads: dict[Head, Score] = {
        head: score_classes(*pair, classes=predictions.vocabulary.names(head), top_k=top_k)
        for head, pair in pairs.items()
        if head != "triplet"
    }
    seen, chosen = videos_trained_on(predictions.models), videos_selected_on(predictions.models)
    return Evaluation(
        videos=names,
        frames=sum(len(video) for video in truth),
        ignore_null=ignore_null,
        components=components,
        heads=heads,
        unlabelled_frames=left_out,
        unscored_heads=unscored,
        trained_on=tuple(name for name in names if name in seen),
        selected_on=tuple(name for name in names if name in chosen),
    )


def _require_triplets(predictions: Predictions) -> None:
    if not predictions.vocabulary.has_components:
        raise DataError(
            "these classes are no triplets, so there are no null triplets to ignore; leave out --ignore-null"
        )


def evaluate_dataset(
    predictions: Predictions,
    dataset: TripletDataset,
    *,
    videos: Sequence[str] | None = None,
    ignore_null: bool = False,
    top_k: Sequence[int] = TOP_K,
    allow_training_videos: bool = False,
    predicted_only: bool = False,
) -> Evaluation:
    """Score predictions against a data set; without `videos`, those that are predicted.

    With `predicted_only`, labelled frames without predictions are left out instead of refused: those that a model
    trained with --sound-only could not read.

    Raises:
        LeakError: as `evaluate`.
        DataError: as `evaluate`, or if a video is not in the data set or a head's classes are named otherwise.
    """
    refuse_other_classes(predictions, dataset)
    predicted = [name for index, name in enumerate(predictions.videos) if np.any(predictions.video_ids == index)]
    truth = dataset.subset(predicted if videos is None else videos)
    if predicted_only:
        keys = set(predictions.keys)
        truth = [video.select(np.array([(video.name, int(f)) in keys for f in video.frames])) for video in truth]
    return evaluate(
        predictions,
        truth,
        ignore_null=ignore_null,
        top_k=top_k,
        allow_training_videos=allow_training_videos,
    )


def cross_validation(folds: Sequence[Evaluation], component: Component = "ivt") -> CrossValidationScore:
    """Return the score of a cross-validation: each fold's video mAP counts the same, however many frames it has.

    Raises:
        DataError: if there is no fold, a video is in two folds, or only some of them ignore null triplets.
    """
    if not folds:
        raise DataError("a cross-validation needs at least one fold; got none")
    if len({fold.ignore_null for fold in folds}) > 1:
        raise DataError("some folds ignore null triplets and some do not; evaluate all of them alike")
    names = [name for fold in folds for name in fold.videos]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{', '.join(twice)} in more than one fold; give each fold's own predictions once")
    return CrossValidationScore(tuple(fold.components[component].mean_ap for fold in folds))
