"""Whether a file is several recordings, joined byte by byte, of which FFmpeg would read only the first or a part.

MPEG streams, AVI and MXF may be joined so and are read to their end; these kinds of files begin with a header that says
where they end, or hold a table of contents of the first recording alone.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from nnunet_dsd.errors import DataError

EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def refuse_joined(path: Path, kind: str) -> None:
    """Refuse a file whose second recording would be left out without a word.

    Args:
        path: The file.
        kind: FFmpeg's name of the kind of file.

    Raises:
        DataError: saying how to join recordings.
    """
    is_joined = next((test for name, test in TESTS.items() if name in kind.split(",")), None)
    if is_joined is None or not path.stat().st_size:
        return
    with path.open("rb") as file:
        if not is_joined(file, path.stat().st_size):
            return
    raise DataError(
        f"{path} holds several recordings one behind the other, and players show only the first or a part of them; "
        "take them apart, or join them with FFmpeg's concat demuxer (`ffmpeg -f concat -i LIST -c copy JOINED`)"
    )


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


def _two_segments(file: BinaryIO, size: int) -> bool:
    """See what lies behind the first segment of a Matroska file; one of unknown length goes on to the end."""
    place = 0
    for expected in (EBML, SEGMENT):
        file.seek(place)
        header = file.read(12)
        if header[:4] != expected or len(header) < 12:
            return False
        width = 9 - header[4].bit_length()
        mask = (1 << 7 * width) - 1
        length = int.from_bytes(header[4 : 4 + width], "big") & mask
        if width > 8 or length == mask:
            return False
        place += 4 + width + length
    file.seek(place)
    return file.read(4) == EBML


def _twice(start: bytes) -> Callable[[BinaryIO, int], bool]:
    def is_joined(file: BinaryIO, size: int) -> bool:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return re.compile(start, re.DOTALL).search(content, 1) is not None

    return is_joined


TESTS: dict[str, Callable[[BinaryIO, int], bool]] = {
    "mov": _two_films,
    "matroska": _two_segments,
    "flv": _twice(rb"FLV\x01[\x00-\x07]\x00\x00\x00\x09\x00\x00\x00\x00"),
    "asf": _twice(rb"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c"),
    "nut": _twice(rb"nut/multimedia container\x00"),
    "ivf": _twice(rb"DKIF\x00\x00\x20\x00"),
}
