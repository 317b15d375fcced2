"""`video-triplet prepare-clips`: decode and resize every frame of UCF101 or HMDB51 once, into a cache."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from video_triplet.cli.clip_options import (
    add_clip_data_options,
    add_frame_options,
    add_sound_only_option,
    report_errors,
)
from video_triplet.cli.data_options import WORTH, workers_for_clips

if TYPE_CHECKING:
    from video_triplet.data.array_cache_writing import CachePlan

SUMMARY = "write the frames of UCF101 or HMDB51 at one size into a cache"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `prepare-clips`."""
    add_clip_data_options(parser)
    add_frame_options(parser)
    add_sound_only_option(parser)
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="CACHE", help="folder for the cache")
    parser.add_argument("--workers", type=int, metavar="N", help=f"decoding processes {WORTH}")
    parser.add_argument("--verify", action="store_true", help="at the end read every pixel and compare the checksums")
    parser.add_argument("--dry-run", action="store_true", help="only say how much would be written")


def run(arguments: argparse.Namespace) -> int:
    """Make the cache, or complete one that a killed run has left; then say what was done."""
    from nnunet_dsd.common.progress import progress_of
    from video_triplet.clips.cache import ClipCache
    from video_triplet.clips.cache_writing import plan_clip_cache, prepare_clip_cache
    from video_triplet.clips.reading import open_clips

    dataset = open_clips(arguments.data, annotations=arguments.annotations)
    report_errors(dataset.problems)
    size = (arguments.size[0], arguments.size[1])
    if arguments.dry_run:
        announce(
            plan_clip_cache(dataset, arguments.output, size=size, fit=arguments.fit, sound_only=arguments.sound_only)
        )
        return 0
    with progress_of("frames") as progress:
        plan = prepare_clip_cache(
            dataset,
            arguments.output,
            size=size,
            fit=arguments.fit,
            workers=workers_for_clips(dataset, arguments.workers),
            sound_only=arguments.sound_only,
            announce=announce,
            progress=progress,
        )
    cache = ClipCache.open(arguments.output)
    if arguments.verify:
        cache.verify()
        print(f"{arguments.output}: every pixel is as it was written")
    kept = [name for name in dataset.videos if cache.has(name)]
    for name in dataset.videos:
        if not cache.has(name):
            print(f"left out: {cache.videos[name].broken}", file=sys.stderr)
    print(
        f"{arguments.output}: {counted(sum(map(cache.length, kept)), 'frame')} of {len(kept)} of "
        f"{len(dataset.videos)} videos; "
        f"{counted(len(plan.todo), 'video')} written now, {len(plan.whole)} there before"
    )
    return 0


def announce(plan: CachePlan) -> None:
    """Say how much will be written, before it is."""
    print(f"to be written: {plan}", flush=True)
