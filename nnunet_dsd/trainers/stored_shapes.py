"""The size of a preprocessed image, read without its voxels and without nnU-Net's notes of where classes are."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import blosc2
from numpy.lib import format as array_format

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.trainers.preparation import IMAGE

UNPACKED, PACKED = ".npy", ".npz"  # of nnU-Net's older data sets, which it still reads
PACKED_IMAGE = "data.npy"


def stored_shape(folder: Path, case: str) -> tuple[int, ...]:
    """Return the shape `(C, *S)` of a case's image as nnU-Net would load it.

    Args:
        folder: Of the preprocessed cases of a configuration.
        case: Its name.

    Raises:
        DataError: if there is no such image, or it cannot be read.
    """
    for ending, read in ((IMAGE, _of_blosc2), (UNPACKED, _of_numpy), (PACKED, _of_packed_numpy)):
        path = folder / f"{case}{ending}"
        if path.is_file():
            try:
                return read(path)
            except (OSError, RuntimeError, ValueError, KeyError, zipfile.BadZipFile) as error:
                raise DataError(f"{path} cannot be read ({error}); preprocess the data set anew") from error
    raise DataError(f"there is no preprocessed image of {case} in {folder}; preprocess the data set anew")


def _of_blosc2(path: Path) -> tuple[int, ...]:
    shape: tuple[int, ...] = tuple(blosc2.open(urlpath=str(path), mode="r").shape)
    return shape


def _of_numpy(path: Path) -> tuple[int, ...]:
    with path.open("rb") as file:
        return _header_shape(file)


def _of_packed_numpy(path: Path) -> tuple[int, ...]:
    with zipfile.ZipFile(path) as archive, archive.open(PACKED_IMAGE) as file:
        return _header_shape(file)


def _header_shape(file: IO[bytes]) -> tuple[int, ...]:
    """Read the shape from the beginning of an array in NumPy's format."""
    first = array_format.read_magic(file) == (1, 0)
    header = array_format.read_array_header_1_0(file) if first else array_format.read_array_header_2_0(file)
    shape: tuple[int, ...] = header[0]
    return shape
