"""The tables as Markdown and as LaTeX, to paste into a paper."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from nnunet_dsd.common.markup import latex_text, markdown_text
from nnunet_dsd.comparison.formats import format_of
from nnunet_dsd.comparison.results import Comparison
from nnunet_dsd.comparison.statements import case_notes, table_notes
from nnunet_dsd.comparison.table import MeasureTable, Row


def headings(table: MeasureTable) -> tuple[str, ...]:
    """The headings of a table: method, what the spread is over, the structures, their mean."""
    return ("method", "± over", *table.columns)


def row_texts(table: MeasureTable, row: Row) -> tuple[str, ...]:
    """The cells of a row as they are printed, without marks for the best.

    A mean that does not stand on all cases is followed by how many it stands on, such as 3.20 ± 0.41 (7/9); a mean
    over structures by the fewest that one of its parts stands on, such as 3.20 ± 0.41 (≥7/9).
    """
    unit = row.over if row.count != 1 else row.over[:-1]
    cells = (cell_text(table, row, column) for column in range(len(row.cells)))
    return (row.method, f"{row.count} {unit}", *cells)


def cell_text(table: MeasureTable, row: Row, column: int) -> str:
    """One cell of a row as it is printed, without a mark for the best."""
    cell = row.cells[column]
    text = format_of(table.measure).spread(cell.mean, cell.deviation)
    if cell.defined == row.total or math.isnan(cell.mean):
        return text
    return f"{text} ({'≥' if table.columns[column] == table.mean_column else ''}{cell.defined}/{row.total})"


def markdown(comparison: Comparison) -> str:
    """All tables as Markdown; the best means are bold."""
    lines = [f"# {markdown_text(comparison.run_list.title)}", ""]
    lines += _paragraphs(case_notes(comparison.scores, baseline=comparison.baseline))
    for result in comparison.results:
        table = result.shown
        lines += [f"## {markdown_text(format_of(table.measure).title)}", ""]
        names = [markdown_text(name) for name in headings(table)]
        lines += [_markdown_row(names), _markdown_row(["---", *["---:"] * (len(names) - 1)])]
        lines += [_markdown_row(_marked(table, row, markdown_text, "**{}**")) for row in table.rows]
        lines += ["", *_paragraphs(table_notes(result.table))]
    return "\n".join(lines).rstrip() + "\n"


def latex(comparison: Comparison) -> str:
    """All tables as LaTeX for the package booktabs; the best means are bold."""
    lines = [r"% \usepackage{booktabs}"]
    for result in comparison.results:
        table = result.shown
        title = format_of(table.measure).title
        caption = " ".join(
            (f"{title}.", *table_notes(result.table), *case_notes(comparison.scores, baseline=comparison.baseline))
        )
        lines += ["", r"\begin{table}", r"  \centering", f"  \\caption{{{latex_text(caption)}}}"]
        lines += [f"  \\begin{{tabular}}{{ll{'c' * len(table.columns)}}}", r"    \toprule"]
        lines += [_latex_row([latex_text(name) for name in headings(table)]), r"    \midrule"]
        lines += [_latex_row(_marked(table, row, latex_text, r"\textbf{{{}}}")) for row in table.rows]
        lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _marked(table: MeasureTable, row: Row, escape: Callable[[str], str], bold: str) -> list[str]:
    best = (False, False, *(cell.best for cell in row.cells))
    texts = [escape(text) for text in row_texts(table, row)]
    return [bold.format(text) if marked else text for text, marked in zip(texts, best, strict=True)]


def _paragraphs(texts: Sequence[str]) -> list[str]:
    return [line for text in texts for line in (markdown_text(text), "")]


def _markdown_row(texts: Sequence[str]) -> str:
    return f"| {' | '.join(texts)} |"


def _latex_row(texts: Sequence[str]) -> str:
    return f"    {' & '.join(texts)} \\\\"
