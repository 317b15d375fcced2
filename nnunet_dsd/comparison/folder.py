"""The folder of a comparison: written whole or not at all, over nothing but an earlier comparison."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from nnunet_dsd.common.files import PARTIAL_PREFIX, whole_folder, write_json, write_text
from nnunet_dsd.comparison.earlier import EARLIER, REPORT, RESULTS, clear_up, holds_something, require_free
from nnunet_dsd.comparison.export import comparison_to_dict, differences_csv, means_csv, scores_csv
from nnunet_dsd.comparison.figure_files import CASES, figure_tasks
from nnunet_dsd.comparison.print_tables import latex, markdown
from nnunet_dsd.comparison.report import report_html
from nnunet_dsd.comparison.results import Comparison

SCORES, MARKDOWN, LATEX = "scores.csv", "table.md", "table.tex"
MEANS, DIFFERENCES = "means.csv", "differences.csv"


def write_comparison(
    folder: Path, comparison: Comparison, *, overwrite: bool, drawn: Callable[[], None]
) -> dict[str, str]:
    """Write report, tables, values and figures.

    Args:
        folder: where to.
        comparison: what was found.
        overwrite: whether an earlier comparison may be replaced.
        drawn: called after every figure.

    Returns:
        Why a figure is missing, by its name.

    Raises:
        SetupError: if the folder may not be written.
    """
    require_free(folder, overwrite=overwrite)
    missing = {CASES: comparison.pictures.problem} if comparison.pictures.problem else {}
    with whole_folder(folder) as temporary:
        for task in figure_tasks(comparison):
            if problem := task.save(temporary):
                missing[task.name] = problem
            drawn()
        write_text(temporary / MARKDOWN, markdown(comparison))
        write_text(temporary / LATEX, latex(comparison))
        write_text(temporary / SCORES, scores_csv(comparison))
        write_text(temporary / MEANS, means_csv(comparison))
        write_text(temporary / DIFFERENCES, differences_csv(comparison))
        write_text(temporary / REPORT, report_html(comparison, temporary, missing))
        names = sorted([RESULTS, *(path.name for path in temporary.iterdir())])
        write_json(temporary / RESULTS, comparison_to_dict(comparison, names, missing))
        _move_earlier_away(folder)
    clear_up(folder)
    return missing


def _move_earlier_away(folder: Path) -> None:
    if holds_something(folder):
        os.replace(folder, folder.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{EARLIER}{folder.name}"))
