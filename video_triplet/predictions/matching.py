"""Pairing predictions with labels by video and frame, never by position."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data.videos import TripletDataset, Video
from video_triplet.predictions.file import Predictions
from video_triplet.vocabulary import Head

Pair = tuple[list[NDArray[Any]], list[NDArray[Any]]]  # labels and probabilities, one (frames, classes) per video


def matched(predictions: Predictions, truth: Sequence[Video]) -> tuple[dict[Head, Pair], int, tuple[Head, ...]]:
    """Return for each head labels and probabilities of the same frames, one table per video.

    Args:
        predictions: Must cover every labelled frame.
        truth: Videos with labels, each name once.

    Returns:
        The pairs by head; how many predicted frames have no labels; which heads lack labels for a video.

    Raises:
        DataError: if labelled frames are not predicted, a predicted video has no labels, a video is given twice, the
            triplets are missing on one side, or a head's numbers of classes differ.
    """
    _refuse_unlike(predictions, truth)
    keys = [(video.name, int(frame)) for video in truth for frame in video.frames]
    _refuse_missing(predictions, keys)
    aligned = predictions.aligned_to(keys)
    borders = np.cumsum([len(video) for video in truth])[:-1]
    labelled = [head for head in aligned.heads if all(head in video.labels for video in truth)]
    pairs: dict[Head, Pair] = {}
    for head in labelled:
        labels = [video.labels[head] for video in truth]
        _refuse_sizes(head, labels, predictions.vocabulary.size(head))
        pairs[head] = (labels, np.split(aligned.probabilities[head], borders))
    unscored = tuple(head for head in aligned.heads if head not in pairs)
    return pairs, len(predictions) - len(keys), unscored


def refuse_other_classes(predictions: Predictions, dataset: TripletDataset) -> None:
    """Refuse predictions of other classes than the data set's; heads without labels may differ.

    Raises:
        DataError: naming the first class that differs.
    """
    for head in predictions.heads:
        if not any(head in video.labels for video in dataset.videos.values()):
            continue
        predicted, labelled = predictions.vocabulary.names(head), dataset.vocabulary.names(head)
        if predicted != labelled:
            places = (i for i, pair in enumerate(zip(predicted, labelled, strict=False)) if pair[0] != pair[1])
            place = next(places, min(len(predicted), len(labelled)))
            raise DataError(
                f"{head}: the predictions have {len(predicted)} classes and {dataset.root} has {len(labelled)}; they "
                f"differ from class {place} on. Predict with a model of this data set"
            )


def _refuse_unlike(predictions: Predictions, truth: Sequence[Video]) -> None:
    names = [video.name for video in truth]
    if not names:
        raise DataError("there is no video to score; give at least one")
    if len(set(names)) < len(names):
        raise DataError(f"a video is given twice among {', '.join(names)}; give each once")
    predicted = {predictions.videos[index] for index in np.unique(predictions.video_ids)}
    unknown = sorted(predicted - set(names))
    if unknown:
        raise DataError(f"predicted but without labels: {', '.join(unknown)}; select the videos to score first")
    if "triplet" not in predictions.heads:
        raise DataError(f"no triplet probabilities, only {', '.join(predictions.heads)}: there is nothing to score")
    bare = [video.name for video in truth if "triplet" not in video.labels]
    if bare:
        raise DataError(f"no triplet labels for {', '.join(bare)}; give labelled videos only")


def _refuse_missing(predictions: Predictions, keys: Sequence[tuple[str, int]]) -> None:
    missing = sorted(set(keys) - set(predictions.keys))
    if missing:
        shown = ", ".join(f"{video} frame {frame}" for video, frame in missing[:3])
        raise DataError(
            f"predictions are missing for {len(missing)} of {len(keys)} labelled frames, first: {shown}. If the model "
            "was trained with --sound-only, give --sound-only here too (and the same --cache); --predicted-only leaves "
            "out whatever was not predicted"
        )


def _refuse_sizes(head: Head, labels: Sequence[NDArray[Any]], size: int) -> None:
    sizes = {table.shape[1] for table in labels}
    if sizes != {size}:
        raise DataError(
            f"{head}: {size} classes predicted, labels have {', '.join(map(str, sorted(sizes)))}; "
            "use predictions of a model of this data set"
        )
