"""`video-triplet check`: everything that is wrong with a data set, at once, before anything is trained on it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.tables import print_table
from video_triplet.cli.data_options import WORTH, add_data_folder, workers_for
from video_triplet.cli.problem_table import problem_table
from video_triplet.data.checking import Report, check_dataset
from video_triplet.data.reading import open_dataset
from video_triplet.data.statistics import Statistics, describe
from video_triplet.data.videos import TripletDataset

SUMMARY = "Read a whole data set and report every problem with its labels and images."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `check`."""
    add_data_folder(parser)
    parser.add_argument(
        "--phases", type=Path, metavar="DIR", help="Cholec80's phase annotations, for a data set in CholecT45's layout"
    )
    parser.add_argument(
        "--quick", action="store_true", help="do not decode the images, only see whether they are there"
    )
    parser.add_argument("--workers", type=int, metavar="N", help=f"processes that decode images {WORTH}")
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="also write every problem and the statistics to a file"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print what was found; exit status 1 if there are errors, 0 if there are at most notes."""
    dataset = open_dataset(arguments.data, phases=arguments.phases)
    report = check_dataset(dataset, read_images=not arguments.quick, workers=workers_for(dataset, arguments.workers))
    statistics = describe(dataset)
    if arguments.json is not None:
        write_json(arguments.json, as_json(dataset, report, statistics))
    print_report(dataset, report, statistics, Console())
    return 1 if report.errors else 0


def as_json(dataset: TripletDataset, report: Report, statistics: Statistics) -> dict[str, Any]:
    """Return layout, whether images were decoded, counts by kind, every error and note, and the statistics."""
    return {
        "layout": dataset.layout,
        "images_read": report.images_read,
        "counts": report.counts,
        "errors": [asdict(problem) for problem in report.errors],
        "notes": [asdict(problem) for problem in report.notes],
        "statistics": statistics.to_json(),
    }


def print_report(dataset: TripletDataset, report: Report, statistics: Statistics, console: Console) -> None:
    """Print a row per kind and video with the first example, the statistics, and a sentence to end with."""
    if report.problems:
        print_table(problem_table(report), console)
    print_table(statistics_table(dataset, statistics), console)
    errors, notes = len(report.errors), len(report.notes)
    looked = "" if report.images_read else " The images were not decoded; leave out --quick to do so."
    console.print(f"{counted(errors, 'error')}, {counted(notes, 'note')}.{looked}", markup=False, highlight=False)


def statistics_table(dataset: TripletDataset, statistics: Statistics) -> Table:
    """Return a row per number."""
    table = Table("of the data set", "", title=escape(f"{dataset.root} (layout {dataset.layout})"))
    one, many = ("triplet", "triplets") if dataset.vocabulary.has_components else ("class", "classes")
    plurals = {head: many if head == "triplet" else f"{head}s" for head in dataset.heads}
    sizes = ", ".join(f"{dataset.vocabulary.size(head)} {plural}" for head, plural in plurals.items())
    rows = {
        "classes": sizes,
        "videos": str(statistics.videos),
        "frames with labels": str(statistics.frames),
        "of these with image": str(statistics.images),
        f"{one} labels": f"{statistics.triplet_labels}, {statistics.triplets_per_frame:.2f} per frame",
        f"frames without {one}": f"{statistics.frames_without_triplet:.1%}",
        f"{many} never seen": str(statistics.triplets_never_seen),
        "most frequent": _named(statistics.most_frequent),
        "rarest": _named(statistics.rarest),
    }
    for title, value in rows.items():
        table.add_row(title, escape(value))
    return table


def _named(triplets: tuple[tuple[str, float], ...]) -> str:
    return "\n".join(f"{name}: {fraction:.2%} of frames" for name, fraction in triplets)
