"""`video-triplet prepare`: decode and resize every labelled frame once, into a cache that training reads."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from video_triplet.cli.data_options import WORTH, add_data_folder, workers_for

if TYPE_CHECKING:
    from video_triplet.data.frame_cache import CachedVideo

SUMMARY = "write the frames of a data set at training size into a cache (14 GB for CholecT45)"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `prepare`."""
    add_data_folder(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="CACHE", help="folder for the cache")
    parser.add_argument("--size", type=int, default=224, help="height and width in pixels (default: 224)")
    parser.add_argument("--workers", type=int, metavar="N", help=f"decoding processes {WORTH}")
    parser.add_argument("--verify", action="store_true", help="at the end read every pixel and compare the checksums")
    parser.add_argument("--skip-broken", action="store_true", help="leave broken images out instead of stopping")


def run(arguments: argparse.Namespace) -> int:
    """Make the cache, or complete one that a killed run has left; then say what was done."""
    from nnunet_dsd.common.progress import progress_of
    from video_triplet.data.cache_writing import prepare_cache
    from video_triplet.data.frame_cache import FrameCache
    from video_triplet.data.reading import open_dataset

    dataset = open_dataset(arguments.data)
    labelled = sum(len(video) for video in dataset.videos.values())
    if dataset.problems:
        first = dataset.problems[0]
        print(
            f"{counted(len(dataset.problems), 'problem')} in the labels, first: {first.kind}: "
            f"{first.video} {first.detail}",
            file=sys.stderr,
        )
    with progress_of("frames") as progress:
        plan = prepare_cache(
            dataset,
            arguments.output,
            size=arguments.size,
            workers=workers_for(dataset, arguments.workers),
            skip_broken=arguments.skip_broken,
            progress=progress,
        )
    cache = FrameCache.open(arguments.output)
    if arguments.verify:
        cache.verify()
        print(f"{arguments.output}: every pixel of {counted(len(cache.videos), 'video')} is as it was written")
    cached = [record for name, record in cache.videos.items() if name in dataset.videos]
    frames = sum(len(record.frames) for record in cached)
    print(
        f"{arguments.output}: {frames} of {labelled} labelled frames of "
        f"{counted(len(cached), 'video')} at {arguments.size} "
        f"pixels; {counted(len(plan.todo), 'video')} written now, {len(plan.whole)} there before"
    )
    missing = sum(len(video.missing_images) for video in dataset.videos.values())
    if missing:
        print(f"left out: {counted(missing, 'labelled frame')} without an image", file=sys.stderr)
    report_broken(cached)
    return 0


def report_broken(records: list[CachedVideo]) -> None:
    """Name every image that was left out, on standard error."""
    for record in records:
        for reason in record.broken.values():
            print(f"left out: {reason}", file=sys.stderr)
