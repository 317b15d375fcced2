"""The clip cache: every frame of every video, decoded and resized once, in one memory-mapped file per video.

Videos have names such as `CLASS/VIDEO.avi`. `video_triplet.clips.cache_writing` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.clips.decoding import Fit, Size
from video_triplet.clips.sources import file_size, fingerprint, pick
from video_triplet.clips.videos import ClipDataset
from video_triplet.data.array_cache import ArrayCache, CachedArray


@dataclass(frozen=True, kw_only=True)
class CachedClips(CachedArray):
    """The record of one cached video.

    Attributes:
        frames: How many; 0 for a video that was left out.
        source: Size in bytes of the file it was made from.
        broken: Why the video was left out, or "".
        size: Height and width in pixels.
        fit: How frames of another shape were brought to this size.
    """

    command: ClassVar[str] = "video-triplet prepare-clips"

    frames: int
    source: int
    broken: str
    size: Size
    fit: Fit

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (self.frames, *self.size, 3)

    @property
    def kind(self) -> tuple[Size, Fit]:
        """Height and width in pixels, and how other shapes were brought to them."""
        return self.size, self.fit

    @property
    def made_from(self) -> int:
        """Size in bytes of the video's file."""
        return self.source

    @property
    def has_array(self) -> bool:
        """Whether the video was not left out."""
        return not self.broken

    @classmethod
    def describe(cls, kind: tuple[Size, Fit], unit: str = "") -> str:
        """Say height, width and fit."""
        (height, width), fit = kind
        return f"{height} x {width}{unit} ({fit})"

    @classmethod
    def restored(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return the size as a pair, which JSON writes as a list."""
        height, width = values["size"]
        return {**values, "size": (int(height), int(width))}


class ClipCache(ArrayCache[CachedClips]):
    """Reads frames from a cache. A file is mapped for each read and let go: ten thousand open ones are too many."""

    record = CachedClips
    records_at = "*/*.json"
    most_told = 20

    @property
    def size(self) -> Size:
        """Height and width of a frame in pixels."""
        size: Size = self.kind[0]
        return size

    @property
    def fit(self) -> Fit:
        """How frames of another shape were brought to this size."""
        fit: Fit = self.kind[1]
        return fit

    def has(self, name: str) -> bool:
        """Return whether the video is in the cache and was not left out."""
        return name in self.videos and not self.videos[name].broken

    def length(self, name: str) -> int:
        """Return how many frames a video has.

        Raises:
            DataError: if the cache does not hold it.
        """
        return self._record(name).frames

    def read(self, name: str, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return a copy of frames, `(T, H, W, 3)` RGB.

        Raises:
            DataError: if the cache does not hold the video or a frame, or its file is damaged.
        """
        return pick(self._record(name).array(self.folder), indices, name)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Return a hash over the sizes in bytes of the files that these videos were made from."""
        return fingerprint({name: self.videos[name].source for name in names})

    def check(self, dataset: ClipDataset) -> None:
        """Refuse a cache that was not made from these videos; looks at file sizes, not at pixels.

        Raises:
            DataError: with every difference. Videos of which the cache says that they were left out are none.
        """
        problems = []
        for name, video in dataset.videos.items():
            if name not in self.videos:
                problems.append(f"{name} is missing")
            elif not self.videos[name].matches(file_size(video.path)):
                problems.append(f"{name} was made from another file than {dataset.root} has now")
        self.refuse(problems)

    def _record(self, name: str) -> CachedClips:
        if not self.has(name):
            reason = f" ({self.videos[name].broken})" if name in self.videos else ""
            raise DataError(f"{self.folder} does not hold {name}{reason}; {self.record.remake()}")
        return self.videos[name]
