"""The folder of a comparison: written whole or not at all, over nothing but an earlier comparison."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

from nnunet_dsd.comparison.export import MADE_BY, comparison_to_dict, scores_csv
from nnunet_dsd.comparison.print_tables import latex, markdown
from nnunet_dsd.comparison.results import Comparison
from nnunet_dsd.errors import SetupError
from nnunet_dsd.files import PARTIAL_PREFIX, whole_folder, write_json, write_text

RESULTS, REPORT, SCORES, MARKDOWN, LATEX = "comparison.json", "report.html", "scores.csv", "table.md", "table.tex"
EARLIER = "earlier-"  # begins the name of a comparison that was moved away


def require_free(folder: Path, *, overwrite: bool) -> None:
    """Check that a folder may be written; what a killed process left of an earlier call is put in order first.

    Raises:
        SetupError: if it is a file, holds anything but an earlier comparison, or holds one that must not be replaced.
    """
    _clear_up(folder)
    if not _holds_something(folder):
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
    from nnunet_dsd.comparison.figure_files import figure_tasks  # with matplotlib, which the checks do without
    from nnunet_dsd.comparison.report import report_html

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
    _clear_up(folder)


def _files_of_earlier(folder: Path) -> set[str]:
    """Names of the files of the comparison that a folder holds; none if it holds another thing."""
    try:
        content = json.loads((folder / RESULTS).read_text(encoding="utf-8"))
        return set(content["files"]) if content["made_by"] == MADE_BY else set()
    except (OSError, ValueError, KeyError, TypeError):
        return set()


def _move_earlier_away(folder: Path) -> None:
    if _holds_something(folder):
        os.replace(folder, folder.with_name(f"{PARTIAL_PREFIX}{os.getpid()}-{EARLIER}{folder.name}"))


def _clear_up(folder: Path) -> None:
    """Delete the comparison that was moved away; where a kill left no new one in its place, it comes back instead."""
    for aside in folder.parent.glob(f"{PARTIAL_PREFIX}*"):
        process, _, name = aside.name.removeprefix(PARTIAL_PREFIX).partition("-")
        if not process.isdecimal() or name != EARLIER + folder.name:
            continue
        if not _holds_something(folder) and _is_whole(aside):
            os.replace(aside, folder)
        shutil.rmtree(aside, ignore_errors=True)
        shutil.rmtree(folder.with_name(f"{PARTIAL_PREFIX}{process}-{folder.name}"), ignore_errors=True)


def _is_whole(folder: Path) -> bool:
    files = _files_of_earlier(folder)
    return bool(files) and all((folder / name).exists() for name in files)


def _holds_something(folder: Path) -> bool:
    return folder.exists() and not (folder.is_dir() and not any(folder.iterdir()))
