"""Do soft labels favour triplets like the reference? The experiment of Yamlahi et al., MICCAI 2023, section 3.

For each frame with exactly one triplet label, the five other triplets of the highest soft labels are taken; the number
of components each shares with the reference is 0, 1 or 2. Its mean is held against five triplets drawn at random by
prevalence, without replacement and without the reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.vocabulary import Vocabulary

TOP = 5
BOOTSTRAPS = 2000


@dataclass(frozen=True)
class MeanWithInterval:
    """A mean over frames and its bootstrap 95 % confidence interval.

    Frames are resampled one by one. Neighbouring frames of a video resemble each other, so the interval is narrower
    than one over new videos would be.
    """

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Similarity:
    """Mean number of shared components (0 to 2) with the reference, over frames with a single label.

    Attributes:
        frames: How many such frames there are.
        top: How many triplets were taken per frame.
        draws: How often random triplets were drawn for each frame.
        soft: Of the triplets with the highest soft labels.
        random: Of triplets drawn by prevalence; each frame counts with the mean over its draws.
    """

    frames: int
    top: int
    draws: int
    soft: MeanWithInterval
    random: MeanWithInterval


def similarity(
    hard: NDArray[Any],
    soft: NDArray[Any],
    vocabulary: Vocabulary,
    *,
    top: int = TOP,
    draws: int = 10,
    seed: int = 0,
) -> Similarity:
    """Return how alike the reference its soft labels are, and how alike random triplets.

    Args:
        hard: `(frames, triplets)` of 0 and 1; their sums are the prevalence.
        soft: `(frames, triplets)` soft labels of the same frames.
        vocabulary: What the triplets are made of.
        top: How many triplets per frame.
        draws: How many random draws per frame.
        seed: Of the draws and the bootstrap.

    Raises:
        ShapeError: if the tables do not go together.
        DataError: if the classes have no components, no frame has a single label, or fewer than `top + 1` triplets
            occur.
    """
    _check(hard, soft, vocabulary, top, draws)
    matches = component_matches(vocabulary)
    rows = np.flatnonzero(hard.sum(axis=1, dtype=np.int64) == 1)
    if not rows.size:
        raise DataError("no frame has exactly one triplet label; similarity needs such frames")
    references = hard[rows].argmax(axis=1)
    rng = np.random.default_rng(seed)
    by_soft = matches[references[:, None], top_others(soft[rows], references, top)].mean(axis=1)
    prevalence = hard.sum(axis=0, dtype=np.float64)
    by_chance = np.zeros(len(rows))
    for _ in range(draws):
        others = random_others(references, prevalence, top, rng)
        by_chance += matches[references[:, None], others].mean(axis=1) / draws
    return Similarity(len(rows), top, draws, bootstrap_mean(by_soft, rng), bootstrap_mean(by_chance, rng))


def component_matches(vocabulary: Vocabulary) -> NDArray[np.int64]:
    """Return `(triplets, triplets)`: how many of instrument, verb and target two triplets share; 3 on the diagonal."""
    parts = np.array(vocabulary.triplets)
    return np.asarray((parts[:, None, :] == parts[None, :, :]).sum(axis=2), dtype=np.int64)


def top_others(soft: NDArray[Any], references: NDArray[np.int64], top: int) -> NDArray[np.int64]:
    """Return `(frames, top)` ids of the highest soft labels but the reference's; of equal ones the lower id first."""
    scores = np.array(soft, dtype=np.float64)
    scores[np.arange(len(scores)), references] = -np.inf
    return np.argsort(-scores, axis=1, kind="stable")[:, :top]


def random_others(
    references: NDArray[np.int64], prevalence: NDArray[np.float64], top: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Draw `(frames, top)` ids by prevalence, without replacement and without the reference.

    Sorting log prevalence plus Gumbel noise draws one after another in proportion to what is left (Efraimidis and
    Spirakis, 2006).
    """
    with np.errstate(divide="ignore"):
        weights = np.log(prevalence)
    keys = weights + rng.gumbel(size=(len(references), len(prevalence)))
    keys[np.arange(len(references)), references] = -np.inf
    return np.argsort(-keys, axis=1)[:, :top]


def bootstrap_mean(values: NDArray[np.float64], rng: np.random.Generator, count: int = BOOTSTRAPS) -> MeanWithInterval:
    """Return the mean and the 2.5 and 97.5 percentiles of the means of resampled values.

    Values repeat, so how often each distinct one is drawn is drawn at once, which is the same as drawing frames.
    """
    distinct, counts = np.unique(np.round(values, 12), return_counts=True)
    resampled = rng.multinomial(len(values), counts / len(values), size=count) @ distinct / len(values)
    low, high = np.percentile(resampled, [2.5, 97.5])
    return MeanWithInterval(float(values.mean()), float(low), float(high))


def _check(hard: NDArray[Any], soft: NDArray[Any], vocabulary: Vocabulary, top: int, draws: int) -> None:
    triplets = len(vocabulary.triplets)
    if not vocabulary.has_components:
        raise DataError("these classes are no triplets and share no components; similarity needs triplets")
    if hard.shape != soft.shape or hard.ndim != 2 or hard.shape[1] != triplets:
        raise ShapeError(f"hard labels {hard.shape}, soft labels {soft.shape}; both must be (frames, {triplets})")
    if top < 1 or draws < 1:
        raise DataError(f"top {top} and draws {draws}: both must be 1 or more")
    occurring = int(np.count_nonzero(hard.any(axis=0)))
    if occurring <= top:
        raise DataError(f"only {occurring} triplets occur; to draw {top} besides the reference, {top + 1} must")
