"""The table as papers print it: per method and structure the mean with its standard deviation."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.evaluation.many_structures import shown_names
from nnunet_dsd.evaluation.measures import Measure
from nnunet_dsd.evaluation.results import summarise


@dataclass(frozen=True)
class Cell:
    """Mean and spread of one method and structure.

    Attributes:
        mean: over cases within a run, then over runs; NaN if no value is defined.
        deviation: sample standard deviation; NaN below two values.
        defined: how many values of single cases the mean stands on, over all runs; of the mean over structures: how
            many that of the structure with the fewest stands on.
        undefined: how many values of single cases are undefined, over all runs; of the mean over structures: in how
            many cases that of any structure is.
        best: whether the mean is better, as printed, than that of every other method that it can be compared with.
    """

    mean: float
    deviation: float
    defined: int
    undefined: int
    best: bool = False


@dataclass(frozen=True)
class Row:
    """The cells of one method.

    Attributes:
        method: its name.
        over: what the standard deviations are taken over.
        count: how many of them: runs, or cases of the only run.
        total: how many values of single cases a mean could stand on: cases, over all runs.
        cells: per column.
    """

    method: str
    over: Literal["runs", "cases"]
    count: int
    total: int
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class MeasureTable:
    """All methods' means of one measure.

    Attributes:
        measure: which one.
        columns: the structures, and their mean where there are several.
        rows: per method.
        mean_column: which column is the mean over structures; None: none is.
        absent: structures that no reference holds; the mean leaves them out.
    """

    measure: Measure
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    mean_column: str | None
    absent: tuple[str, ...]


def shown_part(table: MeasureTable) -> MeasureTable:
    """Return the columns that are printed and drawn: all, or of many structures the worst over all methods.

    The mean over all structures stays the last column.
    """
    structures = range(max(1, len(table.columns) - 1))
    means = [
        (table.columns[place], summarise([row.cells[place].mean for row in table.rows]).mean) for place in structures
    ]
    names = (*shown_names(means, table.measure), *table.columns[len(structures) :])
    places = [table.columns.index(name) for name in names]
    rows = tuple(replace(row, cells=tuple(row.cells[place] for place in places)) for row in table.rows)
    return replace(table, columns=names, rows=rows)


def measure_table(scores: Scores, measure: Measure) -> MeasureTable:
    """Build the table of one measure.

    With several runs of a method, the standard deviation is that of the runs' means; with a single run, that of the
    cases. The last column, where there are several structures, is the mean of those before it that a reference
    holds.
    """
    rows = [_row(scores, method, measure.name) for method in scores.methods]
    marked = _with_best(rows, measure, _comparable(scores, measure))
    return MeasureTable(measure, scores.columns, marked, scores.mean_column, scores.absent)


def _row(scores: Scores, method: str, measure: str) -> Row:
    runs = scores.of(method)
    values = [run.values[measure] for run in runs]
    known = np.sum([(~np.isnan(one)).sum(axis=0) for one in values], axis=0)
    undefined = np.sum([np.isnan(scores.with_mean(one)).sum(axis=0) for one in values], axis=0).tolist()
    defined = [*known.tolist(), *([int(known[scores.averaged].min())] if scores.mean_column else [])]
    means = np.array([scores.with_mean(np.array([summarise(list(column)).mean for column in one.T])) for one in values])
    is_single = len(runs) == 1
    spread_over = scores.with_mean(values[0]) if is_single else means
    cells = tuple(
        Cell(summarise(list(column)).mean, summarise(list(spread)).deviation, *counts)
        for column, spread, *counts in zip(means.T, spread_over.T, defined, undefined, strict=True)
    )
    total = sum(len(run.cases) for run in runs)
    return Row(method, "cases" if is_single else "runs", total if is_single else len(runs), total, cells)


def _comparable(scores: Scores, measure: Measure) -> NDArray[np.bool_]:
    """Tell which means can be compared with each other, shape (methods, columns).

    A distance is undefined where a structure was missed, so the mean of a method that lacks values that another has
    leaves out what it missed, and is not compared. An undefined Dice says that a structure was rightly not found; so
    where methods lack different values of a measure that is no distance, no mean is compared.
    """
    structures = len(scores.structures)
    values = np.array([scores.per_case(method, measure.name)[:, :structures] for method in scores.methods])
    known = ~np.isnan(values)
    complete = (known == known.any(axis=0)).all(axis=1)
    if not measure.is_length:
        complete &= complete.all(axis=0)
    of_mean = complete[:, scores.averaged].all(axis=1, keepdims=True)
    return np.concatenate([complete, of_mean], axis=1)[:, : len(scores.columns)]


def _with_best(rows: list[Row], measure: Measure, comparable: NDArray[np.bool_]) -> tuple[Row, ...]:
    if measure.better == "none":
        return tuple(rows)
    best = [_best_of([row.cells[column] for row in rows], measure, among) for column, among in enumerate(comparable.T)]
    return tuple(
        replace(row, cells=tuple(replace(cell, best=place == one) for cell, one in zip(row.cells, best, strict=True)))
        for place, row in enumerate(rows)
    )


def _best_of(cells: list[Cell], measure: Measure, among: NDArray[np.bool_]) -> int | None:
    """Place of the best mean; None if it is the only one, or others are printed alike."""
    printed = format_of(measure)
    merits = {
        place: _merit(round(cell.mean * printed.factor, printed.digits), measure)
        for place, cell in enumerate(cells)
        if among[place] and not math.isnan(cell.mean)
    }
    winners = [place for place, merit in merits.items() if merit == max(merits.values())]
    return winners[0] if len(winners) == 1 and len(merits) > 1 else None


def _merit(value: float, measure: Measure) -> float:
    if measure.better == "zero":
        return -abs(value)
    return -value if measure.better == "lower" else value
