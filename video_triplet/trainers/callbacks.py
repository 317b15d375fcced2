"""What a training writes while it runs: a history that survives a resume, the best weights, whole checkpoints."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from nnunet_dsd.common.errors import DivergenceError
from nnunet_dsd.common.files import whole_file, write_text
from nnunet_dsd.common.machine import progress_is_shown
from video_triplet.models.run_files import HISTORY_FILE

# What to do about a training that diverged.
EXPLOSION = 100.0
ADVICE = "Train again in another folder with a lower learning rate, or a lower --epoch-lambda if it has one"


@dataclass(frozen=True)
class ValidationScore:
    """What chooses an epoch; the higher the better.

    Attributes:
        name: As it is logged, a fraction.
        label: For people.
    """

    name: str
    label: str


class WholeCheckpointIO(TorchCheckpointIO):
    """Writes each checkpoint to a temporary file beside it first, so that a kill never leaves half of one."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        """Write a checkpoint as a whole."""
        with whole_file(Path(path)) as temporary:
            super().save_checkpoint(checkpoint, temporary, storage_options)


class History(Callback):
    """One row per epoch: in the checkpoint, in `history.csv`, and as a line of output where no bar is shown.

    Args:
        folder: Where `history.csv` goes.
        epochs: How many there will be.
        score: Shown in the line.
    """

    def __init__(self, folder: Path, epochs: int, score: ValidationScore) -> None:
        self.path = folder / HISTORY_FILE
        self.epochs, self.score = epochs, score
        self.rows: list[dict[str, float]] = []

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Add this epoch's logged values and write the file anew."""
        values = {name: float(value) for name, value in sorted(trainer.callback_metrics.items())}
        self.rows.append({"epoch": trainer.current_epoch + 1, **values})
        if trainer.is_global_zero:
            write_text(self.path, self.as_csv())
            if not progress_is_shown():
                print(self.last_line(), flush=True)
        refuse_divergence(self.rows)

    def last_line(self) -> str:
        """Return the last epoch's values as a line of text."""
        row = self.rows[-1]
        name, label = self.score.name, self.score.label
        score = f", validation {label} {100 * row[name]:.2f} %" if name in row else ""
        return f"epoch {row['epoch']:.0f}/{self.epochs}: loss {row['train_loss']:.5f}{score}"

    def as_csv(self) -> str:
        """Return all rows as CSV."""
        text = io.StringIO()
        names = list(dict.fromkeys(name for row in self.rows for name in row))
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def state_dict(self) -> dict[str, Any]:
        """Return the rows."""
        return {"rows": self.rows}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the rows of the epochs before a resume."""
        self.rows = list(state_dict["rows"])


def refuse_divergence(rows: Sequence[Mapping[str, float]]) -> None:
    """End a training whose loss explodes, before its weights replace those of the last sound epoch.

    That is a loss which is no number, or `EXPLOSION` times the lowest of an earlier epoch, which counts as 1 at least.

    Args:
        rows: Of the history.

    Raises:
        DivergenceError: with the losses before.
    """
    losses = [row["train_loss"] for row in rows]
    lowest = max(1.0, min(losses[:-1], default=math.inf))
    if not math.isfinite(losses[-1]) or losses[-1] > EXPLOSION * lowest:
        before = ", ".join(f"{loss:.4g}" for loss in losses[-4:-1]) or "none"
        found = f"the mean loss of epoch {len(losses)} is {losses[-1]:.4g}"
        raise DivergenceError(f"the training diverged: {found} (those before: {before}). {ADVICE}")


class BestWeights(Callback):
    """Keeps the weights of the epoch with the highest validation score; of equal ones the earliest.

    They are part of the checkpoint, so that after a kill they belong to the epochs that the checkpoint knows.

    Args:
        name: Of the score, as it is logged.

    Attributes:
        score: The highest so far.
        epoch: Its epoch, from 1.
        weights: Of the network after that epoch, on the CPU.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.score, self.epoch = -math.inf, 0
        self.weights: dict[str, Tensor] = {}

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the weights if this epoch is the best so far."""
        score = float(trainer.callback_metrics.get(self.name, math.nan))
        if score > self.score:
            network: Any = pl_module.network
            self.score, self.epoch = score, trainer.current_epoch + 1
            self.weights = {name: values.detach().cpu().clone() for name, values in network.state_dict().items()}

    def state_dict(self) -> dict[str, Any]:
        """Return the best epoch, its score and its weights."""
        return {"score": self.score, "epoch": self.epoch, "weights": self.weights}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take up the best of the epochs before a resume."""
        self.score, self.epoch = state_dict["score"], state_dict["epoch"]
        self.weights = dict(state_dict["weights"])


class StopEarly(Callback):
    """Ends a training whose validation score has not risen for some epochs; the same after a resume.

    It goes after the other two in the list of callbacks, whose states say everything it needs.

    Args:
        history: Says how many epochs there were.
        best: Says which was the best.
        patience: Epochs without a better score after which the training ends.
    """

    def __init__(self, history: History, best: BestWeights, patience: int) -> None:
        self.history, self.best, self.patience = history, best, patience

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End a training that was killed after its last epoch before another one begins."""
        self._decide(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """End the training if it has waited long enough."""
        self._decide(trainer)

    def _decide(self, trainer: Trainer) -> None:
        if len(self.history.rows) - self.best.epoch >= self.patience:
            trainer.should_stop = True
