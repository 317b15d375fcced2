"""The scores of all runs on the cases that are compared, as arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.agreement import require_agreement
from nnunet_dsd.comparison.case_sets import RunCases, compared_cases
from nnunet_dsd.comparison.runs import Run, RunList, run_names
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.evaluation.measures import LengthUnit
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import Structure

MEANS = ("mean", "mean of structures")  # the first that no structure is called


@dataclass(frozen=True)
class RunScores:
    """The scores of one run on the compared cases that it has.

    Attributes:
        run: which one.
        cases: names in order.
        values: per measure, shape (cases, structures), in the measure's unit; NaN where undefined.
        prediction_voxels: sizes of the predicted structures, shape (cases, structures).
        reference_voxels: sizes of the reference structures, of the same shape.
    """

    run: Run
    cases: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]
    prediction_voxels: NDArray[np.int64]
    reference_voxels: NDArray[np.int64]


@dataclass(frozen=True)
class LeftOut:
    """What is not compared of one run.

    Attributes:
        run: which one.
        cases: names of its cases that another run of its fold, or another method, lacks.
        missing: names of the references that its evaluation left out because they were not predicted.
    """

    run: Run
    cases: tuple[str, ...]
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Scores:
    """The scores of all runs.

    Attributes:
        structures: in order.
        cases: names of the compared cases; every method has each of them in at least one run.
        runs: in the order of the run list.
        left_out: per run of which something is not compared, what that is.
        unused: runs that have none of the compared cases.
        length_unit: of the measures that are lengths.
        readers: names of nnU-Net's readers that read the evaluated files, as far as the evaluations tell.
    """

    structures: tuple[Structure, ...]
    cases: tuple[str, ...]
    runs: tuple[RunScores, ...]
    left_out: tuple[LeftOut, ...] = ()
    unused: tuple[Run, ...] = ()
    length_unit: LengthUnit = "mm"
    readers: frozenset[str] = frozenset()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods in the order of the runs."""
        return tuple(dict.fromkeys(scores.run.method for scores in self.runs))

    @property
    def run_names(self) -> dict[Run, str]:
        """How a report names each run, those too that have none of the compared cases."""
        return run_names([*(one.run for one in self.runs), *self.unused])

    @property
    def structure_names(self) -> tuple[str, ...]:
        """Names of the structures in order."""
        return tuple(structure.name for structure in self.structures)

    @property
    def columns(self) -> tuple[str, ...]:
        """The structures, and their mean where there are several; no two have one name."""
        return (*self.structure_names, self.mean_column) if self.mean_column else self.structure_names

    @property
    def mean_column(self) -> str | None:
        """What the mean over structures is called, which no structure is; None where there is but one structure."""
        return mean_name(self.structure_names) if len(self.structures) > 1 else None

    @cached_property
    def in_references(self) -> NDArray[np.bool_]:
        """Which structures any reference of the compared cases holds, shape (structures,)."""
        return np.asarray(np.any([one.reference_voxels.any(axis=0) for one in self.runs], axis=0), bool)

    @property
    def absent(self) -> tuple[str, ...]:
        """Names of the structures that the mean leaves out: no reference of the compared cases holds them."""
        return tuple(name for name, held in zip(self.structure_names, self.averaged, strict=True) if not held)

    @property
    def averaged(self) -> NDArray[np.bool_]:
        """Which structures the mean is over, shape (structures,): those of references, or all where none holds any."""
        return self.in_references if self.in_references.any() else np.ones(len(self.structures), bool)

    def of(self, method: str) -> tuple[RunScores, ...]:
        """The runs of one method."""
        return tuple(scores for scores in self.runs if scores.run.method == method)

    def per_case(self, method: str, measure: str) -> NDArray[np.float64]:
        """Values of a method, averaged over those of its runs that have the case.

        A value is undefined where any of these runs has none: a mean over the others would not be that of the method.

        Returns:
            Shape (cases, columns), NaN where undefined.
        """
        runs = self.of(method)
        result = np.empty((len(self.cases), len(self.structures)))
        rows = [{case: row for row, case in enumerate(scores.cases)} for scores in runs]
        for place, case in enumerate(self.cases):
            having = [(scores, row[case]) for scores, row in zip(runs, rows, strict=True) if case in row]
            result[place] = np.mean([scores.values[measure][row] for scores, row in having], axis=0)
        return self.with_mean(result)

    def with_mean(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Append the mean over structures to values of shape (..., structures); undefined where any of them is.

        Structures that no reference holds are left out of it.
        """
        if len(self.structures) == 1:
            return values
        return np.concatenate([values, values[..., self.averaged].mean(axis=-1, keepdims=True)], axis=-1)


def mean_name(structures: Sequence[str]) -> str:
    """Return what the mean over structures is called where these are the names of the structures."""
    taken = {name.casefold().strip() for name in structures}
    numbered = (f"{MEANS[-1]} ({number})" for number in itertools.count(2))
    return next(name for name in itertools.chain(MEANS, numbered) if name not in taken)


def read_scores(run_list: RunList, *, common_cases: bool = False) -> Scores:
    """Read the evaluations of all runs.

    Args:
        run_list: the runs.
        common_cases: compare on the cases that all runs of a fold and all methods have; otherwise all must have the
            same ones.

    Raises:
        DataError: if a file is no evaluation, evaluations do not go together, or runs of a fold or methods differ in
            their cases.
    """
    evaluations = _read_all(run_list.runs)
    require_agreement(run_list.runs, evaluations)
    pairs = list(zip(run_list.runs, evaluations, strict=True))
    having = [RunCases(run, frozenset(evaluation.cases), evaluation.missing) for run, evaluation in pairs]
    kept = compared_cases(having, common_cases=common_cases)
    every = [_run_scores(*pair, sorted(cases)) for pair, cases in zip(pairs, kept, strict=True)]
    return Scores(
        structures=evaluations[0].structures,
        cases=tuple(sorted(frozenset().union(*kept))),
        runs=tuple(scores for scores in every if scores.cases),
        left_out=tuple(
            LeftOut(one.run, tuple(sorted(one.cases - cases)), one.missing)
            for one, cases in zip(having, kept, strict=True)
            if one.cases != cases or one.missing
        ),
        unused=tuple(scores.run for scores in every if not scores.cases),
        length_unit=evaluations[0].length_unit,
        readers=frozenset(one.reader for one in evaluations if one.reader is not None),
    )


def _read_all(runs: Sequence[Run]) -> list[Evaluation]:
    evaluations, problems = [], []
    for run in runs:
        try:
            evaluations.append(read_evaluation_json(run.evaluation))
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("\n".join(problems))
    return evaluations


def _run_scores(run: Run, evaluation: Evaluation, cases: Sequence[str]) -> RunScores:
    rows = {case: row for row, case in enumerate(cases)}
    columns = {structure.name: column for column, structure in enumerate(evaluation.structures)}
    values = {measure.name: np.full((len(cases), len(columns)), math.nan) for measure in evaluation.measures}
    predicted, expected = np.zeros((2, len(cases), len(columns)), np.int64)
    for score in evaluation.scores:
        if score.case in rows:
            place = rows[score.case], columns[score.structure]
            predicted[place], expected[place] = score.prediction_voxels, score.reference_voxels
            for measure in evaluation.measures:
                values[measure.name][place] = getattr(score, measure.field)
    return RunScores(run, tuple(cases), values, predicted, expected)
