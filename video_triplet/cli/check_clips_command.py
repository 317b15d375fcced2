"""`video-triplet check-clips`: everything that is wrong with a data set of clips, before anything is trained on it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.counting import counted
from video_triplet.cli.clip_options import add_clip_data_options
from video_triplet.cli.data_options import WORTH, workers_for_clips

if TYPE_CHECKING:
    from rich.table import Table

    from video_triplet.clips.checking import ClipReport
    from video_triplet.clips.videos import ClipDataset

SUMMARY = "read UCF101 or HMDB51 as a whole and report every problem with its lists and videos"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check-clips`."""
    add_clip_data_options(parser)
    parser.add_argument("--quick", action="store_true", help="only open the videos, do not decode them")
    parser.add_argument("--workers", type=int, metavar="N", help=f"processes that decode videos {WORTH}")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write every problem and the numbers to a file")


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; exit status 1 if there are errors, 0 if there are at most notes."""
    from rich.console import Console

    from nnunet_dsd.common.files import require_writable_file, write_json
    from nnunet_dsd.common.progress import progress_of
    from nnunet_dsd.common.tables import print_table
    from video_triplet.cli.problem_table import problem_table
    from video_triplet.clips.checking import check_clips
    from video_triplet.clips.reading import open_clips

    if arguments.json is not None:
        require_writable_file(arguments.json)
    dataset = open_clips(arguments.data, annotations=arguments.annotations)
    with progress_of("videos") as progress:
        report = check_clips(
            dataset,
            decode=not arguments.quick,
            workers=workers_for_clips(dataset, arguments.workers),
            progress=progress,
        )
    if arguments.json is not None:
        write_json(arguments.json, as_json(dataset, report))
    console = Console()
    if report.problems:
        print_table(problem_table(report), console)
    print_table(number_table(dataset, report), console)
    looked = "" if report.decoded else " The videos were not decoded; leave out --quick to do so."
    sentence = f"{counted(len(report.errors), 'error')}, {counted(len(report.notes), 'note')}.{looked}"
    console.print(sentence, markup=False, highlight=False)
    return 1 if report.errors else 0


def as_json(dataset: ClipDataset, report: ClipReport) -> dict[str, Any]:
    """Return layout, whether videos were decoded, counts by kind, every error and note, and the numbers."""
    return {
        "layout": dataset.layout,
        "videos_decoded": report.decoded,
        "counts": report.counts,
        "errors": [asdict(problem) for problem in report.errors],
        "notes": [asdict(problem) for problem in report.notes],
        "statistics": {
            "classes": len(dataset.classes),
            "videos": len(dataset.videos),
            "frames": report.frames,
            "splits": {
                str(number): {"training": len(lists.training), "test": len(lists.test)}
                for number, lists in dataset.official.items()
            },
        },
    }


def number_table(dataset: ClipDataset, report: ClipReport) -> Table:
    """Return a row per number."""
    from rich.markup import escape
    from rich.table import Table

    table = Table("of the data set", "", title=escape(f"{dataset.root} (layout {dataset.layout})"))
    table.add_row("classes", str(len(dataset.classes)))
    table.add_row("videos", str(len(dataset.videos)))
    table.add_row("frames" if report.decoded else "frames by their headers", str(report.frames))
    for number, lists in dataset.official.items():
        table.add_row(f"split {number}", f"{len(lists.training)} training, {len(lists.test)} test")
    return table
