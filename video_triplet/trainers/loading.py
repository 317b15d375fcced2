"""The frames or clips of one training, dealt to however many processes take part."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Protocol

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler

from video_triplet.clips.clips import PAPER, TestClips, TrainingClips
from video_triplet.data.augmentation import PRESETS as AUGMENTATIONS
from video_triplet.data.frames import TripletFrames
from video_triplet.trainers.schedule import EpochSampler

if TYPE_CHECKING:
    from video_triplet.trainers.clip_experiment import ClipExperiment
    from video_triplet.trainers.experiment import Experiment


class StepSettings(Protocol):
    """What decides which rows a step has."""

    @property
    def batch_size(self) -> int:
        """Rows per optimiser step, over all devices."""

    @property
    def accumulate(self) -> int:
        """Parts of a step."""

    @property
    def seed(self) -> int:
        """Of the order."""


class EpochData(LightningDataModule, ABC):
    """Loaders whose rows are a function of seed and epoch; a kind of training says what its rows are.

    Args:
        experiment: Says which rows, batch size and seed.
        workers: Processes per device that read; 0 reads in the training process.

    Attributes:
        what: What the training rows are, for messages.
    """

    what = "training rows"

    def __init__(self, experiment: Any, *, workers: int) -> None:
        super().__init__()
        self.experiment, self.workers = experiment, workers
        self.settings: StepSettings = experiment.settings

    @abstractmethod
    def training_rows(self) -> Any:
        """Return the training data set, with `set_epoch`; raise `DataError` if a row cannot be read."""

    @abstractmethod
    def validation_rows(self) -> Any | None:
        """Return the validation data set, or None where there is none; errors as above."""

    @property
    def clips_per_row(self) -> int:
        """How much larger a validation row is than a training row."""
        return 1

    def check(self, *, processes: int) -> None:
        """Build what a training needs, so that whatever is wrong is said before it starts.

        Raises:
            SettingsError: if the rows do not fill a step, or a step cannot be dealt evenly.
            DataError: if a row cannot be read.
        """
        self._sampler(self.training_rows(), processes=processes, process=0)
        self.validation_rows()

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the training rows."""
        rows, trainer = self.training_rows(), self._running_trainer()
        sampler = self._sampler(rows, processes=trainer.world_size, process=trainer.global_rank)
        # A resumed training starts its workers before Lightning tells the sampler which epoch it is.
        sampler.set_epoch(trainer.fit_loop.epoch_progress.current.processed)
        return DataLoader(rows, sampler.slice_size, sampler=sampler, **self._reading())

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return this process's share of the validation rows; nothing where there are none."""
        rows, trainer = self.validation_rows(), self._running_trainer()
        if rows is None:
            return []
        sampler: DistributedSampler[Any] = DistributedSampler(
            rows, trainer.world_size, trainer.global_rank, shuffle=False
        )
        batch = self.settings.batch_size // self.settings.accumulate // trainer.world_size
        return DataLoader(rows, max(1, batch // self.clips_per_row), sampler=sampler, **self._reading())

    def _sampler(self, rows: Any, *, processes: int, process: int) -> EpochSampler:
        return EpochSampler(
            len(rows),
            batch_size=self.settings.batch_size,
            accumulate=self.settings.accumulate,
            processes=processes,
            process=process,
            seed=self.settings.seed,
            frames=rows,
            what=self.what,
        )

    def _running_trainer(self) -> Any:
        return self.trainer

    def _reading(self) -> dict[str, Any]:
        return {"num_workers": self.workers, "persistent_workers": self.workers > 0, "pin_memory": False}


class TripletData(EpochData):
    """Training and validation frames of an experiment on triplets; arguments as of `EpochData`."""

    what = "training frames"
    experiment: Experiment

    def training_rows(self) -> TripletFrames:
        """Return the training frames with their targets."""
        settings = self.experiment.settings
        return TripletFrames(
            self.experiment.training_videos,
            self.experiment.source,
            settings.heads,
            targets=self.experiment.targets,
            augmentation=AUGMENTATIONS[settings.augmentation],
            seed=settings.seed,
        )

    def validation_rows(self) -> TripletFrames | None:
        """Return the validation frames."""
        if not self.experiment.validation_videos:
            return None
        return TripletFrames(self.experiment.validation_videos, self.experiment.source, heads=())


class ClipData(EpochData):
    """Training and validation clips of an experiment on clips; arguments as of `EpochData`."""

    what = "training videos"
    experiment: ClipExperiment

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
