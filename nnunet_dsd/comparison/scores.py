"""The scores of all runs on the cases that are compared, as arrays."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.comparison.agreement import require_agreement
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.export import read_evaluation_json
from nnunet_dsd.evaluation.measures import MEASURES
from nnunet_dsd.evaluation.results import Evaluation
from nnunet_dsd.evaluation.structures import Structure

MEAN = "mean"


@dataclass(frozen=True)
class RunScores:
    """The scores of one run on the compared cases that it has.

    Attributes:
        run: which one.
        cases: names in order.
        values: per measure, shape (cases, structures), in the measure's unit; NaN where undefined.
    """

    run: Run
    cases: tuple[str, ...]
    values: Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Scores:
    """The scores of all runs.

    Attributes:
        structures: in order.
        cases: names of the compared cases; every method has each of them in at least one run.
        runs: in the order of the run list.
        left_out: per method, how many of its cases are not compared because another method lacks them.
        unused: runs that have none of the compared cases.
    """

    structures: tuple[Structure, ...]
    cases: tuple[str, ...]
    runs: tuple[RunScores, ...]
    left_out: Mapping[str, int]
    unused: tuple[Run, ...] = ()

    @property
    def methods(self) -> tuple[str, ...]:
        """Names of the methods in the order of the runs."""
        return tuple(dict.fromkeys(scores.run.method for scores in self.runs))

    @property
    def structure_names(self) -> tuple[str, ...]:
        """Names of the structures in order."""
        return tuple(structure.name for structure in self.structures)

    @property
    def columns(self) -> tuple[str, ...]:
        """The structures, and their mean where there are several."""
        return (*self.structure_names, MEAN) if len(self.structures) > 1 else self.structure_names

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
        """Append the mean over structures to values of shape (..., structures); undefined where any of them is."""
        if len(self.structures) == 1:
            return values
        return np.concatenate([values, values.mean(axis=-1, keepdims=True)], axis=-1)


def read_scores(run_list: RunList, *, common_cases: bool = False) -> Scores:
    """Read the evaluations of all runs.

    Args:
        run_list: the runs.
        common_cases: compare on the cases that all methods have; otherwise all must have the same ones.

    Raises:
        DataError: if a file is no evaluation, evaluations do not go together, or methods differ in their cases.
    """
    evaluations = _read_all(run_list.runs)
    require_agreement(run_list.runs, evaluations)
    having = _cases_by_method(run_list, evaluations)
    cases = _compared_cases(having, common_cases=common_cases)
    every = [_run_scores(run, evaluation, cases) for run, evaluation in zip(run_list.runs, evaluations, strict=True)]
    return Scores(
        structures=evaluations[0].structures,
        cases=cases,
        runs=tuple(scores for scores in every if scores.cases),
        left_out={method: len(names - set(cases)) for method, names in having.items()},
        unused=tuple(scores.run for scores in every if not scores.cases),
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


def _cases_by_method(run_list: RunList, evaluations: Sequence[Evaluation]) -> dict[str, set[str]]:
    having: dict[str, set[str]] = {method: set() for method in run_list.methods}
    for run, evaluation in zip(run_list.runs, evaluations, strict=True):
        having[run.method].update(evaluation.cases)
    return having


def _compared_cases(having: Mapping[str, set[str]], *, common_cases: bool) -> tuple[str, ...]:
    union, common = set.union(*having.values()), set.intersection(*having.values())
    if not common:
        raise DataError("The methods have no case in common; evaluate them on the same cases.")
    if common_cases or union == common:
        return tuple(sorted(common))
    lines = [
        f"  - {method} has {len(names)} of {len(union)}; it lacks {_listed(sorted(union - names))}"
        for method, names in having.items()
        if names != union
    ]
    raise DataError(
        "The methods have not the same cases:\n" + "\n".join(lines) + "\n"
        f"Evaluate the missing ones, or compare on the {len(common)} common cases with --common-cases."
    )


def _listed(names: Sequence[str], most: int = 5) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


def _run_scores(run: Run, evaluation: Evaluation, cases: Sequence[str]) -> RunScores:
    mine = set(evaluation.cases)
    kept = tuple(case for case in cases if case in mine)
    rows = {case: row for row, case in enumerate(kept)}
    columns = {structure.name: column for column, structure in enumerate(evaluation.structures)}
    values = {measure.name: np.full((len(kept), len(columns)), math.nan) for measure in MEASURES}
    for score in evaluation.scores:
        if score.case in rows:
            for name, array in values.items():
                array[rows[score.case], columns[score.structure]] = getattr(score, name)
    return RunScores(run, kept, values)
