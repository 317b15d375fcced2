"""The official average precision and top-k of surgical triplets through `ivtmetrics`, with its faults worked around.

`class_average_precision` hands `ivtmetrics.Recognition` one video (or all frames) and only the classes that occur in
it, since ivtmetrics 0.1.5

- knows an absent class only by the text `-0.0`, which scikit-learn no longer returns, and then counts it as 0;
- appends the pending video again at each call that computes a result;
- fails on the component `vt`, and on a single class;
- scores a video without any label as 0;
- sets NumPy's error handling for the whole program when a `Recognition` is made;
- holds the map of 100 official triplets, so components come from `Vocabulary.to_component` here;
- walks through frames in Python, which takes minutes for a data set.

Each has a test in `tests/video_triplet/test_ivtmetrics_faults.py` that fails once ivtmetrics mends it.

Reference: Nwoye and Padoy, "Data Splits and Metrics for Method Benchmarking on Surgical Action Triplet Datasets", 2022,
https://arxiv.org/abs/2204.05235.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, ShapeError


def class_average_precision(targets: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float64]:
    """Return the average precision of each class over the given frames: a fraction, NaN where the class is absent.

    Args:
        targets: `(N, classes)` of 0 and 1.
        scores: `(N, classes)`; any numbers that rank frames, larger for more certain.

    Returns:
        `(classes,)` float64.

    Raises:
        ShapeError: if the two are not tables of the same shape.
        DataError: if the targets hold anything but 0 and 1, or a score is not a finite number.
    """
    _check(targets, scores)
    result = np.full(targets.shape[1], np.nan)
    present = np.flatnonzero(targets.any(axis=0))
    if present.size:
        columns = np.repeat(present, 2) if present.size == 1 else present
        result[columns] = _recognition_average_precision(targets[:, columns], scores[:, columns])
    return result


def top_k_recall(targets: NDArray[Any], scores: NDArray[Any], top_k: Sequence[int]) -> dict[int, float]:
    """Return for each k which fraction of all labels is among the k highest scores of its frame.

    Labels are pooled over frames. Of equal scores the class with the lower id ranks higher; ivtmetrics leaves that to
    an unstable sort.

    Args:
        targets: `(N, classes)` of 0 and 1.
        scores: `(N, classes)`.
        top_k: Values of k, each 1 or more; k beyond the number of classes finds every label.

    Returns:
        The fraction for each k; NaN if there is no label at all.

    Raises:
        ShapeError: if the two are not tables of the same shape.
        DataError: as `class_average_precision`, or if a k is below 1.
    """
    _check(targets, scores)
    if any(k < 1 for k in top_k):
        raise DataError(f"top-k for k = {', '.join(map(str, top_k))}: each k must be 1 or more")
    labels = int(np.count_nonzero(targets))
    if not labels:
        return {k: float("nan") for k in top_k}
    deepest = min(max(top_k, default=1), targets.shape[1])
    order = np.argsort(-scores, axis=1, kind="stable")[:, :deepest]
    found = np.take_along_axis(targets, order, axis=1).astype(bool).sum(axis=0).cumsum()
    return {k: float(found[min(k, deepest) - 1] / labels) for k in top_k}


def nan_mean(values: NDArray[np.float64], axis: int | None = None) -> NDArray[np.float64]:
    """Return the mean over the entries that are numbers, NaN where there is none; without NumPy's warning."""
    known = ~np.isnan(values)
    count = np.asarray(known.sum(axis=axis))
    total = np.asarray(np.where(known, values, 0.0).sum(axis=axis))
    result: NDArray[np.float64] = np.full(count.shape, np.nan)
    np.divide(total, count, out=result, where=count > 0)
    return result


def _recognition_average_precision(targets: NDArray[Any], scores: NDArray[Any]) -> NDArray[np.float64]:
    from ivtmetrics.recognition import Recognition  # imports scikit-learn: too slow for the top of the file

    with np.errstate():  # puts back what the constructor changes
        recognition = Recognition(num_class=targets.shape[1])
    recognition.update(targets, scores)
    return np.asarray(recognition.compute_AP("ivt")["AP"], dtype=np.float64)


def _check(targets: NDArray[Any], scores: NDArray[Any]) -> None:
    if targets.ndim != 2 or targets.shape != scores.shape:
        raise ShapeError(
            f"labels have shape {targets.shape} and scores {scores.shape}; both must be (frames, classes), alike"
        )
    if not np.isin(targets, (0, 1)).all():
        raise DataError("labels must be 0 or 1; make soft labels hard before scoring against them")
    if not np.isfinite(scores).all():
        raise DataError("a score is not a finite number; look for a diverged model")
