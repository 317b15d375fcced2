"""The table of a study's runs: what is done, unfinished or missing, and how much training is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from rich.markup import escape
from rich.table import Table

from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.run_steps import declared_epochs
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.scoring import is_predicted, is_scored
from nnunet_dsd.ablation.study import Study
from nnunet_dsd.ablation.training_state import TrainingState, training_state
from nnunet_dsd.common.counting import counted
from nnunet_dsd.steps.display import duration
from nnunet_dsd.steps.lock import is_claimed


@dataclass(frozen=True)
class Entry:
    """What is known about a run.

    Attributes:
        epochs: Of its training in all; None for a trainer of nnU-Net's own.
        note: `running`, `failed`, or nothing.
    """

    run: Run
    state: TrainingState
    epochs: int | None
    predicted: bool
    scored: bool
    note: str

    @property
    def training(self) -> str:
        """Say how far the training is."""
        if self.state.stage != "unfinished":
            return self.state.stage
        return f"unfinished, {self.state.epochs} of {self.epochs or '?'} epochs"

    @property
    def epochs_left(self) -> int | None:
        """Return how many epochs are still to be trained, or None if that is not known."""
        if self.state.stage in ("trained", "not validated"):
            return 0
        return None if self.epochs is None else max(0, self.epochs - self.state.epochs)


def survey(study: Study, runs: Sequence[Run], places: Places) -> list[Entry]:
    """Look at every run; nothing is written and no lock is taken."""
    return [
        Entry(
            run,
            training_state(places.fold(run)),
            declared_epochs(study, run),
            is_predicted(study, run, places),
            is_scored(study, run, places),
            _note(run, places),
        )
        for run in runs
    ]


def seconds_left(entries: Sequence[Entry]) -> float | None:
    """Estimate the training time that is left, on a machine like the one that trained what there is.

    An epoch of a trainer that has none yet is taken to last as long as those of the others on average.

    Returns:
        Seconds of training, without validation and prediction; None where no epoch has been timed.
    """
    timed: dict[str, list[float]] = {}
    for entry in entries:
        if entry.state.epoch_seconds is not None:
            timed.setdefault(entry.run.trainer, []).append(entry.state.epoch_seconds)
    if not timed:
        return None
    means = {trainer: fmean(values) for trainer, values in timed.items()}
    overall = fmean(means.values())
    return sum((entry.epochs_left or 0) * means.get(entry.run.trainer, overall) for entry in entries)


def runs_table(study: Study, entries: Sequence[Entry]) -> Table:
    """Return the table of all runs."""
    table = Table(title=f"study {study.name}: {counted(len(entries), 'run')}", title_justify="left")
    test = study.evaluate_on == "test"
    for heading in ("method", "plans", "fold", "seed", "training", *(("test cases",) if test else ()), "scores", ""):
        is_number = heading in ("fold", "seed")
        table.add_column(heading, justify="right" if is_number else "left", no_wrap=heading != "")
    for entry in entries:
        predicted = ("predicted" if entry.predicted else "missing",) if test else ()
        scores = "done" if entry.scored else "missing"
        which = (entry.run.method, entry.run.choice, str(entry.run.fold), str(entry.run.seed))
        cells = (*which, entry.training, *predicted, scores, entry.note)
        table.add_row(*(escape(cell) for cell in cells), style="green" if entry.scored else "")
    return table


def totals(entries: Sequence[Entry]) -> list[str]:
    """Say in sentences how much is done and how much is left."""
    done = sum(entry.scored for entry in entries)
    trained = sum(entry.state.stage == "trained" for entry in entries)
    lines = [f"{trained} of {len(entries)} runs are trained, {done} are scored."]
    left = seconds_left(entries)
    if left is None:
        lines.append("How long the rest takes is not known before a first epoch has been timed.")
    elif left:
        lines.append(f"Training left: about {duration(left)}, by the epochs timed so far, one run after another.")
    if any(entry.epochs_left is None for entry in entries):
        lines.append("Trainers of nnU-Net's own are not counted: they read no number of epochs from the plans.")
    return lines


def _note(run: Run, places: Places) -> str:
    if is_claimed(places.lock(run)):
        return "running"
    return f"failed, see {places.failure(run)}" if places.failure(run).is_file() else ""
