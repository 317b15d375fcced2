"""`nnunet-dsd evaluate`: predictions against references, per case and structure."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import track

from nnunet_dsd.common.paths import require_paths
from nnunet_dsd.files import require_writable
from nnunet_dsd.machine import progress_is_shown, usable_processes
from nnunet_dsd.printed_tables import print_table

if TYPE_CHECKING:
    from nnunet_dsd.evaluation.cases import CaseResult
    from nnunet_dsd.evaluation.results import Evaluation

SUMMARY = "evaluate predictions against references: Dice, surface distances, volumes, per case and structure"
MOST_PROCESSES = 8


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: the folders, what the labels mean, and how to measure."""
    parser.add_argument("predictions", type=Path, metavar="PREDICTIONS", help="folder with predicted label images")
    parser.add_argument("references", type=Path, metavar="REFERENCES", help="folder with references of the same names")
    parser.add_argument(
        "--dataset-json",
        type=Path,
        metavar="PATH",
        help="names the labels (default: dataset.json beside or in REFERENCES, or in PREDICTIONS)",
    )
    parser.add_argument(
        "--labels",
        nargs="+",
        default=[],
        metavar="NAME=VALUES",
        help="evaluate these instead of the dataset.json's: one value, or several for a region, such as whole=1,2",
    )
    parser.add_argument("-o", "--output", type=Path, help="folder for the results (default: PREDICTIONS/evaluation)")
    parser.add_argument(
        "--surface-tolerance", type=float, default=1.0, metavar="MM", help="of the surface Dice (default: %(default)s)"
    )
    parser.add_argument(
        "--both-empty",
        choices=("nan", "one"),
        default="nan",
        help="Dice where prediction and reference both lack a structure: undefined, or 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--processes", type=int, help=f"cases at the same time (default: one per core, at most {MOST_PROCESSES})"
    )
    parser.add_argument(
        "--allow-missing", action="store_true", help="leave references without a prediction out, and list them"
    )


def run(arguments: argparse.Namespace) -> int:
    """Evaluate, write the results, show the table."""
    from nnunet_dsd.evaluation.cases import evaluate_folders
    from nnunet_dsd.evaluation.export import write_results
    from nnunet_dsd.evaluation.label_source import resolve_labels
    from nnunet_dsd.evaluation.pairing import pair_folders, require_order
    from nnunet_dsd.evaluation.settings import EvaluationSettings

    predictions, references = arguments.predictions, arguments.references
    settings = EvaluationSettings(arguments.surface_tolerance, arguments.both_empty)
    require_paths(folders={"PREDICTIONS": predictions, "REFERENCES": references}, files={})
    require_order(predictions, references)
    output = arguments.output or predictions / "evaluation"
    require_writable(output)
    label_set, source = resolve_labels(
        predictions, references, dataset_json=arguments.dataset_json, words=arguments.labels
    )
    processes = usable_processes(MOST_PROCESSES) if arguments.processes is None else arguments.processes
    evaluation = evaluate_folders(
        predictions,
        references,
        label_set,
        settings=settings,
        processes=processes,
        allow_missing=arguments.allow_missing,
        track=_track,
    )
    written = write_results(output, evaluation)
    unreferenced = pair_folders(predictions, references, label_set.file_ending).unreferenced
    _show(evaluation, source=source, unreferenced=unreferenced, written=written)
    return 0


def _track(results: Iterable[CaseResult], total: int) -> Iterable[CaseResult]:
    hidden = not progress_is_shown()
    return track(results, "evaluating", total=total, console=Console(stderr=True), disable=hidden, transient=True)


def _show(
    evaluation: Evaluation, *, source: Path | None, unreferenced: tuple[str, ...], written: tuple[Path, ...]
) -> None:
    from nnunet_dsd.evaluation.table import evaluation_table

    console = Console()
    print_table(evaluation_table(evaluation), console)
    notes = [
        f"labels: {source or '--labels; no dataset.json was found, so other label values were not looked for'}",
        *_listing(evaluation.missing, "reference(s) have no prediction and were left out"),
        *_listing(unreferenced, "prediction(s) have no reference and were left aside"),
        *(f"written: {path}" for path in written),
    ]
    for note in notes:
        console.print(escape(note), soft_wrap=True, highlight=False)


def _listing(cases: tuple[str, ...], what: str) -> list[str]:
    return [f"{len(cases)} {what}: {', '.join(cases)}"] if cases else []
