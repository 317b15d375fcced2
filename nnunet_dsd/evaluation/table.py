"""An evaluation as a table on the terminal."""

from __future__ import annotations

from rich.markup import escape
from rich.table import Table

from nnunet_dsd.common.counting import counted
from nnunet_dsd.evaluation.emptiness import absent_structures
from nnunet_dsd.evaluation.many_structures import shown_structures
from nnunet_dsd.evaluation.measures import Measure
from nnunet_dsd.evaluation.results import Evaluation, Summary, summarise

DIGITS = {"fraction": 3, "mm": 2, "voxels": 2, "ml": 2}


def evaluation_table(evaluation: Evaluation) -> Table:
    """Build the table: a row per structure, a column per measure that judges; sizes are in the files only.

    A cell is the mean over cases ± the sample standard deviation, and how many of the cases have a value where not all
    do. Of many structures the mean over all, and those of the worst Dice are shown.
    """
    cases, shown = len(evaluation.cases), shown_structures(evaluation)
    many = len(evaluation.structures) > len(shown)
    which = f"; of {len(evaluation.structures)} structures the {len(shown)} of the lowest Dice" if many else ""
    table = Table(title=f"{counted(cases, 'case')}: mean ± standard deviation{which}", title_justify="left")
    table.add_column("structure", style="bold", overflow="fold")
    judging = [measure for measure in evaluation.measures if measure.better != "none"]
    for measure in judging:
        table.add_column(escape(_heading(measure, evaluation)), justify="right", overflow="fold")
    if many:
        averaged = len(_averaged(evaluation))
        named = "mean over all" if averaged == len(evaluation.structures) else f"mean over {averaged} in references"
        table.add_row(named, *(_mean_over_structures(evaluation, measure) for measure in judging))
        table.add_section()
    for structure in shown:
        summaries = [(evaluation.summary(structure.name, measure.name), measure) for measure in judging]
        table.add_row(escape(structure.name), *(format_summary(summary, measure) for summary, measure in summaries))
    return table


def _averaged(evaluation: Evaluation) -> list[str]:
    """Return which structures the mean is over: those that references hold, or all where none holds any."""
    names, absent = [structure.name for structure in evaluation.structures], absent_structures(evaluation)
    return [name for name in names if name not in absent] or names


def _mean_over_structures(evaluation: Evaluation, measure: Measure) -> str:
    """Format the mean of the means of the structures that references hold, with the deviation between them."""
    means = [evaluation.summary(name, measure.name).mean for name in _averaged(evaluation)]
    return format_summary(summarise(means), measure)


def format_summary(summary: Summary, measure: Measure) -> str:
    """Format mean ± standard deviation, without the latter below two cases, with counts where values are undefined."""
    cases = summary.defined + summary.undefined
    if not summary.defined:
        return f"undefined (0/{cases})"
    digits = DIGITS[measure.unit]
    spread = f" ± {summary.deviation:.{digits}f}" if summary.defined > 1 else ""
    return f"{summary.mean:.{digits}f}{spread}" + (f" ({summary.defined}/{cases})" if summary.undefined else "")


def _heading(measure: Measure, evaluation: Evaluation) -> str:
    if measure.name == "surface_dice":
        return f"{measure.title} at {evaluation.surface_tolerance_mm:g} {evaluation.length_unit}"
    return measure.title if measure.unit == "fraction" else f"{measure.title} ({measure.unit})"
