"""Files that are several recordings, joined byte by byte, of which FFmpeg would read only the first or a part.

MPEG streams, AVI and MXF may be joined so, and FFmpeg reads them to their end. Matroska says where each recording ends,
so each is opened by itself. In the other kinds players show the first recording or a part, and they are refused. A file
is searched once per process, and again when it has changed.
"""

from __future__ import annotations

import io
import mmap
import re
from collections.abc import Callable, Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, BinaryIO

from nnunet_dsd.common.errors import DataError

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
EBML_START = rb"\x1a\x45\xdf\xa3.{1,60}?\x42\x82.(?:matroska|webm)"


class _Part(io.RawIOBase):
    """A part of a file, as a file of its own to read."""

    def __init__(self, file: BinaryIO, start: int, end: int) -> None:
        self._file, self._start, self._length, self._place = file, start, end - start, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self._place = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._length}[whence]
        return self._place

    def readinto(self, buffer: Any) -> int:
        self._file.seek(self._start + self._place)
        content = self._file.read(max(0, min(len(buffer), self._length - self._place)))
        buffer[: len(content)] = content
        self._place += len(content)
        return len(content)


def recordings(path: Path) -> Iterator[str | io.RawIOBase]:
    """Yield what `av.open` takes for each recording of a file, one behind the other; most files have one."""
    borders = _matroska_borders(*_version(path))
    if len(borders) <= 2:
        yield str(path)
        return
    with path.open("rb") as file:
        for start, end in pairwise(borders):
            yield _Part(file, start, end)


def _version(path: Path) -> tuple[Path, int, int]:
    """Return what a search of a whole file is remembered by: path, size in bytes, and time of the last change."""
    facts = path.stat()
    return path, facts.st_size, facts.st_mtime_ns


@cache
def _matroska_borders(path: Path, size: int, changed: int) -> tuple[int, ...]:
    """Return where each recording of a Matroska file begins, and its end."""
    borders = [0]
    with path.open("rb") as file:
        while (end := _end_of_segment(file, borders[-1])) is not None and end < size:
            file.seek(end)
            if file.read(4) != EBML:
                break
            borders.append(end)
    return (*borders, size)


def _end_of_segment(file: BinaryIO, place: int) -> int | None:
    """Return where a Matroska recording ends; None for another kind of file, or where nothing follows."""
    for expected in (EBML, SEGMENT):
        file.seek(place)
        header = file.read(12)
        if header[:4] != expected or len(header) < 12:
            return None
        width = 9 - header[4].bit_length()
        mask = (1 << 7 * width) - 1
        length = int.from_bytes(header[4 : 4 + width], "big") & mask
        if width > 8:
            return None
        if length == mask:  # unknown, as of a recording that was sent while it was made
            return _find(EBML_START, file, place)
        place += 4 + width + length
    return place


def refuse_joined(path: Path, kind: str) -> None:
    """Refuse a file whose second recording would be left out without a word.

    Args:
        path: The file.
        kind: FFmpeg's name of the kind of file.

    Raises:
        DataError: saying how to join recordings.
    """
    if _is_joined(kind, *_version(path)):
        raise DataError(
            f"{path} holds several recordings one behind the other, and players show only the first or a part of them; "
            "take them apart, or join them with FFmpeg's concat demuxer (`ffmpeg -f concat -i LIST -c copy JOINED`)"
        )


@cache
def _is_joined(kind: str, path: Path, size: int, changed: int) -> bool:
    is_joined = next((test for name, test in TESTS.items() if name in kind.split(",")), None)
    if is_joined is None or not size:
        return False
    with path.open("rb") as file:
        return is_joined(file, size)


def _two_films(file: BinaryIO, size: int) -> bool:
    """Go over the boxes of an MP4 or MOV file; each recording has one `moov`."""
    place, found = 0, 0
    while place + 8 <= size:
        file.seek(place)
        header = file.read(16)
        length = int.from_bytes(header[:4], "big")
        length = int.from_bytes(header[8:], "big") if length == 1 else length
        found += header[4:8] == b"moov"
        if length < 8:  # 0 is up to the end of the file
            break
        place += length
    return found > 1


def _find(start: bytes, file: BinaryIO, behind: int) -> int | None:
    """Return the first place behind another at which a pattern begins."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = re.compile(start, re.DOTALL).search(content, behind + 1)
        return found.start() if found else None


def _twice(start: bytes) -> Callable[[BinaryIO, int], bool]:
    def is_joined(file: BinaryIO, size: int) -> bool:
        return _find(start, file, 0) is not None

    return is_joined


TESTS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "mov": _two_films,
    "flv": _twice(rb"FLV\x01[\x00-\x07]\x00\x00\x00\x09\x00\x00\x00\x00"),
    "asf": _twice(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    "nut": _twice(rb"nut/multimedia container\x00"),
    "ivf": _twice(rb"DKIF\x00\x00\x20\x00"),
}
