"""What nnU-Net's results folder says about a training: how far it is, and how long its epochs took."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Literal

from nnunet_dsd.ablation.places import BEST, FINAL, LATEST

Stage = Literal["missing", "unfinished", "not validated", "trained"]
EPOCH_LINE = re.compile(r": Epoch (\d+)\s*$", re.MULTILINE)
EPOCH_TIME = re.compile(r": Epoch time: ([\d.]+) s\s*$", re.MULTILINE)


@dataclass(frozen=True)
class TrainingState:
    """How far a training is.

    Attributes:
        stage: `missing`: nothing is there; `unfinished`: no final checkpoint; `not validated`: the network is trained,
            its validation cases are not predicted; `trained`: all is there.
        epochs: Finished epochs, from the training's logs.
        epoch_seconds: Mean time of an epoch, or None before the first.
        resumable: Whether there is a checkpoint to go on from.
    """

    stage: Stage
    epochs: int = 0
    epoch_seconds: float | None = None
    resumable: bool = False


def training_stage(fold: Path) -> Stage:
    """Read from the files of a fold's results folder how far its training is."""
    if not fold.is_dir():
        return "missing"
    if not (fold / FINAL).is_file():
        return "unfinished"
    return "trained" if (fold / "validation" / "summary.json").is_file() else "not validated"


def training_state(fold: Path) -> TrainingState:
    """Read how far a training is, and from its logs how long its epochs took."""
    text = "\n".join(path.read_text(errors="replace") for path in sorted(fold.glob("training_log_*.txt")))
    times = [float(seconds) for seconds in EPOCH_TIME.findall(text)]
    return TrainingState(
        stage=training_stage(fold),
        epochs=finished_epochs(text),
        epoch_seconds=fmean(times) if times else None,
        resumable=any((fold / name).is_file() for name in (LATEST, BEST)),
    )


def finished_epochs(log: str) -> int:
    """Return how many epochs a log says are finished: the last one it timed, counted from one."""
    last, finished = 0, 0
    for line in log.splitlines():
        if match := EPOCH_LINE.search(line):
            last = int(match[1]) + 1
        elif EPOCH_TIME.search(line):
            finished = max(finished, last)
    return finished
