"""The frame cache: every labelled frame at training size in one memory-mapped file per video, instead of 90,000 PNGs.

A cache is a folder with `VIDEO.npy`, uint8 `(N, size, size, 3)` RGB, and `VIDEO.json`, its record. The record is
written last, so a video with a record is whole. `video_triplet.data.cache_writing` makes it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import PARTIAL_PREFIX
from video_triplet.data.array_files import load_record, map_array, pixel_checksum
from video_triplet.data.frame_sources import sizes_hash
from video_triplet.data.images import RESIZE_FILTER
from video_triplet.data.videos import TripletDataset, Video

SCHEMA = 1
REMAKE = "make it again with `video-triplet prepare`"


@dataclass(frozen=True)
class CachedVideo:
    """The record of one cached video.

    Attributes:
        name: The video's name.
        frames: Frame number of each row of the array, ascending.
        sources: Size in bytes of each image file by frame number, broken ones included: the source's fingerprint.
        broken: What was wrong with images that were left out, by frame number.
        size: Height and width in pixels.
        filter: How the images were resized.
        checksum: SHA-256 of all pixels, in hexadecimal.
    """

    name: str
    frames: tuple[int, ...]
    sources: dict[int, int]
    broken: dict[int, str]
    size: int
    filter: str
    checksum: str

    @cached_property
    def rows(self) -> dict[int, int]:
        """Row of the array for each frame number."""
        return {frame: row for row, frame in enumerate(self.frames)}

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Shape of the array."""
        return (len(self.frames), self.size, self.size, 3)

    def to_json(self) -> dict[str, Any]:
        """Return what the record's file holds."""
        return {"schema": SCHEMA, **asdict(self)}

    @classmethod
    def load(cls, path: Path) -> CachedVideo:
        """Read a record.

        Raises:
            DataError: if it is not one, or of another schema.
        """
        return load_record(path, cls._from_json, schema=SCHEMA, remake=REMAKE)

    @classmethod
    def _from_json(cls, content: dict[str, Any]) -> CachedVideo:
        values = {spec.name: content[spec.name] for spec in fields(cls)}
        values["frames"] = tuple(values["frames"])
        for part in ("sources", "broken"):
            values[part] = {int(frame): value for frame, value in values[part].items()}
        return cls(**values)


def source_fingerprint(video: Video) -> dict[int, int]:
    """Return the size in bytes of the image of every labelled frame that has one, by frame number.

    Raises:
        DataError: if an image is gone since the folder was listed.
    """
    paths = video.image_paths
    return image_sizes({frame: paths[frame] for frame in video.frames.tolist() if frame in paths})


def image_sizes(paths: Mapping[int, Path]) -> dict[int, int]:
    """Return the size in bytes of files; raise `DataError` if one is gone or not accessible."""
    try:
        return {frame: path.stat().st_size for frame, path in paths.items()}
    except OSError as error:
        raise DataError(f"an image cannot be looked at ({error}); check the data set's folder") from error


def _is_foreign(path: Path) -> bool:
    """Return whether a JSON file is sound and no record: something that was written into the cache's folder."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return not (isinstance(content, dict) and "checksum" in content)


class FrameCache:
    """Reads frames from a cache. Files are mapped when first needed, and again in each worker of a data loader."""

    def __init__(self, folder: Path, videos: dict[str, CachedVideo], size: int) -> None:
        self.folder = folder
        self.videos = videos
        self._size = size
        self._maps: dict[str, NDArray[np.uint8]] = {}

    @classmethod
    def open(cls, folder: Path) -> FrameCache:
        """Open a cache: reads the records, no pixels.

        Raises:
            DataError: if there is no cached video, a record is broken, or the videos have different sizes.
        """
        paths = sorted(path for path in folder.glob("*.json") if not path.name.startswith(PARTIAL_PREFIX))
        paths = [path for path in paths if path.with_suffix(".npy").is_file() or not _is_foreign(path)]
        records = [CachedVideo.load(path) for path in paths]
        if not records:
            raise DataError(f"there is no cached video in {folder}; make them with `video-triplet prepare`")
        sizes = sorted({record.size for record in records})
        if len(sizes) > 1:
            raise DataError(f"{folder} holds videos of different sizes ({sizes} pixels); use one folder per size")
        return cls(folder, {record.name: record for record in records}, sizes[0])

    @property
    def size(self) -> int:
        """Height and width in pixels."""
        return self._size

    def has(self, video: str, frame: int) -> bool:
        """Return whether `read` can give this frame."""
        return video in self.videos and frame in self.videos[video].rows

    def read(self, video: str, frame: int) -> NDArray[np.uint8]:
        """Return a copy of a frame, `(size, size, 3)` RGB.

        Raises:
            DataError: if the cache does not hold it.
        """
        if not self.has(video, frame):
            raise DataError(f"{self.folder} does not hold {video} frame {frame}; {REMAKE}")
        return np.array(self._array(video)[self.videos[video].rows[frame]])

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
            elif not matches(self.videos[name], source_fingerprint(video)):
                problems.append(f"{name} was made from other images or frames than {dataset.root} has now")
        if problems:
            listed = "\n".join(f"  - {problem}" for problem in problems)
            raise DataError(f"the cache {self.folder} does not fit the data set; {REMAKE}:\n{listed}")

    def fingerprint(self, videos: Sequence[str]) -> str:
        """Return a hash over the frame numbers and file sizes of the images that these videos were made from."""
        records = {name: self.videos[name] for name in videos}
        return sizes_hash({name: {f: record.sources[f] for f in record.frames} for name, record in records.items()})

    def verify(self) -> None:
        """Read every pixel and compare with the checksums: minutes for a large cache.

        Raises:
            DataError: with every video whose pixels are not those that were written.
        """
        wrong = [name for name, record in self.videos.items() if pixel_checksum(self._array(name)) != record.checksum]
        if wrong:
            raise DataError(
                f"{self.folder}: the pixels of {', '.join(wrong)} are not those that were written; delete their .json "
                "files and run `video-triplet prepare` again"
            )

    def __getstate__(self) -> dict[str, Any]:
        """Leave the maps behind: another process opens its own, instead of being sent the pixels."""
        return {**self.__dict__, "_maps": {}}

    def _array(self, video: str) -> NDArray[np.uint8]:
        if video not in self._maps:
            self._maps[video] = open_array(self.folder, self.videos[video])
        return self._maps[video]


def matches(record: CachedVideo, sources: dict[int, int]) -> bool:
    """Return whether a record was made from these image files, in today's way."""
    return record.filter == RESIZE_FILTER and record.sources == sources


def open_array(folder: Path, record: CachedVideo) -> NDArray[np.uint8]:
    """Map the array of a cached video, read only; raise `DataError` if it is not what the record says."""
    return map_array(folder / f"{record.name}.npy", record.shape, remake=REMAKE)
