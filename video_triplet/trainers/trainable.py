"""What a run needs of an experiment, whatever is trained: triplets or clips."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from lightning.pytorch import LightningModule
from torch import Tensor

from video_triplet.clips.pretrained import LoadingReport
from video_triplet.settings import EpochChoice, EpochReduction
from video_triplet.trainers.callbacks import ValidationScore
from video_triplet.trainers.loading import EpochData, StepSettings


class RunSettings(StepSettings, Protocol):
    """Settings that a run itself follows; those of a kind of training are a frozen dataclass."""

    @property
    def epochs(self) -> int:
        """How many at most."""

    @property
    def choose_epoch(self) -> EpochChoice:
        """Which epoch's weights become the model."""

    @property
    def epoch_lambda(self) -> float:
        """Weight of epoch-wise self-distillation; 0: none."""

    @property
    def epoch_reduction(self) -> EpochReduction:
        """Of its distance."""


class Trainable(Protocol):
    """An experiment: everything that decides the outcome of a training, checked."""

    @property
    def settings(self) -> RunSettings:
        """Complete."""

    @property
    def score(self) -> ValidationScore:
        """What its module logs after each validation."""

    @property
    def patience(self) -> int:
        """Epochs without a better validation score after which a training ends; 0: never."""

    def describe(self) -> dict[str, Any]:
        """Return what a JSON file can hold; settings under `settings`."""

    def build_module(self) -> LightningModule:
        """Return the module with freshly started weights; the model is its `network`."""

    def loading_report(self, module: LightningModule) -> LoadingReport | None:
        """Return what pre-trained weights gave to the network of `build_module`; None where there is no report."""

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
