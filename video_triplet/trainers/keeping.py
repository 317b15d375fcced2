"""Keeps the weights of single epochs of a training, in half precision, for a later choice among them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SettingsError, SetupError
from video_triplet.models.kept_epochs import EPOCH_FOLDER, epoch_file, epochs_as_text
from video_triplet.trainers.trainable import Trainable

LARGEST_HALF = torch.finfo(torch.float16).max


class KeepEpochs(Callback):
    """Writes a model file after each epoch that is asked for, parameters in half precision.

    An epoch that a killed training repeats is written again, with the same content.

    Args:
        experiment: Writes the files; nothing was chosen on validation videos yet.
        folder: Of the run.
        epochs: Which, from 1.
    """

    def __init__(self, experiment: Trainable, folder: Path, epochs: Sequence[int]) -> None:
        self.experiment, self.folder, self.epochs = experiment, folder, frozenset(epochs)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write this epoch's weights."""
        epoch = trainer.current_epoch + 1
        if epoch in self.epochs and trainer.is_global_zero:
            network: Any = pl_module.network
            self.experiment.save_model(epoch_file(self.folder, epoch), halved(network), epoch=epoch, kept=True)


def halved(network: nn.Module) -> dict[str, Tensor]:
    """Return a copy of a network's state with its parameters as float16, statistics and constants as they are.

    A parameter with a value beyond what float16 holds (65504) stays in its own precision.
    """
    parameters = {name for name, _ in network.named_parameters()}
    return {
        name: values.detach().cpu().half() if name in parameters and fits_half(values) else values.detach().cpu()
        for name, values in network.state_dict().items()
    }


def fits_half(values: Tensor) -> bool:
    """Return whether every value of a floating-point tensor is one that float16 can come near."""
    return values.is_floating_point() and bool(values.abs().max() <= LARGEST_HALF)


def say_disk_use(network: nn.Module, folder: Path, epochs: Sequence[int], *, written: Sequence[int]) -> str:
    """Return a sentence about what the kept epochs take on disk.

    Args:
        network: Whose weights are kept.
        folder: Of the run.
        epochs: All that will be kept.
        written: Those that are there already.

    Raises:
        SetupError: if the disk has less space than those to come take.
    """
    each = bytes_of(halved(network))
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free, needed = shutil.disk_usage(place).free, each * len(set(epochs) - set(written))
    use = f"{counted(len(epochs), 'epoch')} of {each / 1e6:.1f} MB, {each * len(epochs) / 1e9:.2f} GB in all"
    if needed > free:
        raise SetupError(
            f"keeping {use}, does not fit: {place} has {free / 1e9:.2f} GB left. Keep fewer with --keep-epochs, or "
            "choose another folder"
        )
    return f"keeping the weights of epochs {epochs_as_text(epochs)} in {folder / EPOCH_FOLDER}: {use}"


def bytes_of(state: Mapping[str, Tensor]) -> int:
    """Return how many bytes the values of a state take."""
    return sum(values.numel() * values.element_size() for values in state.values())


def refuse_missing_epochs(folder: Path, epochs: Sequence[int], *, done: int) -> None:
    """Refuse to go on with a training some of whose finished epochs should have been kept and were not.

    Args:
        folder: Of the run.
        epochs: Which are to be kept.
        done: How many epochs the training has behind it.

    Raises:
        SettingsError: with those epochs.
    """
    lost = [epoch for epoch in epochs if epoch <= done and not epoch_file(folder, epoch).is_file()]
    if lost:
        problem = f"epochs {epochs_as_text(lost)} are over and their weights were not kept"
        advice = "leave out --keep-epochs, or train in another folder"
        raise SettingsError([f"{problem}; {advice}"], source=f"--keep-epochs for {folder}")
