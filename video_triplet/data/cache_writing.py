"""Makes a frame cache."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.data.array_cache import array_path
from video_triplet.data.array_cache_writing import CachePlan, Progress, fill_cache, new_record, whole_record
from video_triplet.data.array_files import write_array
from video_triplet.data.frame_cache import CachedVideo, image_sizes, labelled_images
from video_triplet.data.images import read_image
from video_triplet.data.videos import TripletDataset, Video


def plan_cache(dataset: TripletDataset, folder: Path, *, size: int = 224, skip_broken: bool = False) -> CachePlan:
    """Find out which videos are missing in a cache, or were made from other images.

    Raises:
        DataError: if the data set has no labelled image, one is gone, or the folder holds frames of another size.
        SettingsError: if `size` is not positive.
    """
    if size < 1:
        raise SettingsError([f"size is {size}, it must be at least 1 pixel"], source="the frame cache")
    todo, whole = {}, []
    for name, video in dataset.videos.items():
        sizes = image_sizes(labelled_images(video))
        record = whole_record(CachedVideo, folder, name, kind=size)
        if record is not None and record.matches(sizes) and (skip_broken or not record.broken):
            whole.append(name)
        else:
            todo[name] = len(sizes)
    plan = CachePlan(todo, tuple(whole), (size, size))
    if not plan.frames and not whole:
        raise DataError(f"{dataset.root} has no labelled frame with an image; check its folder")
    return plan


def prepare_cache(
    dataset: TripletDataset,
    folder: Path,
    *,
    size: int = 224,
    workers: int = 1,
    skip_broken: bool = False,
    progress: Progress = lambda done, total: None,
) -> CachePlan:
    """Write every labelled frame that has an image, resized, into a cache that `FrameCache.open` reads.

    Args:
        dataset: What to cache.
        folder: Made if it does not exist.
        size: Height and width in pixels.
        workers: As of `fill_cache`.
        skip_broken: Leave broken images out and record them, instead of stopping at the first.
        progress: As of `fill_cache`.

    Returns:
        What was done: the plan that was carried out.

    Raises:
        DataError: at a broken image (see `skip_broken`), or for the reasons of `plan_cache`.
        SettingsError: if `size` or `workers` is not positive.
        SetupError: as `fill_cache`.
    """
    return fill_cache(
        folder,
        partial(plan_cache, dataset, folder, size=size, skip_broken=skip_broken),
        partial(write_video, folder=folder, size=size, skip_broken=skip_broken),
        lambda plan: [dataset.videos[name] for name in plan.todo],
        pixels=f"{size} pixels",
        workers=workers,
        progress=progress,
    )


def write_video(video: Video, *, folder: Path, size: int, skip_broken: bool) -> CachedVideo:
    """Decode the images of one video and write its array, then its record.

    Raises:
        DataError: at a broken image, unless they are skipped.
        SetupError: if the disk is full or refuses; no part of the video is left.
    """
    frames: list[int] = []
    broken: dict[int, str] = {}
    paths = labelled_images(video)

    def sound_images() -> Iterator[NDArray[np.uint8]]:
        for frame, path in paths.items():
            try:
                pixels = read_image(path, size=size)
            except DataError as error:
                if not skip_broken:
                    raise DataError(f"{error}, or leave broken images out with --skip-broken") from error
                broken[frame] = str(error)
                continue
            frames.append(frame)
            yield pixels

    with new_record(folder, video.name) as write_record:
        _, checksum = write_array(array_path(folder, video.name), (size, size, 3), sound_images())
        record = CachedVideo(
            name=video.name,
            frames=tuple(frames),
            sources=image_sizes(paths),
            broken=broken,
            size=size,
            checksum=checksum,
        )
        write_record(record)
    return record
