"""What a model costs where it is used: its parameters, and the seconds that a case takes on this machine."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from nnunet_dsd.trainers.finished import FinishedModel

ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Of one model, all its folds.

    Attributes:
        parameters: Of all networks together.
        seconds: Of predicting one case on the CPU by sliding window, without mirroring: the median of several times.
    """

    parameters: int
    seconds: float


def measure_cost(
    model: Path, folds: Sequence[str], *, checkpoint: str, images: Sequence[Path], mirroring: bool
) -> Cost:
    """Predict a case several times with one fold of a model; the other folds cost the same.

    Args:
        model: Model folder.
        folds: How many networks are averaged.
        checkpoint: Of the fold.
        images: Files of the case, a channel each.
        mirroring: As it is predicted; every mirrored image costs as much again.
    """
    one = FinishedModel(model, fold=folds[0], checkpoint=checkpoint, device=torch.device("cpu"), mirroring=mirroring)
    array = one.preprocess(images).array
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        one.logits(array)
        seconds.append(time.perf_counter() - begin)
    parameters = sum(value.numel() for value in one.network.parameters())
    return Cost(parameters * len(folds), sorted(seconds)[ROUNDS // 2] * len(folds))
