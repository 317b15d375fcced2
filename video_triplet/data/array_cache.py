"""What every cache is: for each video its frames as one memory-mapped array, and beside it a record of what they are.

A cache is a folder with `VIDEO.npy`, uint8 `(N, H, W, 3)` RGB, and `VIDEO.json`, its record. The record is written
last, so a video with a record is whole. `video_triplet.data.array_cache_writing` makes it. What is cached, frames with
labels or whole videos, is a kind of record and a kind of cache.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import PARTIAL_PREFIX
from nnunet_dsd.common.json_files import json_or_none, read_json
from video_triplet.data.array_files import Shape, map_array, pixel_checksum
from video_triplet.data.images import RESIZE_FILTER

SCHEMA = 1
AnyCache = TypeVar("AnyCache", bound="ArrayCache[Any]")
AnyRecord = TypeVar("AnyRecord", bound="CachedArray")


@dataclass(frozen=True, kw_only=True)
class CachedArray(ABC):
    """The record of one cached video; a kind of cache adds what its frames are and what they were made from.

    Attributes:
        name: The video's name.
        filter: How the images were resized.
        checksum: SHA-256 of all pixels, in hexadecimal.
        command: What makes such caches.
    """

    command: ClassVar[str]

    name: str
    filter: str = RESIZE_FILTER
    checksum: str

    @property
    @abstractmethod
    def shape(self) -> Shape:
        """Shape of the array."""

    @property
    @abstractmethod
    def kind(self) -> Any:
        """What all videos of a cache have in common, such as the size of their frames."""

    @property
    @abstractmethod
    def made_from(self) -> Any:
        """Sizes in bytes of the files that the array was made from."""

    @property
    def has_array(self) -> bool:
        """Whether there is an array at all."""
        return True

    @classmethod
    @abstractmethod
    def describe(cls, kind: Any, unit: str = "") -> str:
        """Say a kind in words; `unit` follows the pixels."""

    @classmethod
    def restored(cls, values: dict[str, Any]) -> dict[str, Any]:
        """Return what a record's file holds of each field as the field has it."""
        return values

    @classmethod
    def remake(cls) -> str:
        """Say what to do about a damaged cache."""
        return f"make it again with `{cls.command}`"

    def to_json(self) -> dict[str, Any]:
        """Return what the record's file holds."""
        return {"schema": SCHEMA, **dataclasses.asdict(self)}

    @classmethod
    def load(cls: type[AnyRecord], path: Path) -> AnyRecord:
        """Read a record.

        Raises:
            DataError: if it is not one, or of another schema.
        """

        def broken(reason: str) -> str:
            return f"{path} is not the record of a cached video ({reason}); {cls.remake()}"

        content = read_json(path, broken=broken)
        try:
            found = content["schema"]
            if found == SCHEMA:
                return cls(**cls.restored({spec.name: content[spec.name] for spec in dataclasses.fields(cls)}))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(broken(repr(error))) from error
        raise DataError(f"{path} is of schema {found}, this version reads {SCHEMA}; {cls.remake()}")

    def matches(self, sources: Any) -> bool:
        """Return whether the array was made from files of these sizes in bytes, in today's way."""
        return self.filter == RESIZE_FILTER and self.made_from == sources

    def array(self, folder: Path) -> NDArray[np.uint8]:
        """Map the array, read only; raise `DataError` if it is not what the record says."""
        return map_array(array_path(folder, self.name), self.shape, remake=self.remake())


class ArrayCache(Generic[AnyRecord]):
    """Reads frames from a cache.

    Attributes:
        record: The kind of its records.
        records_at: Where they lie in its folder.
        most_told: How many differences from a data set a message lists.
        folder: Of the cache.
        videos: Records by name.
        kind: What they have in common.
    """

    record: ClassVar[type[CachedArray]]
    records_at: ClassVar[str]
    most_told: ClassVar[int | None] = None

    def __init__(self, folder: Path, videos: dict[str, AnyRecord], kind: Any) -> None:
        self.folder = folder
        self.videos = videos
        self.kind = kind

    @classmethod
    def open(cls: type[AnyCache], folder: Path) -> AnyCache:
        """Open a cache: reads the records, no pixels.

        Raises:
            DataError: if there is no cached video, a record is broken, or the videos are of different kinds.
        """
        paths = sorted(path for path in folder.glob(cls.records_at) if not path.name.startswith(PARTIAL_PREFIX))
        paths = [path for path in paths if path.with_suffix(".npy").is_file() or not _is_foreign(path)]
        records = [cls.record.load(path) for path in paths]
        if not records:
            raise DataError(f"there is no cached video in {folder}; make one with `{cls.record.command}`")
        kinds = sorted({record.kind for record in records})
        if len(kinds) > 1:
            listed = ", ".join(cls.record.describe(kind, " pixels") for kind in kinds)
            raise DataError(f"{folder} holds frames of several kinds: {listed}; keep one cache per folder")
        return cls(folder, {record.name: record for record in records}, kinds[0])

    def verify(self) -> None:
        """Read every pixel and compare with the checksums: minutes to hours for a large cache.

        Raises:
            DataError: with every video whose pixels are not those that were written.
        """
        there = {name: record for name, record in self.videos.items() if record.has_array}
        wrong = [name for name, one in there.items() if pixel_checksum(one.array(self.folder)) != one.checksum]
        if wrong:
            raise DataError(
                f"{self.folder}: the pixels of {', '.join(wrong)} are not those that were written; delete their .json "
                f"files and run `{self.record.command}` again"
            )

    def refuse(self, differences: Sequence[str]) -> None:
        """Refuse a cache that was not made from a data set.

        Raises:
            DataError: with the differences, if there are any.
        """
        if differences:
            told = differences[: self.most_told]
            more = len(differences) - len(told)
            lines = [f"\n  - {line}" for line in [*told, *([f"and {more} more"] if more else [])]]
            raise DataError(
                f"the cache {self.folder} does not fit the data set; {self.record.remake()}:{''.join(lines)}"
            )


def record_path(folder: Path, name: str) -> Path:
    """Return where a video's record is."""
    return folder / f"{name}.json"


def array_path(folder: Path, name: str) -> Path:
    """Return where a video's frames are."""
    return folder / f"{name}.npy"


def _is_foreign(path: Path) -> bool:
    """Return whether a JSON file is sound and no record: something that was written into the cache's folder."""
    content = json_or_none(path)
    return content is not None and not (isinstance(content, dict) and "checksum" in content)
