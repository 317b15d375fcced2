"""Decodes every labelled image of a data set, in several processes, and says what is wrong with it."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import DataError, SetupError
from video_triplet.data.images import read_image
from video_triplet.data.videos import Video

IMAGES_PER_TASK = 64


@dataclass(frozen=True)
class ImageFacts:
    """What decoding an image showed.

    Attributes:
        size: Width and height in pixels; (0, 0) if it cannot be decoded.
        black: Whether every pixel is 0.
        error: Why it cannot be decoded, or "".
    """

    size: tuple[int, int]
    black: bool
    error: str = ""


def examine(path: Path) -> ImageFacts:
    """Read one image as training and `prepare` do; a file that is cut off is an error even where its head is sound."""
    try:
        pixels = read_image(path)
    except DataError as error:
        return ImageFacts((0, 0), False, str(error).replace(str(path), path.name))
    height, width, _ = pixels.shape
    return ImageFacts((width, height), not pixels.any())


def check_images(videos: Sequence[Video], *, workers: int) -> dict[str, dict[int, ImageFacts]]:
    """Decode the images of all labelled frames.

    Args:
        videos: Whose images to decode; those without label are left alone.
        workers: Processes; 0 for this one.

    Returns:
        For each video the facts by frame number, ascending.
    """
    tasks = [
        (video.name, frame, video.image_paths[frame])
        for video in videos
        for frame in video.frames.tolist()
        if frame in video.image_paths
    ]
    facts: dict[str, dict[int, ImageFacts]] = {video.name: {} for video in videos}
    for (name, frame, _), found in zip(tasks, _examine_all([path for *_, path in tasks], workers), strict=True):
        facts[name][frame] = found
    return facts


def _examine_all(paths: Sequence[Path], workers: int) -> Iterable[ImageFacts]:
    if workers == 0 or len(paths) <= IMAGES_PER_TASK:
        return [examine(path) for path in paths]
    try:
        with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
            return list(pool.map(examine, paths, chunksize=IMAGES_PER_TASK))
    except BrokenProcessPool as error:
        message = "a process that decodes images was killed, perhaps for want of memory; use fewer workers"
        raise SetupError(message) from error
