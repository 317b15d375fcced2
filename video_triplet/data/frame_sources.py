"""Where a data set's pixels come from: one interface, and the source that decodes the image files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data.images import read_image
from video_triplet.data.videos import TripletDataset, Video
from video_triplet.data.whole_images import is_complete


class FrameSource(Protocol):
    """Gives a frame's pixels, all frames at one size; can be pickled for the workers of a data loader."""

    @property
    def size(self) -> int:
        """Height and width in pixels."""

    def has(self, video: str, frame: int) -> bool:
        """Return whether `read` can give this frame."""

    def read(self, video: str, frame: int) -> NDArray[np.uint8]:
        """Return `(size, size, 3)` RGB; raise `DataError` where there is no such frame."""

    def fingerprint(self, videos: Sequence[str]) -> str:
        """Return a hash over which image files the frames of these videos come from: frame numbers and sizes in bytes.

        It is the same with and without a cache.
        """


class FolderFrames:
    """Decodes and resizes an image file at every read: nothing to prepare, but several times slower than a cache."""

    def __init__(self, dataset: TripletDataset, size: int = 224) -> None:
        self._size = size
        self._paths: dict[str, dict[int, Path]] = {
            name: {frame: path for frame, path in video.image_paths.items() if is_complete(path)}
            for name, video in dataset.videos.items()
        }
        self._frames = {name: set(video.frames.tolist()) for name, video in dataset.videos.items()}

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self._size

    def has(self, video: str, frame: int) -> bool:
        """Return whether there is an image file that was not cut off; other damage shows when it is read."""
        return frame in self._paths.get(video, {})

    def read(self, video: str, frame: int) -> NDArray[np.uint8]:
        """Return `(size, size, 3)` RGB.

        Raises:
            DataError: if there is no such image, or it is damaged.
        """
        if not self.has(video, frame):
            raise DataError(f"there is no image of {video} frame {frame} in the data set's folder")
        return read_image(self._paths[video][frame], size=self._size)

    def fingerprint(self, videos: Sequence[str]) -> str:
        """Return a hash over the frame numbers and file sizes of the labelled frames of these videos."""
        sizes = {
            name: {f: path.stat().st_size for f, path in self._paths[name].items() if f in self._frames[name]}
            for name in videos
        }
        return sizes_hash(sizes)


def sizes_hash(sizes: Mapping[str, Mapping[int, int]]) -> str:
    """Return SHA-256, in hexadecimal, over the file sizes in bytes of each video's frames."""
    rows = [[name, sorted(frames.items())] for name, frames in sorted(sizes.items())]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def only_frames_of(videos: Iterable[Video], source: FrameSource) -> list[Video]:
    """Return the videos without the labelled frames that the source lacks, such as images a cache has left out."""
    return [
        video.select(np.array([source.has(video.name, frame) for frame in video.frames.tolist()], dtype=bool))
        for video in videos
    ]
