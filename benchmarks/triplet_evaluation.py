"""Seconds that an evaluation of CholecT45's size takes, on random labels and probabilities.

    python benchmarks/triplet_evaluation.py                              # 45 videos, 90,489 frames, 100 triplets
    python benchmarks/triplet_evaluation.py --videos 9 --frames 18000    # about one fold

Labels are independent with a prevalence of 1.4 per cent each, as many per frame as in the data set, so that
nearly every class occurs in every video: real videos have fewer and are faster.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from video_triplet.predictions.scores import score_components
from video_triplet.vocabulary import Vocabulary

SIZES = (6, 10, 15)
TRIPLETS = 100


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=45)
    parser.add_argument("--frames", type=int, default=90_489, help="over all videos")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args(argv)
    rng = np.random.default_rng(arguments.seed)
    vocabulary = random_vocabulary(rng)
    shape = (arguments.frames, TRIPLETS)
    labels = np.array_split((rng.random(shape, dtype=np.float32) < 0.014).astype(np.uint8), arguments.videos)
    probabilities = np.array_split(rng.random(shape, dtype=np.float32), arguments.videos)
    seconds, mean_ap = timed(labels, probabilities, vocabulary)
    print(f"{arguments.videos} videos, {arguments.frames} frames, all components: {seconds:.1f} s (mAP {mean_ap:.4f})")


def random_vocabulary(rng: np.random.Generator) -> Vocabulary:
    chosen = np.sort(rng.choice(int(np.prod(SIZES)), TRIPLETS, replace=False))
    triplets = tuple((int(i), int(v), int(t)) for i, v, t in zip(*np.unravel_index(chosen, SIZES), strict=True))
    instruments, verbs, targets = (
        tuple(f"{part}{index}" for index in range(size)) for part, size in zip("ivt", SIZES, strict=True)
    )
    return Vocabulary(instruments, verbs, targets, (), triplets)


def timed(
    labels: Sequence[NDArray[np.uint8]], probabilities: Sequence[NDArray[np.float32]], vocabulary: Vocabulary
) -> tuple[float, float]:
    start = time.perf_counter()
    scores = score_components(labels, probabilities, vocabulary=vocabulary)
    return time.perf_counter() - start, scores["ivt"].mean_ap


if __name__ == "__main__":
    main()
