"""`nnunet-dsd evaluate`: predictions against references, per case and structure."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.files import require_writable
from nnunet_dsd.common.paths import require_paths
from nnunet_dsd.common.progress import track
from nnunet_dsd.common.tables import print_table

if TYPE_CHECKING:
    from nnunet_dsd.evaluation.cases import CaseResult
    from nnunet_dsd.evaluation.results import Evaluation
    from nnunet_dsd.evaluation.structures import LabelSet

SUMMARY = "evaluate predictions against references: Dice, surface distances, volumes, per case and structure"
SURFACE_TOLERANCE = "of the surface Dice, in voxels where the files have no spacing (default: %(default)s)"
IN_VOXELS = "lengths are in voxels: the files do not say how large a voxel is, so there are no mm and no ml"


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
    parser.add_argument("--surface-tolerance", type=float, default=1.0, metavar="MM", help=SURFACE_TOLERANCE)
    parser.add_argument(
        "--both-empty",
        choices=("nan", "one"),
        default="nan",
        help="Dice where prediction and reference both lack a structure: undefined, or 1 (default: %(default)s)",
    )
    parser.add_argument(
        "--processes", type=int, metavar="N", help="cases at the same time (default: what the images are worth)"
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
    from nnunet_dsd.evaluation.structures import almost_reserved

    predictions, references = arguments.predictions, arguments.references
    settings = EvaluationSettings(arguments.surface_tolerance, arguments.both_empty)
    if arguments.processes is not None and arguments.processes < 1:
        raise SettingsError([f"--processes is {arguments.processes}, it must be at least 1"], source="the command line")
    require_paths(folders={"PREDICTIONS": predictions, "REFERENCES": references}, files={})
    require_order(predictions, references)
    output = arguments.output or predictions / "evaluation"
    if output.resolve() == references.resolve():
        raise SettingsError(
            [f"-o is REFERENCES ({references}), which results must not be mixed with; give another folder"],
            source="the command line",
        )
    require_writable(output)
    label_set, source = resolve_labels(
        predictions, references, dataset_json=arguments.dataset_json, words=arguments.labels
    )
    evaluation = evaluate_folders(
        predictions,
        references,
        label_set,
        settings=settings,
        processes=arguments.processes,
        allow_missing=arguments.allow_missing,
        track=_track,
    )
    written = write_results(output, evaluation)
    unreferenced = pair_folders(predictions, references, label_set.file_ending).unreferenced
    origin = _origin(source, bool(arguments.labels))
    same = ["PREDICTIONS and REFERENCES are one folder, so each image is compared with itself"]
    remarks = almost_reserved(structure.name for structure in label_set.structures)
    remarks += same if predictions.resolve() == references.resolve() else []
    remarks += _reader_notes(evaluation, label_set)
    _show(evaluation, origin=origin, remarks=remarks, unreferenced=unreferenced, written=written)
    return 0


def _origin(source: Path | None, named: bool) -> str:
    """Say where the labels come from."""
    if source is None:
        return "--labels; no dataset.json was found, so other label values were not looked for"
    return f"--labels; file ending and known values: {source}" if named else str(source)


def _track(results: Iterable[CaseResult], total: int) -> Iterable[CaseResult]:
    return track(results, total=total, description="evaluating")


def _show(
    evaluation: Evaluation,
    *,
    origin: str,
    remarks: list[str],
    unreferenced: tuple[str, ...],
    written: tuple[Path, ...],
) -> None:
    from nnunet_dsd.evaluation.emptiness import emptiness_notes
    from nnunet_dsd.evaluation.table import evaluation_table

    console = Console()
    print_table(evaluation_table(evaluation), console)
    notes = [
        *(f"note: {note}" for note in (*remarks, *emptiness_notes(evaluation))),
        f"labels: {origin}",
        *([IN_VOXELS] if evaluation.length_unit == "voxels" else []),
        *_listing(evaluation.missing, "reference", "no prediction", "left out"),
        *_listing(unreferenced, "prediction", "no reference", "left aside"),
        *(f"written: {path}" for path in written),
    ]
    for note in notes:
        console.print(escape(note), soft_wrap=True, highlight=False)


def _reader_notes(evaluation: Evaluation, label_set: LabelSet) -> list[str]:
    if label_set.unknown_reader is None:
        return []
    return [
        f"the dataset.json names the image reader {label_set.unknown_reader!r}, which is none of nnU-Net's own and is "
        f"passed over, as nnU-Net does where it does not find one; the files were read by {evaluation.reader}"
    ]


def _listing(cases: tuple[str, ...], kind: str, lacking: str, what_was_done: str) -> list[str]:
    verbs = ("has", "was") if len(cases) == 1 else ("have", "were")
    said = f"{counted(len(cases), kind)} {verbs[0]} {lacking} and {verbs[1]} {what_was_done}: {', '.join(cases)}"
    return [said] if cases else []
