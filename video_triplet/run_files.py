"""Names of the files in a run's folder."""

from __future__ import annotations

import csv
from pathlib import Path

MODEL_FILE = "model.pt"
RUN_FILE = "run.json"
HISTORY_FILE = "history.csv"
TEST_FILE = "test.npz"
SOFT_LABELS_FILE = "soft_labels.npz"


def read_history(run: Path, column: str) -> tuple[float, ...]:
    """Return one column of a run's history, an entry per epoch.

    Raises:
        OSError: if there is no history.
        KeyError: if it has no such column.
        ValueError: if an entry is no number.
    """
    with (run / HISTORY_FILE).open(encoding="utf-8", newline="") as file:
        return tuple(float(row[column]) for row in csv.DictReader(file))
