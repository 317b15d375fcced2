"""The files in a run's folder: their names, and whether they are there."""

from __future__ import annotations

import csv
from pathlib import Path

from nnunet_dsd.common.errors import CheckpointError

MODEL_FILE = "model.pt"
RUN_FILE = "run.json"
HISTORY_FILE = "history.csv"
TEST_FILE = "test.npz"
SOFT_LABELS_FILE = "soft_labels.npz"


def require_model_file(path: Path) -> None:
    """Check that there is a model file, before torch is loaded to read it.

    Raises:
        CheckpointError: if there is none.
    """
    if path.is_dir():
        raise CheckpointError(f"{path} is a folder; give the model.pt in it")
    if not path.is_file():
        raise CheckpointError(f"there is no model file {path}")


def read_history(run: Path, column: str) -> tuple[float, ...]:
    """Return one column of a run's history, an entry per epoch.

    Raises:
        OSError: if there is no history.
        KeyError: if it has no such column.
        ValueError: if an entry is no number.
    """
    with (run / HISTORY_FILE).open(encoding="utf-8", newline="") as file:
        return tuple(float(row[column]) for row in csv.DictReader(file))
