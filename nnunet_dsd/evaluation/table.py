"""An evaluation as a table on the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from nnunet_dsd.common.counting import counted
from nnunet_dsd.evaluation.measures import MEASURES, Measure
from nnunet_dsd.evaluation.results import Evaluation, Summary

DIGITS = {"fraction": 3, "mm": 2, "ml": 2}


def evaluation_table(evaluation: Evaluation) -> Table:
    """Build the table: a row per structure, a column per measure that judges; sizes are in the files only.

    A cell is the mean over cases ± the sample standard deviation, and how many of the cases have a value where not all
    do.
    """
    cases = len(evaluation.cases)
    table = Table(title=f"{counted(cases, 'case')}: mean ± standard deviation", title_justify="left")
    table.add_column("structure", style="bold")
    judging = [measure for measure in MEASURES if measure.better != "none"]
    for measure in judging:
        table.add_column(escape(_heading(measure, evaluation.surface_tolerance_mm)), justify="right")
    for structure in evaluation.structures:
        summaries = [(evaluation.summary(structure.name, measure.name), measure) for measure in judging]
        table.add_row(escape(structure.name), *(format_summary(summary, measure) for summary, measure in summaries))
    return table


def format_summary(summary: Summary, measure: Measure) -> str:
    """Format mean ± standard deviation, without the latter below two cases, with counts where values are undefined."""
    cases = summary.defined + summary.undefined
    if not summary.defined:
        return f"undefined (0/{cases})"
    digits = DIGITS[measure.unit]
    spread = f" ± {summary.deviation:.{digits}f}" if summary.defined > 1 else ""
    return f"{summary.mean:.{digits}f}{spread}" + (f" ({summary.defined}/{cases})" if summary.undefined else "")


def _heading(measure: Measure, surface_tolerance_mm: float) -> str:
    if measure.name == "surface_dice":
        return f"{measure.title} at {surface_tolerance_mm:g} mm"
    return measure.title if measure.unit == "fraction" else f"{measure.title} ({measure.unit})"
