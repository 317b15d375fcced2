"""A comparison as JSON (everything) and as CSV (every value of every case)."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from nnunet_dsd import __version__
from nnunet_dsd.comparison.paired import CONFIDENCE, RESAMPLES
from nnunet_dsd.comparison.results import Comparison, MeasureResults
from nnunet_dsd.comparison.runs import Run
from nnunet_dsd.comparison.statements import case_notes, statistics_notes

MADE_BY = "nnunet-dsd compare"
MEAN_COLUMNS = (
    "measure", "method", "structure", "mean", "deviation", "deviation_over", "count", "defined", "total", "best",
)  # fmt: skip
DIFFERENCE_COLUMNS = (
    "measure", "method", "structure", "pairs", "lost", "mean", "low", "high", "median", "better", "worse", "equal",
    "p_value", "p_holm", "note",
)  # fmt: skip
SCORE_COLUMNS = ("method", "run", "fold", "seed", "case", "structure", "measure", "value")


def comparison_to_dict(comparison: Comparison, files: Sequence[str], not_drawn: Mapping[str, str]) -> dict[str, Any]:
    """Turn a comparison into plain values that JSON can hold, in the measures' units; undefined values are None.

    Args:
        comparison: what to turn.
        files: names of all files of the folder, which a later comparison may replace.
        not_drawn: why figures are missing, by their names.
    """
    scores, baseline = comparison.scores, comparison.baseline
    content = {
        "made_by": MADE_BY,
        "version": __version__,
        "files": list(files),
        "title": comparison.run_list.title,
        "baseline": baseline,
        "seed": comparison.seed,
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
        "structures": scores.structure_names,
        "mean_of_structures": scores.mean_column,
        "in_no_reference": scores.absent,
        "methods": scores.methods,
        "cases": scores.cases,
        "left_out": [
            {
                "method": one.run.method,
                "fold": one.run.fold,
                "seed": one.run.seed,
                "evaluation": str(one.run.evaluation),
            }
            | {"cases": one.cases, "not_predicted": one.missing}
            for one in scores.left_out
        ],
        "runs": [_run(one.run, cases=len(one.cases)) for one in scores.runs],
        "unused_runs": [_run(run, cases=0) for run in scores.unused],
        "notes": [
            *case_notes(scores, baseline=baseline),
            *statistics_notes(scores, baseline=baseline, seed=comparison.seed),
        ],
        "not_drawn": dict(not_drawn),
        "measures": [_measure(result) for result in comparison.results],
    }
    return {name: _plain(value) for name, value in content.items()}


def scores_csv(comparison: Comparison) -> str:
    """Return a line per run, case, structure and measure, as CSV; undefined values are empty cells.

    `run` numbers the runs of a method from 1, for those whose fold and seed are not known.
    """
    scores, rows = comparison.scores, []
    for method in scores.methods:
        for number, one in enumerate(scores.of(method), start=1):
            name = (method, number, one.run.fold, one.run.seed)
            for result in comparison.results:
                for case, row in zip(one.cases, one.values[result.measure.name].tolist(), strict=True):
                    for structure, value in zip(scores.structure_names, row, strict=True):
                        rows.append((*name, case, structure, result.measure.name, *_cells(value)))
    return _csv(SCORE_COLUMNS, rows)


def means_csv(comparison: Comparison) -> str:
    """Return a line per measure, method and structure with its mean, as CSV; undefined values are empty cells."""
    rows = []
    for result in comparison.results:
        for row in result.table.rows:
            for column, cell in zip(result.table.columns, row.cells, strict=True):
                means = (*_cells(cell.mean, cell.deviation), row.over, row.count)
                counts = (cell.defined, row.total, int(cell.best))
                rows.append((result.measure.name, row.method, column, *means, *counts))
    return _csv(MEAN_COLUMNS, rows)


def differences_csv(comparison: Comparison) -> str:
    """Return a line per measure, method and structure with its paired comparison, as CSV."""
    rows = []
    for result in comparison.results:
        for one in result.comparisons:
            paired = one.result
            differences = _cells(paired.mean, paired.low, paired.high, paired.median)
            counts = (one.better, one.worse, paired.equal)
            tests = (*_cells(paired.p_value, one.adjusted), paired.note)
            names = (result.measure.name, one.method, one.column)
            rows.append((*names, paired.pairs, paired.lost, *differences, *counts, *tests))
    return _csv(DIFFERENCE_COLUMNS, rows)


def _cells(*values: float) -> tuple[float | str, ...]:
    return tuple("" if math.isnan(value) else value for value in values)


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(rows)
    return buffer.getvalue()


def _run(run: Run, *, cases: int) -> dict[str, Any]:
    paths = {
        "evaluation": str(run.evaluation),
        "predictions": None if run.predictions is None else str(run.predictions),
    }
    return {**asdict(run), **paths, "cases": cases}


def _measure(result: MeasureResults) -> dict[str, Any]:
    return {
        **asdict(result.measure),
        "table": [
            {
                "method": row.method,
                "deviation_over": row.over,
                "count": row.count,
                "cells": [
                    {"structure": column, **asdict(cell)}
                    for column, cell in zip(result.table.columns, row.cells, strict=True)
                ],
            }
            for row in result.table.rows
        ],
        "comparisons": [
            {
                "method": one.method,
                "structure": one.column,
                **asdict(one.result),
                "p_holm": one.adjusted,
                "better": one.better,
                "worse": one.worse,
            }
            for one in result.comparisons
        ],
    }


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    return None if isinstance(value, float) and math.isnan(value) else value
