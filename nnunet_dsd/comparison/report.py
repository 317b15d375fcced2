"""The report of a comparison: one HTML file with tables, figures, and what the numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from html import escape
from pathlib import Path

from nnunet_dsd import __version__
from nnunet_dsd.common.report_page import cards, compact_table, folded, page, paragraph, picture, section
from nnunet_dsd.comparison.against_baseline import PairedComparison
from nnunet_dsd.comparison.case_pictures import published
from nnunet_dsd.comparison.figure_files import CASES
from nnunet_dsd.comparison.formats import format_of, p_text
from nnunet_dsd.comparison.glance import glance
from nnunet_dsd.comparison.print_tables import headings, row_texts
from nnunet_dsd.comparison.results import Comparison, MeasureResults
from nnunet_dsd.comparison.runs import RunList
from nnunet_dsd.comparison.statements import case_notes, statistics_notes, table_notes
from nnunet_dsd.comparison.table import MeasureTable
from nnunet_dsd.evaluation.many_structures import listed_in_order
from nnunet_dsd.evaluation.measures import Measure

Figure = Callable[[str, str], str]
WIDTH_PX = 1240
MOST_ROWS = 24
BOXES = (
    "Boxes: quartiles and median over the cases; diamond: mean; whiskers: the last case within 1.5 times the box; a "
    "point per case, runs of a method averaged. Grey: the baseline."
)
DIFFERENCES = (
    "Mean difference from the baseline with its bootstrap interval. Blue: the interval lies on the better side of "
    "zero; orange: on the worse side; grey: it holds zero, or there is none. Intervals are not corrected for their "
    "number."
)
SLOPES = "A line per case from the baseline to the method. Blue: better; orange: worse; thick: the means."


def report_html(comparison: Comparison, figures: Path, not_drawn: Mapping[str, str]) -> str:
    """Return the report.

    Args:
        comparison: what was found.
        figures: folder with the figures as PNG.
        not_drawn: why figures are missing, by their names.
    """
    scores, baseline = comparison.scores, comparison.baseline
    title, warnings = comparison.run_list.title, case_notes(scores, baseline=baseline)
    numbers = statistics_notes(scores, baseline=baseline, seed=comparison.seed) if comparison.others else ()
    figure = partial(_figure, comparison.run_list, figures, not_drawn)
    body = [
        f"<h1>{escape(title)}</h1>",
        paragraph(_introduction(comparison), soft=True),
        *_at_a_glance(comparison),
        cards(_counts(comparison)),
        section("Note first", *map(paragraph, warnings)) if warnings else "",
        *(_measure_section(comparison, result, figure) for result in comparison.results),
        section("Cases to look at", _cases(comparison, figure)),
        section("What the numbers mean", *map(paragraph, numbers)) if numbers else "",
        section("Runs", _runs(comparison)),
        paragraph(
            f"Made by nnunet-dsd {__version__}. The folder of this report holds all tables and figures as files.",
            soft=True,
        ),
    ]
    return page(title, [part for part in body if part], width_px=WIDTH_PX)


def _at_a_glance(comparison: Comparison) -> list[str]:
    """Return the first table, where the list of runs knows more of methods than their scores."""
    return [compact_table(*glance(comparison))] if comparison.run_list.facts else []


def _introduction(comparison: Comparison) -> str:
    names = listed_in_order(comparison.scores.structure_names)
    if not comparison.others:
        return f"{comparison.baseline} alone, structures: {names}."
    return f"{', '.join(comparison.others)} against {comparison.baseline} on the same cases. Structures: {names}."


def _counts(comparison: Comparison) -> list[tuple[str, str]]:
    scores = comparison.scores
    counts = (("methods", scores.methods), ("runs", scores.runs), ("cases", scores.cases))
    return [(name, str(len(content))) for name, content in (*counts, ("structures", scores.structures))]


def _measure_section(comparison: Comparison, result: MeasureResults, figure: Figure) -> str:
    measure = result.measure
    parts = [_means(result.shown), *(paragraph(note, soft=True) for note in table_notes(result.table))]
    parts.append(figure(f"box_{measure.name}", BOXES))
    if result.comparisons:
        parts.append(f"<h3>Against {escape(comparison.baseline)}</h3>")
        parts.append(_differences(result.shown_comparisons, result.table))
        parts.append(figure(f"differences_{measure.name}", DIFFERENCES))
        parts.append(figure(f"slopes_{measure.name}", SLOPES))
    return section(format_of(measure).title, *parts)


def _means(table: MeasureTable) -> str:
    best = {
        (place, column)
        for place, row in enumerate(table.rows)
        for column, cell in enumerate(row.cells, start=2)  # after the method and what the deviation is over
        if cell.best
    }
    return compact_table(headings(table), [row_texts(table, row) for row in table.rows], bold=best)


def _differences(comparisons: Sequence[PairedComparison], table: MeasureTable) -> str:
    """Return all comparisons if they are few, otherwise those of the mean with the others behind a click."""
    every = _difference_table(comparisons, table.measure)
    means = [one for one in comparisons if one.column == table.mean_column]
    if len(comparisons) <= MOST_ROWS or not means:
        return every
    return _difference_table(means, table.measure) + folded(f"All {len(comparisons)} comparisons", every)


def _difference_table(comparisons: Sequence[PairedComparison], measure: Measure) -> str:
    printed = format_of(measure)
    difference = f"mean difference ({'points' if printed.unit == '%' else printed.unit})"
    names = ("method", "structure", "pairs", "lost", difference, "95 % interval", "median", "better / worse / equal")
    rows = []
    for one in comparisons:
        result = one.result
        counts = f"{one.better} / {one.worse} / {result.equal}" if one.direction else "no judgement"
        rows.append(
            (
                one.method,
                one.column,
                str(result.pairs),
                str(result.lost),
                printed.value(result.mean, signed=True),
                printed.interval(result.low, result.high),
                printed.value(result.median, signed=True),
                counts,
                p_text(result.p_value),
                p_text(one.adjusted),
                result.note,
            )
        )
    return compact_table((*names, "p", "p (Holm)", "test"), rows)


def _figure(run_list: RunList, figures: Path, not_drawn: Mapping[str, str], name: str, caption: str) -> str:
    """Return a figure, or why there is none."""
    if name in not_drawn:
        return paragraph(f"Not drawn. {published(not_drawn[name], run_list)}", soft=True)
    return picture(figures / f"{name}.png", caption)


def _cases(comparison: Comparison, figure: Figure) -> str:
    rule = (
        f"{''.join(comparison.others[:1])} against {comparison.baseline}: the cases with the best, the median and the "
        "worst change of the mean Dice (over structures, runs of a method averaged); with an even number of cases, the "
        "better of the two in the middle. The slice shows most of all structures of the reference, whatever the "
        "predictions are. Drawn is the first run that has the case; its own mean Dice stands below. Dotted: reference."
    )
    return figure(CASES, rule)


def _runs(comparison: Comparison) -> str:
    scores = comparison.scores
    rows = [
        (
            scores.run_names[one.run] if not one.run.is_known else one.run.method,
            "" if one.run.fold is None else str(one.run.fold),
            "" if one.run.seed is None else str(one.run.seed),
            str(len(one.cases)),
            one.run.notes or "",
        )
        for one in scores.runs
    ]
    return compact_table(("run", "fold", "seed", "cases", "notes"), rows)
