"""Predictions of single frames for people and other programs: CSV with every probability, JSON with the likeliest."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.files import write_json, write_text
from video_triplet.predictions.file import Predictions
from video_triplet.vocabulary import Head, Vocabulary

RESULT_FILES = ("predictions.npz", "frames.csv", "frames.json")


def likeliest(row: Mapping[Head, NDArray[np.float32]], vocabulary: Vocabulary, *, top: int) -> dict[str, Any]:
    """Return the names and probabilities of the likeliest triplets of one frame, and of its phase where there is one.

    Args:
        row: Probabilities `(classes,)` by head.
        vocabulary: Names of the classes.
        top: How many triplets.
    """
    order = np.argsort(-row["triplet"], kind="stable")[:top]
    triplets = [[vocabulary.triplet_names[index], round(float(row["triplet"][index]), 4)] for index in order]
    result: dict[str, Any] = {"triplets": triplets}
    if "phase" in row:
        phase = int(np.argmax(row["phase"]))
        result["phase"] = [vocabulary.phases[phase], round(float(row["phase"][phase]), 4)]
    return result


def row_of(predictions: Predictions, index: int) -> dict[Head, NDArray[np.float32]]:
    """Return the probabilities of one row by head."""
    return {head: predictions.probabilities[head][index] for head in predictions.heads}


def write_results(predictions: Predictions, folder: Path, *, top: int) -> None:
    """Write `RESULT_FILES` into a folder: everything, every probability as text, and the likeliest triplets."""
    predictions_file, table_file, list_file = (folder / name for name in RESULT_FILES)
    predictions.save(predictions_file)
    write_frames_csv(predictions, table_file)
    write_frames_json(predictions, list_file, top=top)


def write_frames_json(predictions: Predictions, path: Path, *, top: int = 5) -> None:
    """Write a list with video, frame and the likeliest triplets of each row."""
    keys = predictions.keys
    rows = [
        {"video": video, "frame": frame, **likeliest(row_of(predictions, index), predictions.vocabulary, top=top)}
        for index, (video, frame) in enumerate(keys)
    ]
    write_json(path, rows)


def write_frames_csv(predictions: Predictions, path: Path) -> None:
    """Write one line per row: video, frame, then every probability in a column `HEAD:NAME`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    names = [f"{head}:{name}" for head in predictions.heads for name in predictions.vocabulary.names(head)]
    writer.writerow(["video", "frame", *names])
    table = np.concatenate([predictions.probabilities[head] for head in predictions.heads], axis=1)
    for (video, frame), values in zip(predictions.keys, table, strict=True):
        writer.writerow([video, frame, *(f"{value:.5f}" for value in values)])
    write_text(path, text.getvalue())
