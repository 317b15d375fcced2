"""Hard and soft labels of the same frames, from a data set and the files of one or more teachers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data.videos import TripletDataset
from video_triplet.predictions.file import Predictions
from video_triplet.predictions.matching import refuse_other_classes


@dataclass(frozen=True)
class LabelledFrames:
    """Triplet labels, hard and soft.

    Attributes:
        keys: Video and frame of each row, each once.
        hard: `(frames, triplets)` of 0 and 1.
        soft: `(frames, triplets)`; the mean where several files have the frame.
    """

    keys: tuple[tuple[str, int], ...]
    hard: NDArray[np.uint8]
    soft: NDArray[np.float64]


def labelled_frames(files: Sequence[Predictions], dataset: TripletDataset) -> LabelledFrames:
    """Pair soft labels with hard ones by video and frame; frames without hard labels are left out.

    Raises:
        DataError: if there is no file, one is of other classes, or no frame has labels.
    """
    for file in files:
        refuse_other_classes(file, dataset)
        if "triplet" not in file.heads:
            raise DataError("soft labels without triplets: make them with a model that has the triplet head")
    hard = {
        (video.name, int(frame)): labels
        for video in dataset.videos.values()
        for frame, labels in zip(video.frames, video.labels["triplet"], strict=True)
    }
    sums: dict[tuple[str, int], tuple[NDArray[Any], int]] = {}
    for file in files:
        for key, row in zip(file.keys, file.probabilities["triplet"].astype(np.float64), strict=True):
            if key in hard:
                total, count = sums.get(key, (0.0, 0))
                sums[key] = (total + row, count + 1)
    if not sums:
        raise DataError(f"no frame of the soft labels has labels in {dataset.root}; give the data set they are of")
    keys = tuple(sorted(sums))
    soft = np.stack([sums[key][0] / sums[key][1] for key in keys])
    return LabelledFrames(keys, np.stack([hard[key] for key in keys]), soft)
