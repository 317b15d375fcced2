"""nnU-Net's Tiff3DIO: stacks of pictures, whose spacing is in a JSON file beside the image and nowhere else."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_dsd.common.errors import DataError, MisfitError
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.datasets.geometry import Geometry, geometry_of_axes, geometry_of_pixels
from nnunet_dsd.datasets.readers.reader import NAMED_IN, Channels, Kind, Layout, unreadable

NAME = "Tiff3DIO"
ENDINGS = (".tif", ".tiff")
CHANNEL_SUFFIX = len("_0000")


def inspect(path: Path, kind: Kind) -> Layout:
    """Read a stack's shape and its spacing file."""
    import tifffile

    _require_ending(path)
    try:
        with tifffile.TiffFile(path) as file:
            shape = file.series[0].shape
    except Exception as error:  # tifffile's are of many classes
        raise unreadable(path, "tifffile", error) from error
    _require_stack(path, shape)
    return Layout(_geometry(path, shape, kind), 1)


def read(path: Path, kind: Kind) -> Channels:
    """Read a stack."""
    import tifffile

    _require_ending(path)
    try:
        array = tifffile.imread(path)
    except Exception as error:  # tifffile's are of many classes
        raise unreadable(path, "tifffile", error) from error
    _require_stack(path, array.shape)
    return Channels(array[None], _geometry(path, array.shape, kind))


def spacing_file(path: Path, kind: Kind) -> Path:
    """Return where nnU-Net looks for the spacing: `case.json` for `case.tif` and for the image `case_0000.tif`."""
    stem = path.name[: -len(path.suffix)]
    return path.with_name((stem if kind == "labels" else stem[:-CHANNEL_SUFFIX]) + ".json")


def _require_ending(path: Path) -> None:
    if path.suffix.lower() not in ENDINGS:
        raise MisfitError(
            f"{path} does not end in {' or '.join(ENDINGS)}, and nnU-Net's {NAME} reads nothing else; it is named by "
            f"{NAMED_IN}."
        )


def _require_stack(path: Path, shape: tuple[int, ...]) -> None:
    if len(shape) != 3:
        raise MisfitError(f"{path} has the shape {shape}; nnU-Net's {NAME} reads stacks of 3 axes.")


def _geometry(path: Path, shape: tuple[int, ...], kind: Kind) -> Geometry:
    pixels = geometry_of_pixels(shape[::-1])
    beside = spacing_file(path, kind)
    if not beside.is_file():
        return pixels
    spacing = _read_spacing(beside)[::-1]
    return replace(geometry_of_axes(pixels.size, spacing, pixels.origin_mm, np.diag(spacing)), is_physical=True)


def _read_spacing(path: Path) -> tuple[float, ...]:
    """Read the spacing along (z, y, x), in mm."""

    def broken(reason: str) -> str:
        return f'{path} is no spacing file such as {{"spacing": [3.0, 0.5, 0.5]}} ({reason}).'

    content: Any = read_json(path, broken=broken)
    try:
        spacing = tuple(float(step) for step in content["spacing"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(broken(repr(error))) from error
    if len(spacing) != 3 or not all(math.isfinite(step) and step > 0 for step in spacing):
        raise DataError(f"{path} holds the spacing {list(spacing)}; three lengths above 0 are needed, along (z, y, x).")
    return spacing
