"""What a model costs where it is used: its parameters, and the seconds that a case takes on this machine."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DistillationError
from nnunet_dsd.deploy.request import Deployment
from nnunet_dsd.deploy.run import deploy
from nnunet_dsd.deploy.runtime.predictor import Predictor
from nnunet_dsd.trainers.finished import FinishedModel

ROUNDS = 3


@dataclass(frozen=True)
class Cost:
    """Of one model, all its folds.

    Attributes:
        parameters: Of all networks together.
        seconds: Of predicting one case on the CPU by sliding window: the median of several times.
        deployed_seconds: The same of the model as `nnunet-dsd deploy` writes it; None: it cannot be deployed, or what
            that needs is not installed.
    """

    parameters: int
    seconds: float
    deployed_seconds: float | None = None


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
    parameters = sum(value.numel() for value in one.network.parameters()) * len(folds)
    seconds = _median_seconds(lambda: one.logits(array)) * len(folds)
    return Cost(parameters, seconds, _deployed_seconds(model, folds, checkpoint, array, mirroring=mirroring))


def _median_seconds(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(ROUNDS):
        begin = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - begin)
    return sorted(seconds)[ROUNDS // 2]


def _deployed_seconds(
    model: Path, folds: Sequence[str], checkpoint: str, array: NDArray[np.float32], *, mirroring: bool
) -> float | None:
    with tempfile.TemporaryDirectory() as scratch:
        output = Path(scratch) / "deployed"
        asked = Deployment(model=model, folds=tuple(folds), checkpoint=checkpoint, output=output)
        try:
            deploy(asked, lambda line: None)
            predictor = Predictor(output, mirror=mirroring, threads=torch.get_num_threads())
        except DistillationError:
            return None
        return _median_seconds(lambda: predictor.array_logits(array))
