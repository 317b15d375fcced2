"""One training on clips, described and checked before it starts: data, split, settings."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from torch import Tensor

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.hashes import file_hash, weights_hash
from nnunet_dsd.registry import find_trainer
from video_triplet.clips.clips import PAPER, TestClips, TrainingClips
from video_triplet.clips.model_file import save_clip_weights
from video_triplet.clips.pretrained import LoadingReport
from video_triplet.clips.settings import ClipSettings
from video_triplet.clips.sources import ClipSource
from video_triplet.clips.splits import ClipSplit
from video_triplet.clips.videos import ClipDataset, ClipVideo
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.trainers.callbacks import ValidationScore
from video_triplet.trainers.catalog import require_video_trainer
from video_triplet.trainers.clips import ClipTrainer
from video_triplet.trainers.loading import EpochData


@dataclass(frozen=True)
class ClipExperiment:
    """Everything that decides the outcome of a training on clips, apart from the machine.

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
    def training_videos(self) -> list[ClipVideo]:
        """In the order of the split."""
        return self.dataset.subset(self.split.training)

    @property
    def validation_videos(self) -> list[ClipVideo]:
        """As above."""
        return self.dataset.subset(self.split.validation)

    def describe(self) -> dict[str, Any]:
        """Return what a JSON file can hold: everything that decides the outcome, apart from machine and versions."""
        parts = {"training": self.training_videos, "validation": self.validation_videos}
        weights = Path(self.settings.weights)
        return {
            "trainer": self.trainer,
            "settings": dataclasses.asdict(self.settings),
            "split": {
                "name": self.split.name,
                "number": self.split.number,
                **{part: len(videos) for part, videos in parts.items()},
            },
            "classes": list(self.dataset.classes),
            "labels": {part: labels_hash(videos) for part, videos in parts.items()},
            "videos": self.source.fingerprint([*self.split.training, *self.split.validation]),
            "frames": {"size": list(self.source.size), "fit": self.source.fit},
            "weights_file": file_hash(weights) if weights.is_file() else "",
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

    def save_model(self, path: Path, weights: Mapping[str, Tensor], *, epoch: int, kept: bool = False) -> None:
        """Write weights as a model file; `epoch` and `kept` as of `record`."""
        save_clip_weights(
            path,
            weights,
            classes=self.dataset.classes,
            layout=self.dataset.layout,
            settings=self.settings,
            record=self.record(checkpoint=weights_hash(weights), epoch=epoch, kept=kept),
            frames=(self.source.size, self.source.fit),
        )

    def record(self, *, checkpoint: str, epoch: int, kept: bool = False) -> ModelRecord:
        """Return the provenance of a model that this training made.

        Args:
            checkpoint: Hash of its weights.
            epoch: Its epoch, from 1.
            kept: Whether it is an epoch that is merely kept, so that nothing has chosen it yet.
        """
        selected = self.split.validation if self.settings.choose_epoch == "best" and not kept else ()
        return ModelRecord(
            trainer=self.trainer,
            checkpoint=checkpoint,
            epoch=epoch,
            seed=self.settings.seed,
            fold=self.split.number,
            trained_on=tuple(sorted(self.split.training)),
            selected_on=tuple(sorted(selected)),
        )


class ClipData(EpochData):
    """Training and validation clips of an experiment; other arguments as of `EpochData`."""

    what = "training videos"

    def __init__(self, experiment: ClipExperiment, *, workers: int) -> None:
        super().__init__(experiment.settings, workers=workers)
        self.experiment = experiment

    @property
    def clips_per_row(self) -> int:
        """Clips of a validation video."""
        return self.experiment.settings.validation_clips

    def training_rows(self) -> TrainingClips:
        """Return one clip per training video and epoch."""
        settings = self.experiment.settings
        return TrainingClips(
            self.experiment.training_videos,
            self.experiment.source,
            frames=settings.frames,
            stride=settings.stride,
            size=settings.clip_size,
            augmentation=PAPER if settings.augmentation else None,
            seed=settings.seed,
        )

    def validation_rows(self) -> TestClips | None:
        """Return the validation videos' clips."""
        if not self.experiment.split.validation:
            return None
        settings = self.experiment.settings
        return TestClips(
            self.experiment.validation_videos,
            self.experiment.source,
            frames=settings.frames,
            stride=settings.stride,
            clips=settings.validation_clips,
            size=settings.clip_size,
        )


def find_clip_trainer(name: str) -> type[ClipTrainer]:
    """Return the class of a registered trainer for clips.

    Raises:
        RegistryError: if there is no trainer of that name.
        DataError: if it is not one for clips.
    """
    require_video_trainer(name, "clips")
    loaded = find_trainer(name).load()
    if not issubclass(loaded, ClipTrainer):
        raise DataError(f"{name} is not a trainer for clips; `video-triplet list` shows those")
    return loaded


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


def labels_hash(videos: Sequence[ClipVideo]) -> str:
    """Return SHA-256, in hexadecimal, over names and labels of videos, in their order."""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.label} {video.name}\n".encode())
    return digest.hexdigest()
