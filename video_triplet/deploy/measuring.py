"""Frames to calibrate with, and how far a graph's probabilities are from those of the trained network on them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data.images import resize
from video_triplet.data.video_files import read_frames
from video_triplet.deploy.runtime.predictor import Predictor
from video_triplet.models.inference import predict_images
from video_triplet.models.model_file import TripletModel

MOST_FRAMES = 128


def calibration_frames(source: Path, size: int) -> list[NDArray[np.uint8]]:
    """Return at most `MOST_FRAMES` frames `(S, S, 3)` of a video file or folder, spread over it evenly.

    Of a video file one frame per second is looked at. No more frames are ever held.

    Args:
        source: The file or folder.
        size: S, in pixels.

    Raises:
        DataError: if there is none, or it cannot be read.
    """
    kept: list[NDArray[np.uint8]] = []
    step = 1
    try:
        for index, (_, frame) in enumerate(read_frames(source)):
            if index % step == 0:
                kept.append(resize(frame, size))
            if len(kept) > MOST_FRAMES:
                kept, step = kept[::2], 2 * step
    except DataError as error:
        raise DataError(f"--calibration: {error}") from error
    return kept


def measured(model: TripletModel, predictor: Predictor, frames: Sequence[NDArray[np.uint8]]) -> dict[str, Any]:
    """Return how far probabilities of a deployed model are from those of the trained one, for its description.

    Args:
        model: The trained one.
        predictor: The deployed one.
        frames: Each `(S, S, 3)`.
    """
    changes = []
    seconds = 0.0
    for frame in frames:
        start = time.perf_counter()
        found = predictor(frame)
        seconds += time.perf_counter() - start
        expected = predict_images([model], [frame])
        changes.append(np.concatenate([np.abs(found[head] - expected[head][0]) for head in found]))
    return {
        "frames": len(frames),
        "largest_change": float(np.max(changes)),
        "mean_change": float(np.mean(changes)),
        "frames_per_second": round(len(frames) / seconds, 2),
    }
