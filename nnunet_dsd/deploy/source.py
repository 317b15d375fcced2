"""The model that is deployed: found in a folder or a zip, checked, loaded."""

from __future__ import annotations

import tempfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.trainers.checkpoint import read_checkpoint
from nnunet_dsd.trainers.model_folder import fold_checkpoints, read_model_folder, trainer_and_configuration
from nnunet_dsd.trainers.teacher import TeacherModel, load_networks


class MeanOfFolds(nn.Module):
    """Several networks of one architecture as one, whose output is their mean, as nnU-Net averages folds.

    Args:
        networks: Plain networks with one output.
    """

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, images: Tensor) -> Tensor:
        """Return logits `(B, K, *S)` of images `(B, C, *S)`."""
        total: Tensor = self.networks[0](images)
        for network in self.networks[1:]:
            total = total + network(images)
        return total / len(self.networks) if len(self.networks) > 1 else total


@contextmanager
def opened(model: Path) -> Iterator[Path]:
    """Yield a model's folder; a zip, as nnU-Net's and this package's export write it, is unpacked for the while.

    Raises:
        DataError: if a zip is broken, or does not hold exactly one model.
    """
    if model.is_dir() or not model.exists():
        yield model
        return
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(model) as archive:
                archive.extractall(folder)
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DataError(f"{model} is no zip, or a damaged one ({error}); copy it again") from error
        found = sorted(path.parent for path in Path(folder).rglob("plans.json") if "__" in path.parent.name)
        if len(found) != 1:
            names = ", ".join(str(path.relative_to(folder)) for path in found) or "none"
            raise DataError(f"{model} must hold one model, it holds: {names}; unpack it and name one of the folders")
        yield found[0]


def find_trained(folder: Path, folds: Sequence[str] | None, checkpoint: str) -> TeacherModel:
    """Return a finished model, found but not loaded.

    Raises:
        DataError: if it is no model folder, or a fold is missing.
    """
    plans, dataset_json = read_model_folder(folder)
    _, configuration = trainer_and_configuration(folder, plans)
    paths = fold_checkpoints(folder, folds, checkpoint)
    names = tuple(path.parent.name.removeprefix("fold_") for path in paths)
    if folds is None and len(names) > 1:  # as nnU-Net's prediction does
        names = tuple(name for name in names if name != "all")
    return TeacherModel(folder, configuration, names, checkpoint, plans, dataset_json)


def load_mean(model: TeacherModel) -> nn.Module:
    """Return a model's folds as one network in eval mode.

    Raises:
        CheckpointError: if a checkpoint is broken or belongs to another architecture.
    """
    return MeanOfFolds(load_networks(model)).eval().requires_grad_(False)


def example(model: TeacherModel, channels: int) -> Tensor:
    """Return a patch `(1, C, *patch)` by chance."""
    generator = torch.Generator().manual_seed(0)
    return torch.randn(1, channels, *model.manager.patch_size, generator=generator)


def trained_mirroring(model: TeacherModel) -> tuple[int, ...]:
    """Return the axes along which a model's training mirrored, which nnU-Net's prediction mirrors too."""
    axes = read_checkpoint(model.path(model.folds[0])).get("inference_allowed_mirroring_axes")
    return tuple(int(axis) for axis in axes or ())
