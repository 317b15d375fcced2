"""The table as papers print it: per method and structure the mean with its standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.scores import RunScores, Scores
from nnunet_dsd.evaluation.measures import Measure
from nnunet_dsd.evaluation.results import summarise


@dataclass(frozen=True)
class Cell:
    """Mean and spread of one method and structure.

    Attributes:
        mean: over cases within a run, then over runs; NaN if no value is defined.
        deviation: sample standard deviation; NaN below two values.
        undefined: how many values of single cases are undefined, over all runs.
        best: whether no other method's mean is better, as printed.
    """

    mean: float
    deviation: float
    undefined: int
    best: bool = False


@dataclass(frozen=True)
class Row:
    """The cells of one method.

    Attributes:
        method: its name.
        over: what the standard deviations are taken over.
        count: how many of them: runs, or cases of the only run.
        cells: per column.
    """

    method: str
    over: Literal["runs", "cases"]
    count: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class MeasureTable:
    """All methods' means of one measure."""

    measure: Measure
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def measure_table(scores: Scores, measure: Measure) -> MeasureTable:
    """Build the table of one measure.

    With several runs of a method, the standard deviation is that of the runs' means; with a single run, that of the
    cases. The last column, where there are several structures, is the mean of the columns before it.
    """
    rows = [_row(scores, method, measure.name) for method in scores.methods]
    return MeasureTable(measure, scores.columns, _with_best(rows, measure))


def _row(scores: Scores, method: str, measure: str) -> Row:
    runs = scores.of(method)
    undefined = np.array([_undefined(scores, run, measure) for run in runs]).sum(axis=0)
    if len(runs) == 1:
        means = _run_means(scores, runs[0], measure)
        columns = scores.with_mean(runs[0].values[measure]).T
        cells = [
            Cell(float(mean), summarise(list(column)).deviation, int(count))
            for mean, column, count in zip(means, columns, undefined, strict=True)
        ]
        return Row(method, "cases", len(runs[0].cases), tuple(cells))
    columns = np.array([_run_means(scores, run, measure) for run in runs]).T
    summaries = [summarise(list(column)) for column in columns]
    cells = [Cell(one.mean, one.deviation, int(count)) for one, count in zip(summaries, undefined, strict=True)]
    return Row(method, "runs", len(runs), tuple(cells))


def _run_means(scores: Scores, run: RunScores, measure: str) -> NDArray[np.float64]:
    means = np.array([summarise(list(column)).mean for column in run.values[measure].T])
    return scores.with_mean(means)


def _undefined(scores: Scores, run: RunScores, measure: str) -> list[int]:
    columns = scores.with_mean(run.values[measure]).T
    return [int(np.isnan(column).sum()) for column in columns]


def _with_best(rows: list[Row], measure: Measure) -> tuple[Row, ...]:
    if measure.better == "none" or len(rows) == 1:
        return tuple(rows)
    by_column = [_best_of([row.cells[index] for row in rows], measure) for index in range(len(rows[0].cells))]
    return tuple(
        replace(
            row, cells=tuple(replace(cell, best=place in best) for cell, best in zip(row.cells, by_column, strict=True))
        )
        for place, row in enumerate(rows)
    )


def _best_of(cells: list[Cell], measure: Measure) -> set[int]:
    """Places of the best means; those that are printed alike are equally good."""
    printed = format_of(measure)
    merits = [_merit(round(cell.mean * printed.factor, printed.digits), measure) for cell in cells]
    known = [merit for merit in merits if not math.isnan(merit)]
    return {place for place, merit in enumerate(merits) if known and merit == max(known)}


def _merit(value: float, measure: Measure) -> float:
    if measure.better == "zero":
        return -abs(value)
    return -value if measure.better == "lower" else value
