"""What is known about one epoch of one teacher, from training and inner-validation frames only."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from video_triplet.predictions.scores import score_classes
from video_triplet.vocabulary import Vocabulary


@dataclass(frozen=True)
class EpochEvidence:
    """Triplet probabilities of one epoch beside the labels, and the losses of its training.

    Attributes:
        vocabulary: Of the columns.
        epoch: From 1.
        training: `(N, triplets)` probabilities for the frames it was trained on, not augmented.
        training_labels: `(N, triplets)` of 0 and 1.
        validation: One `(frames, triplets)` of probabilities per inner-validation video.
        validation_labels: The labels, likewise.
        losses: Mean training loss of every epoch of the run, the first at index 0.
    """

    vocabulary: Vocabulary
    epoch: int
    training: NDArray[np.float32]
    training_labels: NDArray[np.uint8]
    validation: tuple[NDArray[np.float32], ...]
    validation_labels: tuple[NDArray[np.uint8], ...]
    losses: tuple[float, ...]

    @cached_property
    def validation_map(self) -> float:
        """Video mAP of triplets on the inner-validation videos, a fraction."""
        names = self.vocabulary.triplet_names
        return score_classes(self.validation_labels, self.validation, classes=names, top_k=()).mean_ap

    @property
    def all_validation(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Probabilities and labels of all validation frames, `(M, triplets)` each."""
        return np.concatenate(self.validation), np.concatenate(self.validation_labels)
