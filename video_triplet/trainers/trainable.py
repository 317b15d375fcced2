"""What every experiment is, whatever is trained: described, checked before it starts, and run by `trainers/run.py`."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

from lightning.pytorch import LightningModule
from torch import Tensor

from nnunet_dsd.common.hashes import file_hash, weights_hash
from nnunet_dsd.distillation.epochwise_settings import EpochReduction
from video_triplet.clips.pretrained import LoadingReport
from video_triplet.data.provenance import ModelRecord, videos_selected_on, videos_trained_on
from video_triplet.predictions.file import Predictions
from video_triplet.settings import EpochChoice
from video_triplet.trainers.callbacks import ValidationScore
from video_triplet.trainers.loading import EpochData, StepSettings


class RunSettings(StepSettings, Protocol):
    """Settings that a run itself follows; those of a kind of training are a frozen dataclass."""

    @property
    def epochs(self) -> int:
        """How many at most."""

    @property
    def weights(self) -> str:
        """Where the first weights come from; a file's content is part of what is described."""

    @property
    def choose_epoch(self) -> EpochChoice:
        """Which epoch's weights become the model."""

    @property
    def epoch_lambda(self) -> float:
        """Weight of epoch-wise self-distillation; 0: none."""

    @property
    def epoch_reduction(self) -> EpochReduction:
        """Of its distance."""


@dataclass(frozen=True)
class Trainable(ABC):
    """An experiment: everything that decides the outcome of a training, apart from the machine, checked.

    Attributes:
        score: What its module logs after each validation.
        trainer: Its name in the registry.
        settings: Complete.
        dataset: Its videos, all of which can be read.
        split: Which videos are for what.
        source: Gives the pixels.
    """

    score: ClassVar[ValidationScore]

    trainer: str
    settings: RunSettings
    dataset: Any
    split: Any
    source: Any

    @property
    def patience(self) -> int:
        """Epochs without a better validation score after which a training ends; 0: never."""
        return 0

    @property
    @abstractmethod
    def fold(self) -> int:
        """Number of the split."""

    @property
    def soft_labels(self) -> Predictions | None:
        """What a student learns from; None where there is none."""
        return None

    @property
    def training_videos(self) -> list[Any]:
        """In the order of the split."""
        return list(self.dataset.subset(self.split.training))

    @property
    def validation_videos(self) -> list[Any]:
        """As above."""
        return list(self.dataset.subset(self.split.validation))

    def describe(self) -> dict[str, Any]:
        """Return what a JSON file can hold: everything that decides the outcome, apart from machine and versions."""
        weights = Path(self.settings.weights)
        return {
            "trainer": self.trainer,
            "settings": dataclasses.asdict(cast(Any, self.settings)),
            **self.describe_data(),
            "weights_file": file_hash(weights) if weights.is_file() else "",
        }

    @abstractmethod
    def describe_data(self) -> dict[str, Any]:
        """Return of what `describe` returns the part that a kind of data has."""

    @abstractmethod
    def build_module(self) -> LightningModule:
        """Return the module with freshly started weights; the model is its `network`."""

    def loading_report(self, module: Any) -> LoadingReport | None:
        """Return what pre-trained weights gave to the network of `build_module`; None where there is no report."""
        return None

    @abstractmethod
    def build_data(self, *, workers: int) -> EpochData:
        """Return the loaders."""

    def save_model(self, path: Path, weights: Mapping[str, Tensor], *, epoch: int, kept: bool = False) -> None:
        """Write a model file with its provenance.

        Args:
            path: Of the file.
            weights: Of the network.
            epoch: Their epoch, from 1.
            kept: Whether it is an epoch that is merely kept, so that nothing has chosen it yet.
        """
        self.write_weights(path, weights, self.record(checkpoint=weights_hash(weights), epoch=epoch, kept=kept))

    @abstractmethod
    def write_weights(self, path: Path, weights: Mapping[str, Tensor], record: ModelRecord) -> None:
        """Write a model file of this kind."""

    def record(self, *, checkpoint: str, epoch: int, kept: bool = False) -> ModelRecord:
        """Return the provenance of a model that this training made, its teachers' videos included.

        Args:
            checkpoint: Hash of its weights.
            epoch: Its epoch, from 1.
            kept: As of `save_model`.
        """
        teachers = self.soft_labels.models if self.soft_labels else ()
        selected = self.split.validation if self.settings.choose_epoch == "best" and not kept else ()
        return ModelRecord(
            trainer=self.trainer,
            checkpoint=checkpoint,
            epoch=epoch,
            seed=self.settings.seed,
            fold=self.fold,
            trained_on=tuple(sorted({*self.split.training, *videos_trained_on(teachers)})),
            selected_on=tuple(sorted({*selected, *videos_selected_on(teachers)})),
            soft_labels=self.soft_labels.content_hash if self.soft_labels else "",
        )
