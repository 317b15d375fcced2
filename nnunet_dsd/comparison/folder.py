"""The folder of a comparison: written whole or not at all, over nothing but an earlier comparison."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from nnunet_dsd.comparison.export import MADE_BY, comparison_to_dict, scores_csv
from nnunet_dsd.comparison.figure_files import figure_tasks
from nnunet_dsd.comparison.print_tables import latex, markdown
from nnunet_dsd.comparison.report import report_html
from nnunet_dsd.comparison.results import Comparison
from nnunet_dsd.errors import SetupError
from nnunet_dsd.files import PARTIAL_PREFIX, whole_folder, write_json, write_text

RESULTS, REPORT, SCORES, MARKDOWN, LATEX = "comparison.json", "report.html", "scores.csv", "table.md", "table.tex"


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder may be written.

    Raises:
        SetupError: if it is a file, holds anything but an earlier comparison, or holds one that must not be replaced.
    """
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    if not folder.is_dir():
        raise SetupError(f"{folder} is a file; give another folder with -o.")
    ours = _files_of_earlier(folder)
    foreign = sorted(path.name for path in folder.iterdir() if path.name not in ours)
    if foreign:
        raise SetupError(
            f"{folder} holds what is not of a comparison, for example {foreign[0]}; it is left alone. "
            "Give an empty or new folder with -o."
        )
    if not overwrite:
        raise SetupError(f"{folder} holds an earlier comparison; replace it with --overwrite, or give another with -o.")


def write_comparison(folder: Path, comparison: Comparison, *, overwrite: bool, drawn: Callable[[], None]) -> None:
    """Write report, tables, values and figures.

    Args:
        folder: where to.
        comparison: what was found.
        overwrite: whether an earlier comparison may be replaced.
        drawn: called after every figure.

    Raises:
        SetupError: if the folder may not be written.
    """
    require_free(folder, overwrite=overwrite)
    with whole_folder(folder) as temporary:
        for task in figure_tasks(comparison):
            task.save(temporary)
            drawn()
        write_text(temporary / MARKDOWN, markdown(comparison))
        write_text(temporary / LATEX, latex(comparison))
        write_text(temporary / SCORES, scores_csv(comparison))
        write_text(temporary / REPORT, report_html(comparison, temporary))
        names = sorted([RESULTS, *(path.name for path in temporary.iterdir())])
        write_json(temporary / RESULTS, comparison_to_dict(comparison, names))
        _move_earlier_away(folder)
    shutil.rmtree(_aside(folder), ignore_errors=True)


def _files_of_earlier(folder: Path) -> set[str]:
    """Names of the files of the comparison that a folder holds; none if it holds another thing."""
    try:
        content = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        return set(content["files"]) if content["made_by"] == MADE_BY else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _move_earlier_away(folder: Path) -> None:
    if folder.is_dir() and any(folder.iterdir()):
        os.replace(folder, _aside(folder))


def _aside(folder: Path) -> Path:
    return folder.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-earlier-{folder.name}")
