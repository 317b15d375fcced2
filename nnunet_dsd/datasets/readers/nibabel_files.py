"""nnU-Net's NibabelIO and NibabelIOWithReorient: NIfTI files of 3 axes, with any affine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.geometry import TO_LPS, Geometry, geometry_of_axes
from nnunet_dsd.datasets.nifti import is_nifti, require_named_right, require_whole_file
from nnunet_dsd.datasets.readers.reader import Channels, Kind, Layout, unreadable

NAME = "NibabelIO"
# NIfTI's codes of the units of lengths, as mm; all others are taken for mm, as SimpleITK does.
UNIT_MASK, UNITS_MM = 7, {1: 1000.0, 3: 0.001}


def inspect(path: Path, kind: Kind) -> Layout:
    """Read an image's header."""
    return Layout(_geometry(_load(path)), 1)


def read(path: Path, kind: Kind) -> Channels:
    """Read an image as it lies in the file."""
    return _channels(path, _load(path))


def inspect_reoriented(path: Path, kind: Kind) -> Layout:
    """Read an image's header, turned to RAS."""
    return Layout(_geometry(_reoriented(_load(path))), 1)


def read_reoriented(path: Path, kind: Kind) -> Channels:
    """Read an image with its axes turned to RAS."""
    return _channels(path, _reoriented(_load(path)))


def _load(path: Path) -> Any:
    """Return nibabel's image, whose voxels are not read yet."""
    import nibabel

    if is_nifti(path):
        require_named_right(path, reader=NAME, plain_as_gz=False)
    try:
        image: Any = nibabel.load(path)
    except Exception as error:  # nibabel's are of many classes
        raise unreadable(path, "nibabel", error) from error
    if len(image.shape) != 3:
        raise DataError(
            f"{path} has {len(image.shape)} axes, and nnU-Net's {NAME} reads 3. SimpleITKIO reads others: "
            'write "overwrite_image_reader_writer": "SimpleITKIO" into the dataset.json.'
        )
    return image


def _reoriented(image: Any) -> Any:
    from nibabel.orientations import io_orientation

    return image.as_reoriented(io_orientation(image.affine))


def _channels(path: Path, image: Any) -> Channels:
    if is_nifti(path):
        require_whole_file(path)
    try:
        array = np.asanyarray(image.dataobj)
    except Exception as error:  # nibabel's are of many classes
        raise unreadable(path, "nibabel", error) from error
    if array.dtype.names:
        raise DataError(f"{path} has {len(array.dtype.names)} numbers per voxel; nnU-Net's {NAME} reads one.")
    return Channels(array.transpose(2, 1, 0)[None], _geometry(image))


def _geometry(image: Any) -> Geometry:
    """Return where the voxels lie, by the affine, with the spacing of the header, which nnU-Net takes."""
    scale = UNITS_MM.get(int(image.header["xyzt_units"]) & UNIT_MASK, 1.0) if "xyzt_units" in image.header else 1.0
    affine = np.diag([*TO_LPS, 1.0]) @ image.affine * scale
    spacing = [float(step) * scale for step in image.header.get_zooms()[:3]]
    return geometry_of_axes(image.shape, spacing, affine[:3, 3], affine[:3, :3])
