"""The clip cache: every frame of every video, decoded and resized once, in one memory-mapped file per video.

A cache is a folder with `CLASS/VIDEO.avi.npy`, uint8 `(N, H, W, 3)` RGB, and `CLASS/VIDEO.avi.json`, its record. The
record is written last, so a video with a record is whole. `video_triplet.clips.cache_writing` makes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import PARTIAL_PREFIX
from video_triplet.clips.decoding import Fit, Size
from video_triplet.clips.sources import file_size, fingerprint, pick
from video_triplet.clips.videos import ClipDataset
from video_triplet.data.array_files import load_record, map_array, pixel_checksum
from video_triplet.data.images import RESIZE_FILTER

SCHEMA = 1
REMAKE = "make it again with `video-triplet prepare-clips`"


@dataclass(frozen=True)
class CachedClips:
    """The record of one cached video.

    Attributes:
        name: The video's name.
        frames: How many; 0 for a video that was left out.
        source: Size in bytes of the file it was made from.
        broken: Why the video was left out, or "".
        size: Height and width in pixels.
        fit: How frames of another shape were brought to this size.
        filter: How they were resized.
        checksum: SHA-256 of all pixels, in hexadecimal.
    """

    name: str
    frames: int
    source: int
    broken: str
    size: Size
    fit: Fit
    filter: str
    checksum: str

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (self.frames, *self.size, 3)

    def to_json(self) -> dict[str, Any]:
        """Return what the record's file holds."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def load(cls, path: Path) -> CachedClips:
        """Read a record.

        Raises:
            DataError: if it is not one, or of another schema.
        """
        return load_record(path, cls._from_json, schema=SCHEMA, remake=REMAKE)

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> CachedClips:
        values = {spec.name: content[spec.name] for spec in fields(cls)}
        height, width = values["size"]
        return cls(**{**values, "size": (int(height), int(width))})


class ClipCache:
    """Reads frames from a cache. A file is mapped for each read and let go: ten thousand open ones are too many."""

    def __init__(self, folder: Path, videos: dict[str, CachedClips], size: Size, fit: Fit) -> None:
        self.folder = folder
        self.videos = videos
        self.fit: Fit = fit
        self._size = size

    @classmethod
    def open(cls, folder: Path) -> ClipCache:
        """Read the records of a cache; no pixel is read.

        Raises:
            DataError: if there is no record, or records differ in size or fit.
        """
        paths = sorted(path for path in folder.glob("*/*.json") if not path.name.startswith(PARTIAL_PREFIX))
        records = [CachedClips.load(path) for path in paths]
        if not records:
            raise DataError(f"there is no cached video in {folder}; make one with `video-triplet prepare-clips`")
        kinds = sorted({(record.size, record.fit) for record in records})
        if len(kinds) > 1:
            listed = ", ".join(f"{height} x {width} pixels ({fit})" for (height, width), fit in kinds)
            raise DataError(f"{folder} holds frames of several kinds: {listed}; keep one cache per folder")
        return cls(folder, {record.name: record for record in records}, *kinds[0])

    @property
    def size(self) -> Size:
        """Height and width of a frame in pixels."""
        return self._size

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
        return pick(open_array(self.folder, self._record(name)), indices, name)

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
            elif not matches(self.videos[name], file_size(video.path)):
                problems.append(f"{name} was made from another file than {dataset.root} has now")
        if problems:
            listed = "".join(f"\n  - {problem}" for problem in problems[:20])
            more = f"\n  - and {len(problems) - 20} more" if len(problems) > 20 else ""
            raise DataError(f"the cache {self.folder} does not fit the data set; {REMAKE}:{listed}{more}")

    def verify(self) -> None:
        """Read every pixel and compare with the checksums: hours for a large cache on a slow disk.

        Raises:
            DataError: with every video whose pixels are not those that were written.
        """
        wrong = [
            name
            for name, record in self.videos.items()
            if self.has(name) and pixel_checksum(open_array(self.folder, record)) != record.checksum
        ]
        if wrong:
            raise DataError(
                f"{self.folder}: the pixels of {', '.join(wrong)} are not those that were written; delete their .json "
                "files and run `video-triplet prepare-clips` again"
            )

    def _record(self, name: str) -> CachedClips:
        if not self.has(name):
            reason = f" ({self.videos[name].broken})" if name in self.videos else ""
            raise DataError(f"{self.folder} does not hold {name}{reason}; {REMAKE}")
        return self.videos[name]


def matches(record: CachedClips, source: int) -> bool:
    """Return whether a record was made from a file of this size in bytes, in today's way."""
    return record.filter == RESIZE_FILTER and record.source == source


def record_path(folder: Path, name: str) -> Path:
    """Return where a video's record is."""
    return folder / f"{name}.json"


def array_path(folder: Path, name: str) -> Path:
    """Return where a video's frames are."""
    return folder / f"{name}.npy"


def open_array(folder: Path, record: CachedClips) -> NDArray[np.uint8]:
    """Map the frames of a cached video, read only; raise `DataError` if they are not what the record says."""
    return map_array(array_path(folder, record.name), record.shape, remake=REMAKE)
