"""Options that the subcommands for clips share: the data set, its frames and its split."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from video_triplet.clips.sources import ClipSource
    from video_triplet.clips.splits import ClipSplit
    from video_triplet.clips.videos import ClipDataset
    from video_triplet.data.videos import Problem
    from video_triplet.settings import EpochChoice

USUAL_SIZE = (128, 171)
USUAL_FRACTION = 0.1


def add_clip_data_options(parser: argparse.ArgumentParser) -> None:
    """Add what says where videos and official lists are."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="UCF101 or HMDB51 as distributed")
    group.add_argument(
        "--annotations", type=Path, metavar="FOLDER", help="the official lists (default: looked for in --data)"
    )


def add_sound_only_option(parser: argparse.ArgumentParser) -> None:
    """Add what says whether problems may be passed over."""
    parser.add_argument(
        "--sound-only", action="store_true", help="go on with what is sound where lists or videos have problems"
    )


def add_frame_options(parser: argparse.ArgumentParser) -> None:
    """Add what says to which size frames are brought, and how."""
    group = parser.add_argument_group("frames")
    group.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=USUAL_SIZE,
        metavar=("HEIGHT", "WIDTH"),
        help="of the frames in pixels (default: {} {})".format(*USUAL_SIZE),
    )
    group.add_argument(
        "--fit",
        choices=("stretch", "crop"),
        default="stretch",
        help="stretch: the whole picture, its aspect ratio not kept; crop: the largest central part of the wanted "
        "shape, its aspect ratio kept (default: %(default)s)",
    )


def add_clip_cache_option(parser: argparse.ArgumentParser) -> None:
    """Add what says where decoded frames are."""
    parser.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="frames made by `video-triplet prepare-clips`; without it videos are decoded for each clip",
    )


def add_clip_split_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which videos are for what."""
    group = parser.add_argument_group("split")
    group.add_argument("--split-number", type=int, default=1, help="official split, 1 to 3 (default: %(default)s)")
    group.add_argument(
        "--validation-fraction",
        type=float,
        help=f"of the training videos, whole sources together (default: {USUAL_FRACTION}; 0 with --choose-epoch last)",
    )
    group.add_argument("--split-seed", type=int, default=0, help="of which sources validate (default: %(default)s)")


def read_clips(arguments: argparse.Namespace) -> tuple[ClipDataset, ClipSource]:
    """Open the data set and what gives its frames; leave out what cannot be read if that is allowed, and say so.

    Args:
        arguments: With data, cache and `--sound-only`; without a cache also with the options of frames.

    Raises:
        DataError: if there are problems and they may not be passed over, or the cache does not fit the data set.
    """
    from video_triplet.clips.cache import ClipCache
    from video_triplet.clips.reading import open_clips
    from video_triplet.clips.sources import VideoFiles, readable_clips

    dataset = open_clips(arguments.data, annotations=arguments.annotations)
    source: ClipSource
    if arguments.cache is None:
        source = VideoFiles(dataset, tuple(arguments.size), arguments.fit)
    else:
        source = ClipCache.open(arguments.cache)
        source.check(dataset)
    kept = readable_clips(dataset, source, sound_only=arguments.sound_only)
    report_errors(kept.problems)
    return kept, source


def read_clip_split(
    arguments: argparse.Namespace, dataset: ClipDataset, *, choose_epoch: EpochChoice = "best"
) -> ClipSplit:
    """Return the official split that was asked for, with its validation part.

    Args:
        arguments: With the options of splits.
        dataset: With its official lists.
        choose_epoch: Where nothing is chosen, no video validates unless a fraction is given.
    """
    from video_triplet.clips.splits import official_split

    usual = USUAL_FRACTION if choose_epoch == "best" else 0.0
    given = arguments.validation_fraction
    return official_split(
        dataset,
        arguments.split_number,
        validation_fraction=usual if given is None else given,
        seed=arguments.split_seed,
    )


def report_errors(problems: tuple[Problem, ...]) -> None:
    """Say on standard error which errors were passed over: for each kind the count and the first."""
    from video_triplet.clips.sources import errors_by_kind

    for line in errors_by_kind(problems):
        print(f"passed over: {line}; `video-triplet check-clips` names all", file=sys.stderr)
