"""Arrays of frames on disk: NumPy files written frame by frame, whole or not at all, and mapped for reading."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_file

ROWS_AT_ONCE = 64  # frames hashed at once: 10 MB at 224 pixels
Shape = tuple[int, ...]


def write_array(path: Path, shape: Shape, frames: Iterable[NDArray[np.uint8]]) -> tuple[int, str]:
    """Write frames as one array, one after the other: unlike a memory map, that fails when the disk is full.

    Args:
        path: The file; what it held before is replaced at the end.
        shape: Of one frame.
        frames: uint8, each of this shape; as many as there are.

    Returns:
        How many frames were written, and the SHA-256 of all pixels in hexadecimal.
    """
    digest = hashlib.sha256()
    count = 0
    with whole_file(path) as temporary, temporary.open("wb") as file:
        file.write(_header((count, *shape)))
        for frame in frames:
            pixels = frame.tobytes()
            file.write(pixels)
            digest.update(pixels)
            count += 1
        file.seek(0)
        file.write(_header((count, *shape)))
        file.flush()
        os.fsync(file.fileno())
    return count, digest.hexdigest()


def map_array(path: Path, shape: Shape, *, remake: str) -> NDArray[np.uint8]:
    """Map an array of frames, read only.

    Args:
        path: The file.
        shape: What it must have, frames first.
        remake: What to do if it is damaged, for the message.

    Raises:
        DataError: if the file is missing, cut off, or not what its record says.
    """
    try:
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} is missing or cut off ({error}); {remake}") from error
    if array.shape != shape or array.dtype != np.uint8:
        raise DataError(f"{path} holds {array.dtype} {array.shape}, its record says uint8 {shape}; {remake}")
    return array


def pixel_checksum(array: NDArray[np.uint8]) -> str:
    """Return the SHA-256 of `(N, H, W, 3)` pixels in hexadecimal, a few frames in memory at a time."""
    digest = hashlib.sha256()
    for start in range(0, len(array), ROWS_AT_ONCE):
        digest.update(array[start : start + ROWS_AT_ONCE].tobytes())
    return digest.hexdigest()


def _header(shape: Shape) -> bytes:
    """Return the start of a NumPy file; NumPy leaves room in it, so its length does not depend on the frames."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return buffer.getvalue()
