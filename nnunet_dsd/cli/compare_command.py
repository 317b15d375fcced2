"""`nnunet-dsd compare`: several runs on the same cases, with statistics and a report."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.errors import SettingsError

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from nnunet_dsd.comparison.results import Comparison, MeasureResults
    from nnunet_dsd.comparison.runs import RunList

SUMMARY = "compare runs on the same cases: tables, paired tests, figures, a report"
ONE_METHOD = (
    "there is one method, so nothing is compared: a difference needs a baseline and another method on the same cases "
    "(compare STOCK=stock/evaluation.json OTHER=other/evaluation.json -o FOLDER). The tables hold the means of this "
    "method's runs; for the scores of a single run see the scores.csv and evaluation.json of nnunet-dsd evaluate"
)
DEFAULT_MEASURES = {"mm": ("dice", "hd95_mm"), "voxels": ("dice", "hd95_voxels")}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the runs, where to write, and how to compare."""
    parser.add_argument(
        "evaluations",
        nargs="*",
        metavar="METHOD=EVALUATION.json",
        help="files of nnunet-dsd evaluate; a method that is repeated has several runs (folds or seeds)",
    )
    parser.add_argument("--runs", type=Path, metavar="RUNS.json", help="a list of runs instead, see the how-to page")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write")
    parser.add_argument(
        "--images", type=Path, metavar="FOLDER", help="nnU-Net's images of the cases; with --references some are drawn"
    )
    parser.add_argument("--references", type=Path, metavar="FOLDER", help="reference label images, to draw cases")
    parser.add_argument(
        "--measures",
        nargs="+",
        metavar="MEASURE",
        help=f"measures of the evaluations (default: {' '.join(DEFAULT_MEASURES['mm'])}, or "
        f"{' '.join(DEFAULT_MEASURES['voxels'])} where lengths are in voxels)",
    )
    parser.add_argument("--baseline", metavar="METHOD", help="compare the others with it (default: the first method)")
    parser.add_argument(
        "--common-cases",
        action="store_true",
        help="compare on the cases that all runs of a fold and all methods have; leave out the others and say which",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (default: %(default)s)")
    parser.add_argument("--overwrite", action="store_true", help="replace an earlier comparison in the folder")


def run(arguments: argparse.Namespace) -> int:
    """Compare, write the folder, and print the tables."""
    from rich.console import Console

    from nnunet_dsd.common.tables import print_table
    from nnunet_dsd.comparison.earlier import REPORT, require_free
    from nnunet_dsd.comparison.results import compare
    from nnunet_dsd.comparison.runs import with_baseline
    from nnunet_dsd.comparison.scores import read_scores
    from nnunet_dsd.comparison.statements import case_notes
    from nnunet_dsd.comparison.twins import require_own_scores
    from nnunet_dsd.evaluation.measures import find_measure, require_known

    if arguments.seed < 0:
        raise SettingsError([f"seed {arguments.seed}, allowed is at least 0"], source="--seed")
    _require_measures_only(arguments.measures or [])
    require_known(arguments.measures or [])
    folder = arguments.output.expanduser().resolve()
    require_free(folder, overwrite=arguments.overwrite)
    run_list = with_baseline(_run_list(arguments), arguments.baseline)
    scores = read_scores(run_list, common_cases=arguments.common_cases)
    require_own_scores(scores)
    names = arguments.measures or DEFAULT_MEASURES[scores.length_unit]
    measures = [find_measure(name, scores.length_unit) for name in dict.fromkeys(names)]
    comparison = compare(run_list, scores, measures, seed=arguments.seed)
    console = Console()
    not_drawn = _write(folder, comparison, overwrite=arguments.overwrite, console=console)
    for result in comparison.results:
        print_table(_summary(comparison, result), console)
    if not comparison.others:
        console.print(f"note: {ONE_METHOD}", soft_wrap=True, highlight=False, markup=False)
    for note in case_notes(scores, baseline=comparison.baseline):
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    for name, reason in not_drawn.items():
        console.print(f"not drawn: {name}. {reason}", soft_wrap=True, highlight=False, markup=False)
    console.print(f"report: {folder / REPORT}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _require_measures_only(words: list[str]) -> None:
    evaluations = [word for word in words if "=" in word]
    if evaluations:
        problem = (
            f"all words after --measures are measures, and {', '.join(evaluations)} is none; METHOD=EVALUATION.json "
            "words go before the options: nnunet-dsd compare METHOD=EVALUATION.json ... -o FOLDER --measures dice"
        )
        raise SettingsError([problem], source="--measures")


def _run_list(arguments: argparse.Namespace) -> RunList:
    from nnunet_dsd.comparison.runs import run_list_from_words, with_pictures
    from nnunet_dsd.comparison.runs_file import read_run_list

    if (arguments.runs is None) == (not arguments.evaluations):
        problem = "give either --runs RUNS.json or METHOD=EVALUATION.json words, one of the two"
        raise SettingsError([problem], source="the command line")
    if arguments.runs is None:
        words = run_list_from_words(arguments.evaluations)
        return with_pictures(words, images=arguments.images, references=arguments.references)
    if arguments.images or arguments.references:
        raise SettingsError([f"{arguments.runs} names images and references itself"], source="--images, --references")
    return read_run_list(arguments.runs)


def _write(folder: Path, comparison: Comparison, *, overwrite: bool, console: Console) -> dict[str, str]:
    from rich.progress import Progress

    from nnunet_dsd.common.machine import is_continuous_integration
    from nnunet_dsd.comparison.figure_files import figure_tasks
    from nnunet_dsd.comparison.folder import write_comparison

    hidden = not console.is_terminal or is_continuous_integration()
    with Progress(console=console, transient=True, disable=hidden) as progress:
        task = progress.add_task("drawing", total=len(figure_tasks(comparison)))
        return write_comparison(folder, comparison, overwrite=overwrite, drawn=lambda: progress.advance(task))


def _summary(comparison: Comparison, result: MeasureResults) -> Table:
    """Methods by their last column: the mean over structures, or the only structure. The report has the others."""
    from rich.table import Table
    from rich.text import Text

    from nnunet_dsd.comparison.formats import format_of, p_text
    from nnunet_dsd.comparison.print_tables import row_texts

    printed, column = format_of(result.measure), result.table.columns[-1]
    found = {one.method: one for one in result.comparisons if one.column == column}
    against = f", against {comparison.baseline}" if found else ""
    table = Table(title=Text(f"{printed.title}, {column}{against}"), title_justify="left")
    for heading in ("method", "± over", "mean ± sd", *(("difference", "95 % interval", "p (Holm)") if found else ())):
        table.add_column(Text(heading), justify="left" if heading == "method" else "right", overflow="fold")
    for row in result.table.rows:
        method, over, *_, mean = row_texts(result.table, row)
        texts = [Text(method), Text(over), Text(mean, style="bold" if row.cells[-1].best else "")]
        if method in found:
            paired = found[method].result
            interval = printed.interval(paired.low, paired.high)
            texts += [
                Text(printed.value(paired.mean, signed=True)),
                Text(interval),
                Text(p_text(found[method].adjusted)),
            ]
        table.add_row(*texts)
    return table
