"""`video-triplet evaluate`: score predictions against labels; several files are the folds of a cross-validation."""

from __future__ import annotations

import argparse
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import refuse_overwriting, require_writable
from video_triplet.cli.data_options import add_data_options, read_labels
from video_triplet.cli.outputs import add_overwrite_option

if TYPE_CHECKING:
    from rich.table import Table

    from video_triplet.predictions.file import Predictions
    from video_triplet.predictions.metrics import Evaluation
    from video_triplet.predictions.scores import Score

RESULT_FILES = ("evaluation.json", "per_video.csv", "per_class.csv", "per_video.png", "per_class.png")
SUMMARY = "score predictions: mAP, top-k and auxiliary heads; several files are folds"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `evaluate`."""
    parser.add_argument("predictions", nargs="+", type=Path, metavar="PREDICTIONS", help=".npz; several: one per fold")
    parser.add_argument("-o", "--output", type=Path, metavar="FOLDER", help="write JSON, CSV and figures there")
    add_overwrite_option(parser)
    parser.add_argument(
        "--ignore-null", action="store_true", help="drop triplets that name no action from the mAP of triplets"
    )
    parser.add_argument(
        "--predicted-only", action="store_true", help="leave out labelled frames that have no predictions"
    )
    parser.add_argument(
        "--allow-training-videos", action="store_true", help="score videos that a model was trained on, and say so"
    )
    add_data_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Score each file alone, print the table, and write the results if a folder is given."""
    from video_triplet.predictions.file import load_predictions
    from video_triplet.predictions.metrics import cross_validation, evaluate_dataset

    if arguments.output is not None:
        require_writable(arguments.output)
        refuse_overwriting((arguments.output / name for name in RESULT_FILES), overwrite=arguments.overwrite)
    dataset = read_labels(arguments)
    files = [load_predictions(path) for path in arguments.predictions]
    refuse_different_trainers(files)
    folds = [
        evaluate_dataset(
            predictions,
            dataset,
            ignore_null=arguments.ignore_null,
            allow_training_videos=arguments.allow_training_videos,
            predicted_only=arguments.predicted_only,
        )
        for predictions in files
    ]
    cross_validation(folds)  # refuses folds that overlap before anything is printed
    _print(folds)
    if arguments.output is not None:
        _write(arguments.output, arguments.predictions, folds)
    return 0


def refuse_different_trainers(files: Sequence[Predictions]) -> None:
    """Refuse files that cannot be the folds of one cross-validation: made by different trainers.

    Raises:
        DataError: naming the trainers.
    """
    trainers = {tuple(sorted({model.trainer for model in file.models})) for file in files}
    if len(trainers) > 1:
        listed = " and ".join("+".join(names) or "unknown models" for names in sorted(trainers))
        raise DataError(f"these files are no folds of one cross-validation: {listed}; evaluate them one by one")


def score_table(folds: Sequence[Evaluation]) -> Table:
    """Return a table in percent with a row per component and head; with several folds mean ± standard deviation.

    Classes without components have one row, `classes`, in the place of the components.
    """
    from rich.table import Table

    from video_triplet.predictions.score_files import all_scores

    triplets = folds[0].has_components
    nulls = "null triplets ignored in the mAP of ivt" if folds[0].ignore_null else "null triplets counted"
    subject = nulls if triplets else "classes without components"
    videos, frames = sum(len(fold.videos) for fold in folds), sum(fold.frames for fold in folds)
    spread = f"mean ± std over {len(folds)} folds, " if len(folds) > 1 else ""
    ks = sorted(folds[0].components["ivt"].top_k)
    columns = ("score", "mAP", "mAP over all frames", *(f"top-{k}" for k in ks))
    table = Table(*columns, title=f"Percent; {spread}{counted(videos, 'video')}, {counted(frames, 'frame')}, {subject}")
    named = [all_scores(fold) for fold in folds]
    for name in [name for name in named[0] if all(name in scores for scores in named)]:
        scores = [each[name] for each in named]
        table.add_row(name if triplets or name != "ivt" else "classes", *_cells(scores, ks))
    return table


def notes(folds: Sequence[Evaluation]) -> list[str]:
    """Return what a reader must know beside the numbers, a sentence each."""
    found = []
    trained, selected = ([v for fold in folds for v in getattr(fold, kind)] for kind in ("trained_on", "selected_on"))
    if trained:
        found.append(f"trained on {', '.join(trained)}: no measure of the model")
    if selected:
        found.append(f"the epoch was chosen on {', '.join(selected)}: somewhat too good")
    unlabelled = sum(fold.unlabelled_frames for fold in folds)
    if unlabelled:
        found.append(f"left out: {counted(unlabelled, 'predicted frame')} without labels")
    heads = sorted({head for fold in folds for head in fold.unscored_heads})
    if heads:
        found.append(f"predicted but without labels for every video, so not scored: {', '.join(heads)}")
    return found


def _cells(scores: Sequence[Score], ks: Sequence[int]) -> list[str]:
    columns = [[score.mean_ap for score in scores], [score.global_map for score in scores]]
    columns += [[score.top_k[k] for score in scores] for k in ks]
    return [_percent(column) for column in columns]


def _percent(values: Sequence[float]) -> str:
    if any(math.isnan(value) for value in values):
        return "-"
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.1f}{spread}"


def _print(folds: Sequence[Evaluation]) -> None:
    from rich.console import Console

    from nnunet_dsd.common.tables import print_table

    console = Console()
    print_table(score_table(folds), console)
    for note in notes(folds):
        console.print(f"Note: {note}", markup=False, highlight=False)


def _write(folder: Path, files: Sequence[Path], folds: Sequence[Evaluation]) -> None:
    import numpy as np

    from video_triplet.analysis.per_class import draw_per_class
    from video_triplet.analysis.per_video import compare_videos, draw_per_video, per_video_maps
    from video_triplet.predictions.ivt import nan_mean
    from video_triplet.predictions.score_files import write_scores

    names = [path.stem for path in files]
    if len(set(names)) < len(names):
        names = [str(path) for path in files]
    write_scores(folder, list(zip(names, folds, strict=True)))
    what = "triplets" if folds[0].has_components else "classes"
    draw_per_video(compare_videos({"model": per_video_maps(folds)}), folder / "per_video.png", what=what)
    per_class = nan_mean(np.stack([fold.components["ivt"].class_ap for fold in folds]), axis=0)
    if not np.isnan(per_class).all():
        title = what.capitalize() + (f", mean over {len(folds)} folds" if len(folds) > 1 else "")
        draw_per_class(folds[0].components["ivt"].classes, per_class, title, folder / "per_class.png")
