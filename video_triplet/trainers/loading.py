"""The frames of one training, dealt to however many processes take part."""

from __future__ import annotations

from typing import Any

from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, DistributedSampler

from video_triplet.data.augmentation import PRESETS as AUGMENTATIONS
from video_triplet.data.frames import TripletFrames
from video_triplet.trainers.experiment import Experiment
from video_triplet.trainers.schedule import EpochSampler


class TripletData(LightningDataModule):
    """Loaders of training and validation frames.

    Args:
        experiment: Says which frames, targets, augmentation, batch size and seed.
        workers: Processes per device that read frames; 0 reads them in the training process.
    """

    def __init__(self, experiment: Experiment, *, workers: int) -> None:
        super().__init__()
        self.experiment, self.workers = experiment, workers

    def check(self, *, processes: int) -> None:
        """Build what a training needs, so that whatever is wrong is said before it starts.

        Raises:
            SettingsError: if the frames do not fill a step, or a step cannot be dealt evenly.
            DataError: if a frame has no image.
        """
        self._sampler(self._training_frames(), processes=processes, process=0)
        if self.experiment.validation_videos:
            self._validation_frames()

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's share of the training frames."""
        frames, trainer = self._training_frames(), self._running_trainer()
        sampler = self._sampler(frames, processes=trainer.world_size, process=trainer.global_rank)
        # A resumed training starts its workers before Lightning tells the sampler which epoch it is.
        sampler.set_epoch(trainer.fit_loop.epoch_progress.current.processed)
        return DataLoader(frames, sampler.slice_size, sampler=sampler, **self._reading())

    def val_dataloader(self) -> DataLoader[Any] | list[Any]:
        """Return this process's share of the validation frames; nothing where the split has none."""
        if not self.experiment.validation_videos:
            return []
        frames, trainer = self._validation_frames(), self._running_trainer()
        sampler: DistributedSampler[Any] = DistributedSampler(
            frames, trainer.world_size, trainer.global_rank, shuffle=False
        )
        settings = self.experiment.settings
        batch = settings.batch_size // settings.accumulate // trainer.world_size
        return DataLoader(frames, batch, sampler=sampler, **self._reading())

    def _training_frames(self) -> TripletFrames:
        settings = self.experiment.settings
        return TripletFrames(
            self.experiment.training_videos,
            self.experiment.source,
            settings.heads,
            targets=self.experiment.targets,
            augmentation=AUGMENTATIONS[settings.augmentation],
            seed=settings.seed,
        )

    def _validation_frames(self) -> TripletFrames:
        return TripletFrames(self.experiment.validation_videos, self.experiment.source, heads=())

    def _sampler(self, frames: TripletFrames, *, processes: int, process: int) -> EpochSampler:
        settings = self.experiment.settings
        return EpochSampler(
            len(frames),
            batch_size=settings.batch_size,
            accumulate=settings.accumulate,
            processes=processes,
            process=process,
            seed=settings.seed,
            frames=frames,
        )

    def _running_trainer(self) -> Any:
        return self.trainer

    def _reading(self) -> dict[str, Any]:
        return {"num_workers": self.workers, "persistent_workers": self.workers > 0, "pin_memory": False}
