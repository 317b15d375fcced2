"""`video-triplet splits`: which videos a data set is trained, validated and tested on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from nnunet_dsd.common.tables import print_table
from video_triplet.cli.data_options import add_data_folder
from video_triplet.data.reading import open_dataset
from video_triplet.data.split import PROTOCOLS, Split
from video_triplet.data.split_files import split_file_content
from video_triplet.data.splits import K_FOLD, OFFICIAL_NAMES, available_splits, make_splits

SUMMARY = "show the training, validation and test videos of a split"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `splits`."""
    add_data_folder(parser)
    parser.add_argument(
        "--split",
        metavar="NAME",
        help=f"{', '.join((*OFFICIAL_NAMES, K_FOLD))}, or a .json file; default: the first that fits the data set",
    )
    parser.add_argument(
        "--protocol",
        choices=PROTOCOLS,
        help="where the validation videos come from; 'test-fold' is the published method's, and leaks",
    )
    parser.add_argument("--validation-videos", type=int, metavar="N", help="how many, for the protocol 'inner'")
    parser.add_argument("--folds", type=int, metavar="N", help="how many, for k-fold; default 5")
    parser.add_argument("--split-seed", type=int, default=0, help="of k-fold and the protocol 'inner'; default 0")
    parser.add_argument("--json", action="store_true", help="print a split file instead of a table")


def run(arguments: argparse.Namespace) -> int:
    """Print the folds."""
    dataset = open_dataset(arguments.data)
    available = available_splits(dataset)
    splits = make_splits(
        dataset,
        arguments.split or available[0],
        protocol=arguments.protocol,
        validation_videos=arguments.validation_videos,
        seed=arguments.split_seed,
        folds=arguments.folds,
    )
    if arguments.json:
        print(json.dumps(split_file_content(splits), indent=2))
    else:
        print_splits(splits, available)
    return 0


def print_splits(splits: Sequence[Split], available: Sequence[str]) -> None:
    """Print one row per fold, and which splits the data set has all videos for."""
    table = Table("fold", "training", "validation", "test", title=f"{escape(splits[0].name)} ({splits[0].protocol})")
    for split in splits:
        parts = (split.training, split.validation, split.test)
        table.add_row(str(split.fold), *(escape(f"{len(part)}: {' '.join(part)}") for part in parts))
    console = Console()
    print_table(table, console)
    console.print(f"This data set has all videos for: {', '.join(available)}", markup=False, highlight=False)
