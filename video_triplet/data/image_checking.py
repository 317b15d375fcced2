"""Decodes every labelled image of a data set, in several processes, and says what is wrong with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.workers import in_order
from video_triplet.data.array_cache_writing import KILLED
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
    paths = [path for *_, path in tasks]
    found = in_order(examine, paths, processes=workers, at_once=IMAGES_PER_TASK, killed=KILLED)
    for (name, frame, _), shown in zip(tasks, found, strict=True):
        facts[name][frame] = shown
    return facts
