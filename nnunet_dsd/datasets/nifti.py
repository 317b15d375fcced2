"""The bytes of NIfTI files: whether they are all there, and what libraries read without a word as something else."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nnunet_dsd.common.errors import DataError

CHUNK_BYTES = 2**22
NIFTI_ENDINGS = (".nii", ".nii.gz")
HEADER_BYTES = {348: "Nifti1Header", 540: "Nifti2Header"}  # the first number of a file is the size of its header
GZIP_MAGIC = b"\x1f\x8b"
ZLIB_GZIP = 31  # zlib's number for a window of 32 KiB within gzip's header and checksum


def is_nifti(path: Path) -> bool:
    """Whether a file has the name of a NIfTI file."""
    return path.name.lower().endswith(NIFTI_ENDINGS)


def require_named_right(path: Path, *, reader: str, plain_as_gz: bool) -> None:
    """Check that a file's name says whether it is compressed: libraries go by the name.

    Args:
        path: a NIfTI file.
        reader: name of nnU-Net's reader, for the message.
        plain_as_gz: whether this reader reads a file that is not compressed under a name in `.gz`.

    Raises:
        DataError: if the reader would not read it under this name.
    """
    packed = _is_packed(path)
    if packed and not path.name.lower().endswith(".gz"):
        raise DataError(
            f"{path} is compressed with gzip, but its name does not end in .gz, and {reader} goes by the name. Rename "
            "it to .nii.gz, or decompress it with gunzip."
        )
    if not packed and path.name.lower().endswith(".gz") and not plain_as_gz:
        raise DataError(
            f"{path} is not compressed, but its name ends in .gz, and {reader} goes by the name. Compress it with "
            "gzip, or rename it to .nii."
        )


def require_whole_file(path: Path) -> None:
    """Check that a NIfTI file is complete: SimpleITK reads a cut-off one without complaint, the rest as zeros.

    Compression is told by the bytes, not by the name; bytes behind the end are no fault, since readers ignore them.

    Raises:
        DataError: if it ends early or, where it is compressed, its checksum is wrong.
    """
    found = sum(len(chunk) for chunk in unpacked(path))
    expected = _data_end(read_nifti_header(path))
    if found < expected:
        raise DataError(f"{path} holds {found} bytes of {expected}; it is cut off or damaged")


def count_not_finite(path: Path) -> int:
    """Return how many voxels of a NIfTI file are not-a-number or infinite; none where the numbers are whole ones.

    The file is read here byte by byte: SimpleITK reads such voxels as 0 without a word.

    Raises:
        DataError: if it cannot be read.
    """
    header = read_nifti_header(path)
    kind = header.get_data_dtype()
    if kind.kind != "f":
        return 0
    start, end = int(header.get_data_offset()), _data_end(header)
    place = found = 0
    rest = b""
    for chunk in unpacked(path):
        values = rest + chunk[max(0, start - place) : max(0, end - place)]
        whole = len(values) // kind.itemsize * kind.itemsize
        found += int(np.count_nonzero(~np.isfinite(np.frombuffer(values[:whole], kind))))
        rest, place = values[whole:], place + len(chunk)
    return found


def read_nifti_header(path: Path) -> Any:
    """Return nibabel's header of a NIfTI file, compressed or not.

    Raises:
        DataError: if it is no NIfTI file.
    """
    import nibabel

    block = b""
    for chunk in unpacked(path):
        block += chunk
        if len(block) >= max(HEADER_BYTES):
            break
    sizes = (int.from_bytes(block[:4], "little"), int.from_bytes(block[:4], "big"))
    size = next((size for size in sizes if size in HEADER_BYTES and len(block) >= size), None)
    if size is None and path.name.lower().endswith(".gz") and not _is_packed(path):
        raise DataError(
            f"{path} could not be read to its end; it is damaged: neither compressed with gzip nor a NIfTI file "
            f"({len(block)} bytes were read, starting with {block[:4]!r})"
        )
    if size is None:
        raise DataError(
            f"{path} could not be read as an image: it is no NIfTI file, or damaged ({len(block)} bytes were read, "
            f"starting with {block[:4]!r})"
        )
    header = getattr(nibabel, HEADER_BYTES[size])(block[:size], check=False)
    try:
        _data_end(header)
    except (KeyError, ValueError, nibabel.spatialimages.HeaderDataError) as error:
        raise DataError(f"{path} could not be read as an image; its header is damaged ({error})") from error
    return header


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield a file's bytes, decompressed where they are compressed with gzip, in pieces of at most `CHUNK_BYTES`.

    Raises:
        DataError: if it cannot be read to its end.
    """
    try:
        with path.open("rb") as file:
            packed = file.read(2) == GZIP_MAGIC
            file.seek(0)
            yield from _members(file) if packed else iter(lambda: file.read(CHUNK_BYTES), b"")
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} could not be read to its end; it is cut off or damaged ({error})") from error


def _members(file: BinaryIO) -> Iterator[bytes]:
    """Yield what gzip's members hold, one after the other; what follows the last one is ignored, as zlib does."""
    unpacker, data = zlib.decompressobj(ZLIB_GZIP), file.read(CHUNK_BYTES)
    while True:
        piece = unpacker.decompress(data, CHUNK_BYTES)
        if piece:
            yield piece
        if unpacker.eof:
            data = unpacker.unused_data + file.read(CHUNK_BYTES)
            if data[:2] != GZIP_MAGIC:
                return
            unpacker = zlib.decompressobj(ZLIB_GZIP)
            continue
        data = unpacker.unconsumed_tail or file.read(CHUNK_BYTES)
        if not data and not piece:
            raise EOFError("the compressed data end early")


def _is_packed(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == GZIP_MAGIC


def _data_end(header: Any) -> int:
    """Return how many bytes a whole file has at least."""
    voxels = int(np.prod(header.get_data_shape(), dtype=np.int64))
    return int(header.get_data_offset()) + voxels * int(header.get_data_dtype().itemsize)
