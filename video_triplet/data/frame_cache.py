"""The frame cache: every labelled frame at training size in one memory-mapped file per video, instead of 90,000 PNGs.

`video_triplet.data.cache_writing` makes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data.array_cache import ArrayCache, CachedArray
from video_triplet.data.frame_sources import sizes_hash
from video_triplet.data.videos import TripletDataset, Video


@dataclass(frozen=True, kw_only=True)
class CachedVideo(CachedArray):
    """The record of one cached video.

    Attributes:
        frames: Frame number of each row of the array, ascending.
        sources: Size in bytes of each image file by frame number, broken ones included: the source's fingerprint.
        broken: What was wrong with images that were left out, by frame number.
        size: Height and width in pixels.
    """

    command: ClassVar[str] = "video-triplet prepare"

    frames: tuple[int, ...]
    sources: dict[int, int]
    broken: dict[int, str]
    size: int

    @cached_property
    def rows(self) -> dict[int, int]:
        """Row of the array for each frame number."""
        return {frame: row for row, frame in enumerate(self.frames)}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (len(self.frames), self.size, self.size, 3)

    @property
    def kind(self) -> int:
        """Height and width in pixels."""
        return self.size

    @property
    def made_from(self) -> dict[int, int]:
        """Sizes in bytes of the image files."""
        return self.sources

    @classmethod
    def describe(cls, kind: int, unit: str = "") -> str:
        """Say a size in pixels."""
        return f"{kind}{unit}"

    @classmethod
    def restored(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return frame numbers as numbers, which JSON writes as text where they are names."""
        numbered = {
            part: {int(frame): value for frame, value in values[part].items()} for part in ("sources", "broken")
        }
        return {**values, "frames": tuple(values["frames"]), **numbered}


def labelled_images(video: Video) -> dict[int, Path]:
    """Return the image of every labelled frame that has one, by frame number."""
    paths = video.image_paths
    return {frame: paths[frame] for frame in video.frames.tolist() if frame in paths}


def image_sizes(paths: Mapping[int, Path]) -> dict[int, int]:
    """Return the size in bytes of files; raise `DataError` if one is gone or not accessible."""
    try:
        return {frame: path.stat().st_size for frame, path in paths.items()}
    except OSError as error:
        raise DataError(f"an image cannot be looked at ({error}); check the data set's folder") from error


class FrameCache(ArrayCache[CachedVideo]):
    """Reads frames from a cache. Files are mapped when first needed, and again in each worker of a data loader."""

    record = CachedVideo
    records_at = "*.json"

    def __init__(self, folder: Path, videos: dict[str, CachedVideo], kind: int) -> None:
        super().__init__(folder, videos, kind)
        self._maps: dict[str, NDArray[np.uint8]] = {}

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return int(self.kind)

    def has(self, video: str, frame: int) -> bool:
        """Return whether `read` can give this frame."""
        return video in self.videos and frame in self.videos[video].rows

    def read(self, video: str, frame: int) -> NDArray[np.uint8]:
        """Return a copy of a frame, `(size, size, 3)` RGB.

        Raises:
            DataError: if the cache does not hold it.
        """
        if not self.has(video, frame):
            raise DataError(f"{self.folder} does not hold {video} frame {frame}; {self.record.remake()}")
        if video not in self._maps:
            self._maps[video] = self.videos[video].array(self.folder)
        return np.array(self._maps[video][self.videos[video].rows[frame]])

    def check(self, dataset: TripletDataset, *, size: int | None = None) -> None:
        """Refuse a cache that was not made from these images; looks at file sizes, not at pixels.

        A video without any image, as where only labels and cache were copied, is taken from the cache alone.

        Args:
            dataset: Every one of its videos must be there; the cache may hold more.
            size: The size in pixels that is needed, or None for any.

        Raises:
            DataError: with every difference.
        """
        if size is not None and size != self.size:
            raise DataError(
                f"the frames in {self.folder} are {self.size} pixels high and wide, {size} are needed; train with "
                f"--image-size {self.size}, or make another cache with `video-triplet prepare --size {size}`"
            )
        problems = []
        for name, video in dataset.videos.items():
            if name not in self.videos:
                problems.append(f"{name} is missing")
            elif not video.image_paths:
                lacking = set(video.frames.tolist()) - set(self.videos[name].frames)
                if lacking:
                    problems.append(f"{name}: {len(lacking)} labelled frames are neither in it nor in the data set")
            elif not self.videos[name].matches(image_sizes(labelled_images(video))):
                problems.append(f"{name} was made from other images or frames than {dataset.root} has now")
        self.refuse(problems)

    def fingerprint(self, videos: Sequence[str]) -> str:
        """Return a hash over the frame numbers and file sizes of the images that these videos were made from."""
        records = {name: self.videos[name] for name in videos}
        return sizes_hash({name: {f: record.sources[f] for f in record.frames} for name, record in records.items()})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the maps behind: another process opens its own, instead of being sent the pixels."""
        return {**self.__dict__, "_maps": {}}
