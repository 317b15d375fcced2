"""One training on clips, described and checked before it starts: data, split, settings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from video_triplet.clips.model_file import save_clip_weights
from video_triplet.clips.pretrained import LoadingReport
from video_triplet.clips.settings import ClipSettings
from video_triplet.clips.sources import ClipSource
from video_triplet.clips.splits import ClipSplit
from video_triplet.clips.videos import ClipDataset, labels_hash
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.trainers.callbacks import ValidationScore
from video_triplet.trainers.catalog import load_trainer
from video_triplet.trainers.clips import ClipTrainer
from video_triplet.trainers.loading import ClipData
from video_triplet.trainers.trainable import Trainable


@dataclass(frozen=True)
class ClipExperiment(Trainable):
    """One training on clips.

    Attributes:
        trainer: Its name in the registry.
        settings: Complete.
        dataset: Its videos can all be read.
        split: Which videos are for what; those of the test are never looked at.
        source: Gives the frames.

    Raises:
        DataError: if the best epoch is asked for and no video can choose it.
        LeakError: if a video is in two parts of the split.
    """

    score: ClassVar[ValidationScore] = ValidationScore("validation_acc1", "Acc@1")

    trainer: str
    settings: ClipSettings
    dataset: ClipDataset
    split: ClipSplit
    source: ClipSource

    def __post_init__(self) -> None:
        refuse_overlap(self.split)
        if self.settings.choose_epoch == "best" and not self.split.validation:
            raise DataError(
                "the best epoch cannot be chosen: the split has no validation part. Set some apart with "
                "--validation-fraction, or take the last epoch with --choose-epoch last"
            )

    @property
    def patience(self) -> int:
        """Epochs without a better Acc@1 after which the training ends; 0: never."""
        return self.settings.patience

    @property
    def trainer_class(self) -> type[ClipTrainer]:
        """The class that the trainer's name stands for."""
        return find_clip_trainer(self.trainer)

    @property
    def fold(self) -> int:
        """Number of the official split."""
        return self.split.number

    def describe_data(self) -> dict[str, Any]:
        """Return split, classes, hashes of labels and videos, and the size of frames."""
        parts = {"training": self.training_videos, "validation": self.validation_videos}
        return {
            "split": {
                "name": self.split.name,
                "number": self.split.number,
                **{part: len(videos) for part, videos in parts.items()},
            },
            "classes": list(self.dataset.classes),
            "labels": {part: labels_hash(videos) for part, videos in parts.items()},
            "videos": self.source.fingerprint([*self.split.training, *self.split.validation]),
            "frames": {"size": list(self.source.size), "fit": self.source.fit},
        }

    def build_module(self) -> ClipTrainer:
        """Return the Lightning module with a fresh head on the pre-trained encoder."""
        labels = [video.label for video in self.validation_videos]
        return self.trainer_class(
            self.settings, len(self.dataset.classes), np.array(labels, dtype=np.int64) if labels else None
        )

    def loading_report(self, module: Any) -> LoadingReport | None:
        """Return what the pre-trained weights gave to the encoder; None where there are none."""
        report: LoadingReport | None = module.network.loading
        return report

    def build_data(self, *, workers: int) -> ClipData:
        """Return the loaders of clips."""
        return ClipData(self, workers=workers)

    def write_weights(self, path: Path, weights: Mapping[str, Tensor], record: ModelRecord) -> None:
        """Write a model file."""
        save_clip_weights(
            path,
            weights,
            classes=self.dataset.classes,
            layout=self.dataset.layout,
            settings=self.settings,
            record=record,
            frames=(self.source.size, self.source.fit),
        )


def find_clip_trainer(name: str) -> type[ClipTrainer]:
    """Return the class of a registered trainer for clips.

    Raises:
        RegistryError: if there is no trainer of that name.
        DataError: if it is not one for clips.
    """
    return load_trainer(name, "clips", ClipTrainer)


def refuse_overlap(split: ClipSplit) -> None:
    """Refuse a split with a video in two of its parts.

    Raises:
        LeakError: with the count and the first.
    """
    parts = (split.training, split.validation, split.test)
    names = [name for part in parts for name in set(part)]
    twice = sorted(name for name in set(names) if names.count(name) > 1) if len(set(names)) < len(names) else []
    if twice:
        raise LeakError(
            f"{counted(len(twice), 'video is', 'videos are')} in two parts of split {split.number} "
            f"of {split.name}, first: {twice[0]}; each "
            "video is for training, validation or test"
        )
