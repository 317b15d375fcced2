"""A comparison at a glance: a row per method with mean scores, difference from the baseline, and what else is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnunet_dsd.comparison.formats import format_of, p_text
from nnunet_dsd.comparison.results import Comparison, MeasureResults

HEADLINES = ("dice", "hd95_mm", "hd95_voxels")


def glance(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Return headings and rows: a method's means over structures, its difference in Dice, and the run list's facts."""
    shown = [result for result in comparison.results if result.measure.name in HEADLINES]
    first, facts = shown[:1], comparison.run_list.facts
    columns = tuple(dict.fromkeys(name for table in facts.values() for name in table))
    headings = (
        "method",
        *(f"mean {format_of(result.measure).title}" for result in shown),
        *(f"against {comparison.baseline}, 95 % interval, p" for _ in first),
        *columns,
    )
    rows = [
        (
            method,
            *(_mean(result, method) for result in shown),
            *(_difference(result, method) for result in first),
            *_facts(facts.get(method, {}), columns),
        )
        for method in comparison.scores.methods
    ]
    return headings, rows


def _mean(result: MeasureResults, method: str) -> str:
    row = next(row for row in result.table.rows if row.method == method)
    cell = row.cells[-1]  # the mean over structures, or the only one
    return format_of(result.measure).spread(cell.mean, cell.deviation)


def _difference(result: MeasureResults, method: str) -> str:
    column, printed = result.table.columns[-1], format_of(result.measure)
    for one in result.comparisons:
        if (one.method, one.column) == (method, column):
            found = one.result
            interval = printed.interval(found.low, found.high)
            return f"{printed.value(found.mean, signed=True)} {interval}, p {p_text(found.p_value)}"
    return ""


def _facts(known: Mapping[str, str], columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(known.get(column, "") for column in columns)
