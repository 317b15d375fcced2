"""Runs one training with Lightning: from a checked experiment to a model file, resumable after any kill."""

from __future__ import annotations

import dataclasses
import logging
import os
import pickle
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.trainer.states import TrainerStatus
from lightning.pytorch.utilities import rank_zero_only

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import CheckpointError, SettingsError, SetupError
from nnunet_dsd.common.files import exclusive, write_json
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.common.machine import progress_is_shown
from video_triplet.clips.pretrained import LoadingReport
from video_triplet.models.kept_epochs import epochs_on_disk
from video_triplet.models.run_files import MODEL_FILE, RUN_FILE
from video_triplet.trainers.callbacks import BestWeights, History, StopEarly, WholeCheckpointIO
from video_triplet.trainers.epochwise import EpochwiseDistillation
from video_triplet.trainers.half_precision import refuse_wrong_gradients
from video_triplet.trainers.keeping import KeepEpochs, refuse_missing_epochs, say_disk_use
from video_triplet.trainers.trainable import RunSettings, Trainable

# Lightning's remarks on what is done here on purpose.
EXPECTED_WARNINGS = (
    ".*Checkpoint directory .* exists and is not empty.*",
    ".*does not have many workers.*",
    ".*treespec, LeafSpec.*",
    ".*all_gather is deprecated.*",
    ".*Total length of .* across ranks is zero.*",  # no validation part
    ".*sync_dist=True.*",  # the validation score is the same in every process
)
RESUME_STEM = "last"
LOADING = "loading"


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What a training runs on; it decides neither frames nor their order.

    Weights still differ a little between machines: by rounding, and by stochastic depth, whose random numbers are drawn
    per process and part of a step.

    Attributes:
        accelerator: As Lightning's: `"auto"`, `"cpu"`, `"gpu"`, ...
        devices: Per node.
        nodes: How many machines.
        precision: As Lightning's; `"auto"` is 16-bit mixed on CUDA and 32-bit elsewhere.
        workers: Processes per device that read frames.
    """

    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    precision: str = "auto"
    workers: int = 2

    def __post_init__(self) -> None:
        """Refuse numbers that make no sense."""
        problems = below_lowest(self, {"devices": 1, "nodes": 1, "workers": 0})
        if problems:
            raise SettingsError(problems, source="the machine")

    @property
    def processes(self) -> int:
        """How many processes train together."""
        return self.devices * self.nodes

    @property
    def lightning_precision(self) -> str:
        """The precision in Lightning's words."""
        if self.precision != "auto":
            return self.precision
        on_cuda = self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
        return "16-mixed" if on_cuda else "32-true"


def train(experiment: Trainable, folder: Path, machine: Machine, *, keep_epochs: Sequence[int] = ()) -> Path:
    """Train, or go on where a killed training stopped; return the model file.

    The folder then holds `model.pt`, `run.json` (what was trained), `history.csv` and `logs/` (CSV and TensorBoard);
    until the end also `last.ckpt`, from which it resumes. A finished training is not repeated.

    Args:
        experiment: What is trained: triplets or clips.
        folder: Of this run.
        machine: What it runs on.
        keep_epochs: Epochs, from 1, whose weights are kept in `epochs/`.

    Raises:
        SettingsError: if the folder holds another training, or one that went past an epoch to be kept; or if batches
            cannot be dealt.
        CheckpointError: if the checkpoint to resume from is broken.
        SetupError: if the accelerator or the number of devices is not there, the machine computes wrong gradients in
            the precision, another training is at work here, or the disk is too small for the epochs to be kept.
    """
    busy = f"another training is at work in {folder}; wait for it, or choose another folder"
    with exclusive(folder / ".lock", busy=busy) if is_first_process() else nullcontext():
        refuse_another_training(folder, experiment)
        return _train(experiment, folder, machine, keep_epochs)


def _train(experiment: Trainable, folder: Path, machine: Machine, keep_epochs: Sequence[int]) -> Path:
    model_path = folder / MODEL_FILE
    if model_path.is_file():
        refuse_missing_epochs(folder, keep_epochs, done=experiment.settings.epochs)
        remove_resume_files(folder)
        return model_path
    module = experiment.build_module()
    history = History(folder, experiment.settings.epochs, experiment.score)
    best = BestWeights(experiment.score.name)
    callbacks = [*epochwise_callbacks(experiment.settings), history, best, KeepEpochs(experiment, folder, keep_epochs)]
    if experiment.patience:
        callbacks.append(StopEarly(history, best, experiment.patience))
    trainer = build_trainer(folder, experiment.settings, machine, callbacks)
    refuse_wrong_gradients(module, accelerator=trainer.strategy.root_device.type, precision=machine.lightning_precision)
    data = experiment.build_data(workers=machine.workers)
    data.check(processes=machine.processes)
    resume = folder / f"{RESUME_STEM}.ckpt"
    done = epochs_done(resume)
    checkpoint = None if done is None else str(resume)
    refuse_missing_epochs(folder, keep_epochs, done=done or 0)
    if is_first_process():
        if keep_epochs:
            print(
                say_disk_use(cast(Any, module.network), folder, keep_epochs, written=epochs_on_disk(folder)), flush=True
            )
        write_json(folder / RUN_FILE, {**experiment.describe(), **say_loading(experiment.loading_report(module))})
    with warnings.catch_warnings():
        for message in EXPECTED_WARNINGS:
            warnings.filterwarnings("ignore", message=message)
        try:
            trainer.fit(module, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        except SystemExit as error:  # how Lightning ends on Ctrl-C
            raise KeyboardInterrupt from error
    if trainer.state.status != TrainerStatus.FINISHED:
        raise KeyboardInterrupt
    if trainer.is_global_zero:
        write_model(experiment, module, history, best, model_path)
        remove_resume_files(folder)
    trainer.strategy.barrier()
    return model_path


def epochs_done(path: Path) -> int | None:
    """Return how many epochs a checkpoint to resume from has behind it; None where there is no checkpoint.

    Raises:
        CheckpointError: if there is one that cannot be read.
    """
    if not path.is_file():
        return None
    try:
        content = torch.load(path, map_location="meta", weights_only=True)
        return int(content["epoch"]) + 1
    except (OSError, EOFError, KeyError, RuntimeError, TypeError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(
            f"{path} is broken ({type(error).__name__}: {error}); delete the folder and train again"
        ) from error


def say_loading(report: LoadingReport | None) -> dict[str, Any]:
    """Print what pre-trained weights gave to the network, and return it for `run.json`."""
    if report is None:
        return {}
    print(report, flush=True)
    return {LOADING: dataclasses.asdict(report)}


def refuse_another_training(folder: Path, experiment: Trainable) -> None:
    """Refuse a folder in which another training has begun.

    Raises:
        SettingsError: with everything that differs.
        DataError: if its `run.json` is damaged.
    """
    path = folder / RUN_FILE
    if not path.is_file():
        if (folder / MODEL_FILE).is_file():
            raise SettingsError([f"there is no {RUN_FILE} beside its {MODEL_FILE}"], source=f"{folder}, an unknown run")
        return
    begun = read_object(path, broken=lambda reason: f"{path} is damaged ({reason}); delete the folder and train again")
    # Settings that came later: a run that began without them has done what their defaults do.
    described = experiment.describe()
    defaults = {spec.name: spec.default for spec in dataclasses.fields(cast(Any, experiment.settings))}
    begun["settings"] = {**defaults, **begun.get("settings", {})}
    begun.pop(LOADING, None)  # follows from the rest
    differences = differing(begun, described)
    if differences:
        place = f"{folder}, which holds another training (choose another folder, or delete this one)"
        raise SettingsError(differences, source=place)


def differing(old: Any, new: Any, name: str = "") -> list[str]:
    """Return a line for each entry that differs between two JSON objects."""
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys([*old, *new])
        return [line for key in keys for line in differing(old.get(key), new.get(key), f"{name}.{key}".lstrip("."))]
    return [] if old == new else [f"{name} is {old!r} there, now {new!r}"]


def epochwise_callbacks(settings: RunSettings) -> list[Callback]:
    """Return epoch-wise self-distillation where it is asked for."""
    if settings.epoch_lambda == 0:
        return []
    return [EpochwiseDistillation(epoch_lambda=settings.epoch_lambda, epoch_reduction=settings.epoch_reduction)]


def build_trainer(folder: Path, settings: RunSettings, machine: Machine, callbacks: list[Callback]) -> Trainer:
    """Return Lightning's trainer for these settings.

    Raises:
        SetupError: if the accelerator or the number of devices is not there.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    if progress_is_shown():
        callbacks = [*callbacks, RichProgressBar()]
    resume = ModelCheckpoint(folder, RESUME_STEM, save_on_train_epoch_end=True, enable_version_counter=False)
    try:
        return Trainer(
            accelerator=machine.accelerator,
            devices=machine.devices,
            num_nodes=machine.nodes,
            precision=machine.lightning_precision,
            strategy="ddp" if machine.processes > 1 else "auto",
            max_epochs=settings.epochs,
            accumulate_grad_batches=settings.accumulate,
            callbacks=[*callbacks, resume],
            logger=[CSVLogger(folder, "logs"), TensorBoardLogger(folder / "logs", "tensorboard")],
            plugins=[WholeCheckpointIO()],
            enable_progress_bar=progress_is_shown(),
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
        )
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        wanted = f"accelerator {machine.accelerator!r} with {counted(machine.devices, 'device')}"
        raise SetupError(f"this training cannot run on {wanted}: {error} Try --accelerator cpu") from error


def write_model(
    experiment: Trainable, module: LightningModule, history: History, best: BestWeights, path: Path
) -> None:
    """Write the chosen epoch's weights as a model file."""
    if experiment.settings.choose_epoch == "best":
        epoch, weights = best.epoch, best.weights
    else:
        network: Any = module.network
        epoch = len(history.rows)
        weights = {name: values.detach().cpu() for name, values in network.state_dict().items()}
    experiment.save_model(path, weights, epoch=epoch)


def remove_resume_files(folder: Path) -> None:
    """Delete what only an unfinished training needs: four times the size of the model, with a teacher five times."""
    (folder / f"{RESUME_STEM}.ckpt").unlink(missing_ok=True)


def is_first_process() -> bool:
    """Return whether this is the one process that writes files."""
    node = int(os.environ.get("NODE_RANK", os.environ.get("GROUP_RANK", "0")))
    return node == 0 and int(getattr(rank_zero_only, "rank", 0) or 0) == 0
