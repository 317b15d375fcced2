"""Whether an image file is there to its end, seen without decoding it."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_END = b"\0\0\0\0IEND\xaeB`\x82"
JPEG_START, JPEG_END = b"\xff\xd8", b"\xff\xd9"
WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))  # markers of JPEG that no segment follows: TEM and the restarts


def is_complete(path: Path) -> bool:
    """Return whether a PNG or JPEG file ends as one must; a copy that was cut off does not.

    It looks at the content, not at the file's name, and reads some twenty bytes. Only a file with something else at its
    end, which some programs append, is read as a whole to look for the end of the image.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(JPEG_START)) == JPEG_START:
                return _tail(file, len(JPEG_END)) == JPEG_END or _has_jpeg_end(path.read_bytes())
            return _tail(file, len(PNG_END)) == PNG_END or _has_png_end(path.read_bytes())
    except OSError:
        return False


def _tail(file: BinaryIO, length: int) -> bytes:
    file.seek(-length, 2)
    return file.read()


def _has_png_end(content: bytes) -> bool:
    """Walk from chunk to chunk by their length until the last one or the end of the file."""
    place = len(PNG_START) if content.startswith(PNG_START) else len(content)
    while place + len(PNG_END) <= len(content):
        if content[place : place + len(PNG_END)] == PNG_END:
            return True
        place += 12 + int.from_bytes(content[place : place + 4], "big")
    return False


def _has_jpeg_end(content: bytes) -> bool:
    """Walk from marker to marker, over segments by their length, until the end of the image or of the file."""
    place = len(JPEG_START)
    while 0 <= (place := content.find(b"\xff", place)) < len(content) - 1:
        marker = content[place + 1]
        if marker == JPEG_END[1]:
            return True
        if marker == 0xFF:  # padding
            place += 1
        elif marker == 0 or marker in WITHOUT_LENGTH:
            place += 2
        else:
            place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return False
