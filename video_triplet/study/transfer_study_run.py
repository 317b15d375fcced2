"""Runs the study of fine-tuning cell by cell, the table written anew after each; finished cells are not repeated."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from rich.console import Console

from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.runner import RunContext, run_steps
from nnunet_dsd.steps.step import Start, Step
from video_triplet.clips.model_file import load_clip_model
from video_triplet.clips.settings import CLIP_PRESETS
from video_triplet.clips.sources import ClipSource
from video_triplet.clips.splits import official_split
from video_triplet.clips.testing import run_test, write_test
from video_triplet.clips.videos import ClipDataset
from video_triplet.settings import find_preset
from video_triplet.study.transfer_study import Cell, cells, summarise, write_table
from video_triplet.trainers.clip_experiment import ClipExperiment, find_clip_trainer
from video_triplet.trainers.run import Machine, train

Data = tuple[ClipDataset, ClipSource]


@dataclass(frozen=True, kw_only=True)
class TransferStudy:
    """What is run.

    Attributes:
        folder: Of everything.
        lambdas: Weights of the epoch-wise term that are trained.
        seeds: Of the trainings.
        weights: Pre-trained weights by encoder, of those at hand.
        data: Opens a data set by its layout, for those at hand.
        validation_fraction: Of the training videos; 0 takes the last epoch, as the paper's Algorithm 1.
        settings: Beyond those of the paper's presets.
        machine: What the trainings run on.
    """

    folder: Path
    lambdas: tuple[float, ...]
    seeds: tuple[int, ...]
    weights: Mapping[str, str]
    data: Mapping[str, Callable[[], Data]]
    validation_fraction: float
    settings: Mapping[str, Any]
    machine: Machine

    @property
    def protocol(self) -> str:
        """`"last"`, or `"best"` by a validation part."""
        return "best" if self.validation_fraction else "last"

    def write_table(self) -> str:
        """Write the table of what there is so far and return it."""
        setup = {"split": 1, "protocol": self.protocol, **self.settings}
        rows = [summarise(cell, self.folder, self.seeds) for cell in cells(self.lambdas)]
        return write_table(self.folder, rows, setup)


def run_transfer_study(study: TransferStudy) -> str:
    """Train and test what there is data and weights for, and return the table.

    Raises:
        SettingsError: if the folder of a cell holds another training.
        DataError: if a data set cannot be read, or is the other one.
    """
    study.write_table()
    readers = {layout: cache(read) for layout, read in study.data.items()}
    wanted = [
        cell
        for cell in cells(study.lambdas)
        if cell.layout in readers and cell.encoder in study.weights and cell.lambda_ in study.lambdas
    ]
    steps = [
        _step(study, cell, seed, read)
        for layout, read in readers.items()
        for cell in wanted
        if cell.layout == layout
        for seed in study.seeds
    ]
    run_steps(steps, RunContext(display=Display(Console(), len(steps))))
    return study.write_table()


def experiment_of(
    study: TransferStudy, cell: Cell, seed: int, dataset: ClipDataset, source: ClipSource
) -> ClipExperiment:
    """Return the training of one cell: the paper's preset, what was given beyond it, and the cell's lambda."""
    suffix = "-last" if study.protocol == "last" else ""
    preset = find_preset(f"paper-{cell.encoder}{suffix}", CLIP_PRESETS)
    own = {"weights": study.weights[cell.encoder], "epoch_lambda": cell.lambda_, "seed": seed}
    settings = find_clip_trainer(cell.trainer).read_settings({**preset, **study.settings, **own})
    split = official_split(dataset, 1, validation_fraction=study.validation_fraction)
    return ClipExperiment(cell.trainer, settings, dataset, split, source)


def _step(study: TransferStudy, cell: Cell, seed: int, read: Callable[[], Data]) -> Step:
    folder = cell.folder(study.folder, seed)

    def work(start: Start) -> None:
        _train_and_test(experiment_of(study, cell, seed, *read()), folder, study.machine)
        study.write_table()

    return Step(name=folder.name, title=folder.name, work=work, prints=True)


def _train_and_test(experiment: ClipExperiment, folder: Path, machine: Machine) -> None:
    """Train and test, or leave what is done; a folder of another training is refused."""
    model = train(experiment, folder, machine)
    if (folder / "test" / "confusion.png").is_file():  # written last
        return
    loaded = load_clip_model(model, device="cpu" if machine.accelerator == "cpu" else None)
    videos = experiment.dataset.subset(experiment.split.test)
    test = run_test(loaded, experiment.dataset, videos, experiment.source, workers=machine.workers)
    write_test(folder / "test", test)
