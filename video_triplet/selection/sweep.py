"""The expensive, honest criterion: a short student per epoch, scored on the inner-validation videos."""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.errors import SettingsError
from video_triplet.data.split import Split
from video_triplet.models.run_files import read_history
from video_triplet.selection.epoch_predictions import Reading, epoch_predictions
from video_triplet.selection.teachers import TeacherRun
from video_triplet.trainers.base import VALIDATION_SCORE
from video_triplet.trainers.experiment import Experiment, find_video_trainer
from video_triplet.trainers.run import train

if TYPE_CHECKING:
    from video_triplet.trainers.run import Machine


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """How the short students are trained; everything else is as for the teacher.

    Attributes:
        folder: Of all students.
        student: Name of their trainer.
        epochs: Of each.
        seeds: One student for each; the value of an epoch is their mean.
    """

    folder: Path
    student: str
    epochs: int
    seeds: tuple[int, ...]


def student_of(teacher: str) -> str:
    """Return the name of the student's trainer that goes with a teacher's.

    Raises:
        SettingsError: if the name does not say.
    """
    if not teacher.endswith("Teacher"):
        raise SettingsError(
            [f"which student goes with {teacher} does not follow from its name; give it with --student"],
            source="the sweep of students",
        )
    return f"{teacher.removesuffix('Teacher')}Student"


def sweep_students(
    runs: Sequence[TeacherRun],
    epochs: Sequence[tuple[int, ...]],
    sweep: Sweep,
    reading: Reading,
    machine: Machine,
) -> dict[tuple[int, int], float]:
    """Return by run and epoch the mean inner-validation mAP of students of that one epoch, after their last epoch.

    A student that is finished is not trained again; one that was killed goes on.
    """
    places = [(number, epoch) for number, found in enumerate(epochs) for epoch in found]
    values = {}
    for done, (number, epoch) in enumerate(places, start=1):
        run = runs[number]
        scores = []
        for seed in sweep.seeds:
            folder = sweep.folder / f"seed_{run.seed}_epoch_{epoch:03d}" / f"student_{seed}"
            title = f"student {seed} of epoch {epoch} of the teacher with seed {run.seed}"
            print(f"[{done}/{len(places)}] {title}", flush=True)
            train(short_student(run, epoch, seed, sweep, reading), folder, machine)
            scores.append(read_history(folder, VALIDATION_SCORE)[-1])
        values[number, epoch] = statistics.fmean(scores)
    return values


def short_student(run: TeacherRun, epoch: int, seed: int, sweep: Sweep, reading: Reading) -> Experiment:
    """Return the training of one student: what was set for its teacher, but for epochs, seed and choice of an epoch."""
    trainer = find_video_trainer(sweep.student)
    usual = dataclasses.asdict(find_video_trainer(run.trainer).read_settings({}))
    own = {
        name: value for name, value in run.settings.items() if value != usual.get(name) and name not in trainer.fixed
    }
    settings = trainer.read_settings({**own, "epochs": sweep.epochs, "seed": seed, "choose_epoch": "last"})
    names: Mapping[str, tuple[str, ...]] = {part: run.videos(part) for part in ("training", "validation", "test")}
    split = Split(run.split["name"], run.split["fold"], **names, protocol=run.split["protocol"])
    soft_labels = epoch_predictions(run, epoch, "training", reading)
    return Experiment(sweep.student, settings, reading.dataset, split, reading.source, soft_labels)
