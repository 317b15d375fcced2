"""Checkpoints: stock weights in nnU-Net's form, our parts under keys of their own, written whole or not at all."""

from __future__ import annotations

import io
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.common.files import whole_file
from nnunet_dsd.config.settings import Settings

HEADS_KEY = "distillation_heads"
OPTIMISER_KEY = "distillation_optimiser"
SETTINGS_KEY = "self_distillation_settings"
TEACHERS_KEY = "feedback_teachers"
STOCK_KEYS = (
    "network_weights",
    "optimizer_state",
    "grad_scaler_state",
    "logging",
    "_best_ema",
    "current_epoch",
    "init_args",
    "trainer_name",
    "inference_allowed_mirroring_axes",
)
NEEDED_TO_CONTINUE = ("optimizer_state", "grad_scaler_state", "logging", "_best_ema", "current_epoch", "init_args")
CheckpointSource = str | os.PathLike[str] | Mapping[str, Any]
BUDGET_SETTINGS = (
    "epochs",
    "iterations_per_epoch",
    "validation_iterations_per_epoch",
    "save_every",
    "seed",
    "feedback_cache",
    "feedback_known_cases",
    "kd_known_cases",
    "start_from",
)


def capture_checkpoint(write: Callable[[io.BytesIO], None]) -> dict[str, Any] | None:
    """Return what nnU-Net's own `save_checkpoint` would write, or None where it writes nothing.

    Args:
        write: nnU-Net's method; torch.save takes a buffer where it takes a file name.
    """
    buffer = io.BytesIO()
    write(buffer)
    if buffer.tell() == 0:
        return None
    buffer.seek(0)
    checkpoint: dict[str, Any] = torch.load(buffer, map_location="cpu", weights_only=False)
    return checkpoint


def write_checkpoint(checkpoint: Mapping[str, Any], filename: str | os.PathLike[str]) -> None:
    """Write a checkpoint beside its place and move it there, so that a kill or a full disk leaves the old one whole.

    Raises:
        CheckpointError: if it could not be written; says how much room there is.
    """
    target = Path(filename)
    try:
        if not target.parent.is_dir():
            raise FileNotFoundError("its folder is gone")
        with whole_file(target) as temporary:
            torch.save(dict(checkpoint), temporary)
    except (OSError, RuntimeError) as error:
        raise CheckpointError(
            f"could not write {target} ({error}); {_room(target.parent)}. An earlier checkpoint of that name is "
            "unharmed: make room and continue the training with --c"
        ) from error


def _room(folder: Path) -> str:
    """Say how much room a folder has."""
    if not folder.is_dir():
        return f"the folder {folder} does not exist"
    return f"{shutil.disk_usage(folder).free / 2**20:.0f} MiB are free there"


def read_checkpoint(filename: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a checkpoint onto the CPU.

    Raises:
        CheckpointError: if it is missing, truncated or no nnU-Net checkpoint.
    """
    try:
        checkpoint = torch.load(filename, map_location="cpu", weights_only=False)
    except FileNotFoundError as error:
        raise CheckpointError(f"there is no checkpoint at {filename}") from error
    except Exception as error:  # torch raises many kinds for a truncated or foreign file
        raise CheckpointError(
            f"{filename} cannot be read as a checkpoint ({type(error).__name__}: {error}); it may be cut short. "
            "Use another of the fold's checkpoints, for example checkpoint_best.pth"
        ) from error
    _require_weights(checkpoint, str(filename))
    content: dict[str, Any] = checkpoint
    return content


def _require_weights(checkpoint: Any, source: str) -> None:
    if not isinstance(checkpoint, Mapping) or "network_weights" not in checkpoint:
        raise CheckpointError(f"{source} is not an nnU-Net checkpoint: it has no 'network_weights'")


@contextmanager
def as_checkpoint_file(given: CheckpointSource) -> Iterator[tuple[str, Mapping[str, Any], str]]:
    """Yield a checkpoint's path, its content, and what to call it; one that was read already is written for a while.

    nnU-Net 2.8 promises to load both, and fails with what is no file name.

    Raises:
        CheckpointError: if it is missing, truncated or no nnU-Net checkpoint.
    """
    if not isinstance(given, Mapping):
        yield str(given), read_checkpoint(given), str(given)
        return
    source = "the checkpoint that was handed over"
    _require_weights(given, source)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.pth"
        torch.save(dict(given), path)
        yield str(path), given, source


def require_parts(checkpoint: Mapping[str, Any], needed: Sequence[str], *, source: str) -> None:
    """Refuse a checkpoint that holds weights, but not what else is needed of a training's.

    Args:
        checkpoint: The checkpoint as read.
        needed: Keys of it.
        source: What it was read from, for the message.

    Raises:
        CheckpointError: naming what it lacks.
    """
    if lacking := [name for name in needed if checkpoint.get(name) is None]:
        raise CheckpointError(
            f"{source} holds weights, but not how they were trained: it lacks {', '.join(lacking)}. Use a checkpoint "
            "as nnU-Net's training wrote it"
        )


def check_can_be_continued(checkpoint: Mapping[str, Any], *, source: str) -> None:
    """Refuse a checkpoint from which no training can go on.

    Raises:
        CheckpointError: naming what it lacks.
    """
    lacking = [name for name in NEEDED_TO_CONTINUE if name not in checkpoint]
    lacking += ["optimizer_state"] if checkpoint.get("optimizer_state", {}) is None else []
    if lacking:
        raise CheckpointError(
            f"{source} holds weights but not all that a training needs to go on: it lacks {', '.join(lacking)}. To "
            "start from its weights use -pretrained_weights; to predict use nnUNetv2_predict"
        )


def check_weights_fit(
    weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor], *, source: str
) -> None:
    """Refuse weights of another architecture.

    Args:
        weights: The checkpoint's weights; a leading `module.` of old data-parallel checkpoints is ignored.
        expected: The network's own state dict.
        source: What the weights were read from, for the message.

    Raises:
        CheckpointError: naming the first keys that are missing, unknown or of another shape.
    """
    if problems := weight_problems(without_wrapper(weights), expected):
        shown = "; ".join(problems[:3])
        raise CheckpointError(
            f"{source} belongs to another architecture: {len(problems)} weights do not fit ({shown}). Train with the "
            "plans and configuration that the checkpoint was made with (they are in its results folder's plans.json)"
        )


def plain_weights(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """Return the network's weights of a checkpoint, also of one that was trained data-parallel."""
    return without_wrapper(checkpoint["network_weights"])


def without_wrapper(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return weights by the names they have without the `module.` of data-parallel wrappers."""
    return {key.removeprefix("module."): value for key, value in weights.items()}


def weight_problems(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> list[str]:
    """Return a sentence for each of a network's weights that is missing, unknown or of another shape."""
    return [
        *(f"'{key}' is missing" for key in expected if key not in found),
        *(f"'{key}' is not part of this network" for key in found if key not in expected),
        *(
            f"'{key}' has shape {tuple(found[key].shape)}, this network needs {tuple(value.shape)}"
            for key, value in expected.items()
            if key in found and found[key].shape != value.shape
        ),
    ]


def check_settings_fit(checkpoint: Mapping[str, Any], settings: Settings, *, own: Settings, source: str) -> str:
    """Refuse to continue an unfinished training with another loss or optimiser; return what else has changed.

    The budget may change, and a finished training may be validated with whatever settings.

    Args:
        checkpoint: The checkpoint as read; one without our settings passes.
        settings: The settings to continue with.
        own: The trainer's own where the plans are silent; a setting younger than the checkpoint was at that.
        source: What the checkpoint was read from, for the message.

    Raises:
        CheckpointError: listing the settings that must not change.
    """
    before, now = _settings_before(checkpoint, own), settings.flat()
    changed = [name for name in now if name in before and before[name] != now[name]]
    refused = [name for name in changed if name not in BUDGET_SETTINGS]
    if refused and checkpoint["current_epoch"] < before["epochs"]:
        listed = "; ".join(f"{name} was {before[name]}, is {now[name]}" for name in refused)
        raise CheckpointError(
            f"{source} was made with other settings: {listed}. Continue with the plans the training began with, or "
            "give them these settings with `nnunet-dsd plan`"
        )
    return "; ".join(f"{name} was {before[name]}, is {now[name]}" for name in changed)


def _settings_before(checkpoint: Mapping[str, Any], own: Settings) -> dict[str, Any]:
    """Return all settings of a checkpoint, none if it has none; one that came later was at the trainer's own."""
    before = checkpoint.get(SETTINGS_KEY)
    return {} if before is None else {**own.flat(), **before}
