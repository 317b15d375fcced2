"""From the teachers' kept epochs to a table of criteria and one choice per strategy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.progress import track
from video_triplet.models.kept_epochs import epoch_file, epochs_as_text
from video_triplet.models.model_file import read_record
from video_triplet.predictions.pooling import Mean
from video_triplet.selection.choice import Choice, ChosenEpoch, relative_folder
from video_triplet.selection.criteria import Criterion, Values, region
from video_triplet.selection.epoch_predictions import Reading, epoch_evidence
from video_triplet.selection.evidence import EpochEvidence
from video_triplet.selection.strategies import Member, RunCurve, Strategy
from video_triplet.selection.teachers import TeacherRun


@dataclass(frozen=True)
class Measured:
    """Every criterion for every epoch of every teacher.

    Attributes:
        runs: The teachers.
        epochs: Those of each teacher, ascending.
        values: By criterion, one `(epochs,)` per teacher.
        validation_map: One `(epochs,)` per teacher, fractions.
    """

    runs: tuple[TeacherRun, ...]
    epochs: tuple[tuple[int, ...], ...]
    values: Mapping[str, tuple[Values, ...]]
    validation_map: tuple[Values, ...]

    def curves(self, criterion: Criterion) -> list[RunCurve]:
        """Return what the strategies look at.

        Raises:
            DataError: if the criterion is not defined for any epoch of a teacher.
        """
        curves = []
        for run, epochs, values, scores in zip(
            self.runs, self.epochs, self.values[criterion.name], self.validation_map, strict=True
        ):
            best, good = region(values, criterion.rule, what=f"{criterion.name} of {run.folder}")
            distance = criterion.rule.distance(values)
            curves.append(RunCurve(epochs, scores, values, distance, best, good, run.last_epoch))
        return curves


def measure(
    runs: Sequence[TeacherRun],
    epochs: Sequence[tuple[int, ...]],
    criteria: Sequence[Criterion],
    reading: Reading,
    *,
    swept: Mapping[tuple[int, int], float] | None = None,
) -> Measured:
    """Return the value of every criterion; what an epoch predicts is written beside its weights the first time.

    Args:
        runs: The teachers.
        epochs: To choose from, for each teacher.
        criteria: Those without a measure take their value from `swept`.
        reading: Where frames and labels come from.
        swept: Value by run and epoch, from a sweep of students.
    """
    places = [(number, epoch) for number, found in enumerate(epochs) for epoch in found]
    values: dict[str, list[list[float]]] = {criterion.name: [[] for _ in runs] for criterion in criteria}
    scores: list[list[float]] = [[] for _ in runs]
    for number, epoch in track(places, total=len(places), description="measure"):
        evidence = epoch_evidence(runs[number], epoch, reading)
        scores[number].append(evidence.validation_map)
        for criterion in criteria:
            values[criterion.name][number].append(_value(criterion, evidence, number, swept or {}))
    return Measured(
        tuple(runs),
        tuple(epochs),
        {name: tuple(np.array(part, dtype=np.float64) for part in parts) for name, parts in values.items()},
        tuple(np.array(part, dtype=np.float64) for part in scores),
    )


def _value(criterion: Criterion, evidence: EpochEvidence, number: int, swept: Mapping[tuple[int, int], float]) -> float:
    if criterion.measure is not None:
        return criterion.measure(evidence)
    if (number, evidence.epoch) not in swept:
        raise DataError(f"the criterion {criterion.name} has no measure, and only student-sweep may do without")
    return swept[number, evidence.epoch]


@dataclass(frozen=True)
class Picked:
    """What a strategy picked, and why."""

    strategy: Strategy
    members: tuple[Member, ...]
    why: tuple[str, ...]


def pick(strategy: Strategy, criterion: Criterion, measured: Measured, most: int | None) -> Picked:
    """Let a strategy pick.

    Raises:
        DataError: if it needs more teachers, or the epoch it takes was not kept.
    """
    if len(measured.runs) < strategy.runs:
        raise DataError(f"{strategy.name} needs at least {counted(strategy.runs, 'teacher')}, got {len(measured.runs)}")
    curves = measured.curves(criterion)
    members = tuple(strategy.pick(curves, most))
    known = {Member(number, epoch) for number, epochs in enumerate(measured.epochs) for epoch in epochs}
    if not members or not set(members) <= known:
        strange = sorted(set(members) - known)
        found = f"run {strange[0].run}, epoch {strange[0].epoch}, which is no candidate" if strange else "nothing"
        raise DataError(f"the strategy {strategy.name} picked {found}; widen --epochs, or leave the strategy out")
    return Picked(strategy, members, tuple(_reasons(strategy, criterion, measured, curves, members)))


def as_choice(picked: Picked, criterion: Criterion, measured: Measured, *, mean: Mean, path: Path) -> Choice:
    """Return what is written to the choice file `path`."""
    by_validation = picked.strategy.uses_validation or (picked.strategy.uses_criterion and criterion.uses_validation)
    uses_criterion = picked.strategy.uses_criterion
    first = measured.runs[0]
    members = []
    for member in picked.members:
        run = measured.runs[member.run]
        record = read_record(epoch_file(run.folder, member.epoch))
        members.append(ChosenEpoch(relative_folder(run.folder, path), member.epoch, run.seed, record.checkpoint))
    return Choice(
        strategy=picked.strategy.name,
        criterion=criterion.name if uses_criterion else "",
        rule=criterion.rule.describe() if uses_criterion else "",
        mean=mean,
        why=picked.why,
        training=first.videos("training"),
        selected_on=first.videos("validation") if by_validation else (),
        members=tuple(members),
    )


def _reasons(
    strategy: Strategy,
    criterion: Criterion,
    measured: Measured,
    curves: Sequence[RunCurve],
    members: Sequence[Member],
) -> list[str]:
    """Return one sentence for each teacher that takes part."""
    sentences = []
    for number in sorted({member.run for member in members}):
        curve, run = curves[number], measured.runs[number]
        own = [member.epoch for member in members if member.run == number]
        places = [curve.epochs.index(epoch) for epoch in own]
        noun = "epoch" if len(own) == 1 else "epochs"
        text = f"seed {run.seed}: {noun} {epochs_as_text(own)}"
        if strategy.uses_criterion:
            found = ", ".join(f"{curve.values[place]:.3f}" for place in places)
            text += f"; {criterion.name} {found} ({criterion.rule.describe()})"
            if not criterion.rule.inside(curve.values)[curve.best]:
                text += "; no epoch is within what counts as good, so this is only the nearest one"
        scores = ", ".join(f"{100 * curve.validation_map[place]:.1f}" for place in places)
        sentences.append(f"{text}; inner-validation mAP {scores} %")
    return sentences
