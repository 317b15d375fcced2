"""Names of the files in a run's folder."""

from __future__ import annotations

MODEL_FILE = "model.pt"
RUN_FILE = "run.json"
TEST_FILE = "test.npz"
SOFT_LABELS_FILE = "soft_labels.npz"
