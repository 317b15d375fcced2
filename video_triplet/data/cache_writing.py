"""Makes a frame cache: videos in parallel, each whole or not at all, going on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import write_json
from video_triplet.data.array_files import refusal_of_disk, write_array
from video_triplet.data.cache_work import Progress, refuse_without_space, results, sole_writer
from video_triplet.data.frame_cache import CachedVideo, image_sizes, matches, open_array, source_fingerprint
from video_triplet.data.images import RESIZE_FILTER, read_image
from video_triplet.data.videos import TripletDataset, Video


@dataclass(frozen=True)
class CachePlan:
    """What has to be done for a cache.

    Attributes:
        todo: Image files of the videos to be written, by video and frame number.
        whole: Names of the videos that are there already and fit the data set.
        size: Height and width in pixels.
    """

    todo: dict[str, dict[int, Path]]
    whole: tuple[str, ...]
    size: int

    @property
    def frames(self) -> int:
        """How many frames have to be written."""
        return sum(len(paths) for paths in self.todo.values())

    @property
    def bytes_needed(self) -> int:
        """Disk space for them."""
        return self.frames * self.size * self.size * 3


def plan_cache(dataset: TripletDataset, folder: Path, *, size: int = 224, skip_broken: bool = False) -> CachePlan:
    """Find out which videos are missing in a cache, or were made from other images.

    Raises:
        DataError: if the data set has no labelled image, or the folder holds frames of another size.
        SettingsError: if `size` is not positive.
    """
    if size < 1:
        raise SettingsError([f"size is {size}, it must be at least 1 pixel"], source="the frame cache")
    todo, whole = {}, []
    for name, video in dataset.videos.items():
        if _is_whole(video, folder, size, skip_broken):
            whole.append(name)
        else:
            todo[name] = {frame: video.image_paths[frame] for frame in source_fingerprint(video)}
    plan = CachePlan(todo, tuple(whole), size)
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

    Videos that are whole already and fit the data set are left as they are.

    Args:
        dataset: What to cache.
        folder: Made if it does not exist.
        size: Height and width in pixels.
        workers: Processes that decode, one video each; 1 decodes in this process.
        skip_broken: Leave broken images out and record them, instead of stopping at the first.
        progress: Called after each video with the number of frames done and of all frames to be written.

    Returns:
        What was done: the plan that was carried out.

    Raises:
        DataError: at a broken image (see `skip_broken`), or for the reasons of `plan_cache`.
        SettingsError: if `size` or `workers` is not positive.
        SetupError: if the disk has no room, the folder cannot be written to, or another run is writing there.
    """
    if workers < 1:
        raise SettingsError([f"workers is {workers}, it must be at least 1"], source="the frame cache")
    with sole_writer(folder):
        plan = plan_cache(dataset, folder, size=size, skip_broken=skip_broken)
        contents = f"{counted(plan.frames, 'frame')} at {plan.size} pixels"
        refuse_without_space(plan.bytes_needed, folder, contents=contents)
        done = 0
        jobs = [(name, paths, folder, size, skip_broken) for name, paths in plan.todo.items()]
        for record in results(write_video, jobs, workers):
            done += len(record.sources)
            progress(done, plan.frames)
    return plan


def write_video(name: str, paths: dict[int, Path], folder: Path, size: int, skip_broken: bool) -> CachedVideo:
    """Decode the images of one video and write its array, then its record.

    Raises:
        DataError: at a broken image, unless they are skipped.
        SetupError: if the disk is full or refuses; no part of the video is left.
    """
    frames: list[int] = []
    broken: dict[int, str] = {}

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

    record_path = folder / f"{name}.json"
    with refusal_of_disk(name, folder):
        record_path.unlink(missing_ok=True)  # while the array changes there must be no record of the old one
        _, checksum = write_array(folder / f"{name}.npy", (size, size, 3), sound_images())
        record = CachedVideo(name, tuple(frames), image_sizes(paths), broken, size, RESIZE_FILTER, checksum)
        write_json(record_path, record.to_json())
    return record


def _is_whole(video: Video, folder: Path, size: int, skip_broken: bool) -> bool:
    try:
        record = CachedVideo.load(folder / f"{video.name}.json")
    except DataError:
        return False
    if record.size != size:
        raise DataError(
            f"{folder} holds frames of {record.size} pixels, {size} were asked for; choose another folder or delete it"
        )
    try:
        open_array(folder, record)
    except DataError:
        return False
    return matches(record, source_fingerprint(video)) and (skip_broken or not record.broken)
