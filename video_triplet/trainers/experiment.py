"""One training, described and checked before it starts: data, split, soft labels, settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from nnunet_dsd.common.errors import DataError
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.provenance import LeakError, ModelRecord, videos_selected_on, videos_trained_on
from video_triplet.data.split import Split
from video_triplet.data.videos import TripletDataset, labels_hash
from video_triplet.distillation import student_targets
from video_triplet.models.model_file import save_weights
from video_triplet.predictions.file import Predictions
from video_triplet.settings import TripletSettings
from video_triplet.trainers.base import VALIDATION_SCORE, TripletTrainer, ValidationTruth
from video_triplet.trainers.callbacks import ValidationScore
from video_triplet.trainers.catalog import load_trainer
from video_triplet.trainers.loading import TripletData
from video_triplet.trainers.trainable import Trainable
from video_triplet.vocabulary import Head


@dataclass(frozen=True)
class Experiment(Trainable):
    """One training on triplets.

    Attributes:
        trainer: Its name in the registry.
        settings: Complete.
        dataset: Its videos have only frames that can be read.
        split: Which videos are for what.
        source: Gives the pixels.
        soft_labels: For a student, those of its teacher; None for a teacher.

    Raises:
        DataError: if labels or soft labels are missing, or role and soft labels do not go together.
        LeakError: if the soft labels come from a model that has seen what the split sets apart.
    """

    score: ClassVar[ValidationScore] = ValidationScore(VALIDATION_SCORE, "mAP")

    trainer: str
    settings: TripletSettings
    dataset: TripletDataset
    split: Split
    source: FrameSource
    soft_labels: Predictions | None = None

    def __post_init__(self) -> None:
        _check_role(self)
        _check_labels(self)
        if self.source.size != self.settings.image_size:
            raise DataError(
                f"the frames are {self.source.size} pixels wide, this training needs {self.settings.image_size}; "
                "make a cache of that size with `video-triplet prepare --size`"
            )
        if self.soft_labels is not None:
            refuse_leaking_soft_labels(self.soft_labels, self.split)
            _check_soft_labels(self)

    @property
    def trainer_class(self) -> type[TripletTrainer]:
        """The class that the trainer's name stands for."""
        return find_video_trainer(self.trainer)

    @property
    def fold(self) -> int:
        """Number of the split's fold."""
        return self.split.fold

    @cached_property
    def targets(self) -> dict[Head, NDArray[np.float32]]:
        """What the training frames are trained with, `(N, classes)` by head, in the order of the training videos."""
        keys = [(video.name, int(frame)) for video in self.training_videos for frame in video.frames]
        soft = None if self.soft_labels is None else self.soft_labels.aligned_to(keys).probabilities
        return {
            head: student_targets(
                np.concatenate([video.labels[head] for video in self.training_videos]),
                None if soft is None else soft[head],
                weight=self.settings.soft_weight,
                temperature=self.settings.temperature,
                label_smoothing=self.settings.label_smoothing,
            )
            for head in self.settings.heads
        }

    def describe_data(self) -> dict[str, Any]:
        """Return split, vocabulary, and hashes of labels, images and soft labels."""
        return {
            "split": {
                name: list(v) if isinstance(v, tuple) else v for name, v in dataclasses.asdict(self.split).items()
            },
            "vocabulary": self.dataset.vocabulary.fingerprint,
            "labels": labels_hash([*self.training_videos, *self.validation_videos]),
            "images": self.source.fingerprint([*self.split.training, *self.split.validation]),
            "soft_labels": self.soft_labels.content_hash if self.soft_labels else "",
        }

    def build_module(self) -> TripletTrainer:
        """Return the Lightning module with freshly started weights."""
        return self.trainer_class(self.settings, self.dataset.vocabulary, self.validation_truth)

    @property
    def validation_truth(self) -> ValidationTruth | None:
        """Labels and video ids of the validation frames; None where the split has no validation videos."""
        videos = self.validation_videos
        if not videos:
            return None
        video_ids = np.repeat(np.arange(len(videos)), [len(video) for video in videos])
        return ValidationTruth(np.concatenate([video.labels["triplet"] for video in videos]), video_ids)

    def build_data(self, *, workers: int) -> TripletData:
        """Return the loaders of frames."""
        return TripletData(self, workers=workers)

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], record: ModelRecord) -> None:
        """Write a model file."""
        save_weights(path, weights, self.dataset.vocabulary, self.settings, record)


def find_video_trainer(name: str) -> type[TripletTrainer]:
    """Return the class of a registered video trainer.

    Raises:
        RegistryError: if there is no trainer of that name.
        DataError: if it is not one for triplets.
    """
    return load_trainer(name, "triplets", TripletTrainer)


def refuse_leaking_soft_labels(soft_labels: Predictions, split: Split) -> None:
    """Refuse soft labels whose teacher has seen videos that this split sets apart.

    Raises:
        LeakError: if a teacher was trained on validation or test videos, or its epoch was chosen on test videos though
            the split keeps those out of every choice.
        DataError: if the file holds no soft labels or does not say which model made them.
    """
    if soft_labels.kind != "soft labels" or not soft_labels.models:
        raise DataError("these are predictions, not soft labels; make soft labels with `video-triplet soft-labels`")
    apart = {*split.test, *split.validation}
    seen = sorted(videos_trained_on(soft_labels.models) & apart)
    if seen:
        raise LeakError(
            f"the teacher of these soft labels was trained on {', '.join(seen)}, which fold {split.fold} of "
            f"{split.name} sets apart; use the teacher of the same fold and protocol"
        )
    chosen = sorted(videos_selected_on(soft_labels.models) & set(split.test))
    if chosen and not set(split.test) <= set(split.validation):
        raise LeakError(
            f"the teacher's epoch was chosen on {', '.join(chosen)}, which this split sets apart for the test; use a "
            f"teacher trained with the protocol {split.protocol!r}"
        )


def _check_role(experiment: Experiment) -> None:
    role = experiment.trainer_class.role
    if role == "student" and experiment.soft_labels is None:
        raise DataError(f"{experiment.trainer} is a student and learns from soft labels; give them with --soft-labels")
    if role == "teacher" and experiment.soft_labels is not None:
        raise DataError(f"{experiment.trainer} is a teacher and learns from hard labels; leave out --soft-labels")


def _check_labels(experiment: Experiment) -> None:
    videos = [*experiment.training_videos, *experiment.validation_videos]
    for head in experiment.settings.heads:
        without = [video.name for video in videos if head not in video.labels]
        if without:
            raise DataError(
                f"{', '.join(without)}: no labels for the head {head!r}. For phases of CholecT45 give Cholec80's with "
                "--phases; otherwise choose a trainer without this head"
            )
    has_triplets = any(video.labels["triplet"].any() for video in experiment.validation_videos)
    if experiment.settings.choose_epoch == "best" and not has_triplets:
        raise DataError(
            "the best epoch cannot be chosen: no validation video has a triplet. Choose another split, or "
            "--choose-epoch last"
        )


def _check_soft_labels(experiment: Experiment) -> None:
    soft_labels = experiment.soft_labels
    if soft_labels is None:
        return
    if soft_labels.vocabulary != experiment.dataset.vocabulary:
        raise DataError(
            "the soft labels have another vocabulary than the data set; make them from a teacher of this one"
        )
    absent = [head for head in experiment.settings.heads if head not in soft_labels.heads]
    if absent:
        raise DataError(
            f"the soft labels have no {', '.join(absent)}, which {experiment.trainer} learns; use a teacher with "
            "the same heads"
        )
    _ = experiment.targets  # names the frames that are missing
