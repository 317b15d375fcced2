"""Source volumes as SimpleITK's images: their headers, their channels, and writing them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.datasets.geometry import TO_LPS, Geometry
from nnunet_dsd.datasets.nifti import read_nifti_header, require_whole_file
from nnunet_dsd.datasets.readers import nibabel_files, simpleitk
from nnunet_dsd.datasets.readers.reader import Layout


@dataclass(frozen=True)
class Header:
    """What a NIfTI file says about itself: the geometry of one channel, how many there are, and the kind of numbers."""

    geometry: Geometry
    channels: int
    is_floating_point: bool


def read_header(path: Path) -> Header:
    """Read a header alone; the last axis of a four-dimensional image counts as channels.

    Raises:
        DataError: if neither SimpleITK nor nibabel can read it, or it is neither a volume nor a series of volumes.
    """
    kind = read_nifti_header(path).get_data_dtype()
    layout = _inspect(path)
    if len(layout.geometry.size) != 3:
        raise DataError(f"{path} has {len(layout.geometry.size)} axes; 3, or 4 with the channels last, are expected")
    return Header(layout.geometry, layout.channels, is_floating_point=kind.kind == "f")


def has_blank_header(path: Path, header: Header, image: Header) -> bool:
    """Whether a label says nothing of where its voxels lie: no transform, or the identity with voxels of 1 mm.

    Without a transform the voxels may be of the image's size too. An origin of at most one voxel goes with the
    identity, of NIfTI or of SimpleITK: released labels have one of (1, 1, 1). Other flips of axes were written on
    purpose.
    """
    raw, geometry = read_nifti_header(path), header.geometry
    if int(raw["qform_code"]) == 0 and int(raw["sform_code"]) == 0:
        sizes = (np.ones(3), image.geometry.spacing_mm)
        return any(np.allclose(geometry.spacing_mm, size, rtol=1e-3, atol=0) for size in sizes)
    identities = (np.diag(TO_LPS), np.eye(3))
    straight = any(np.allclose(geometry.direction, one.ravel(), rtol=0, atol=1e-6) for one in identities)
    near = all(abs(value) <= 1 for value in geometry.origin_mm)
    return bool(straight and near and np.allclose(geometry.spacing_mm, 1.0, rtol=0, atol=1e-6))


def read_image(path: Path) -> sitk.Image:
    """Read an image without the header entries that are not its geometry.

    Raises:
        DataError: if neither SimpleITK nor nibabel can read it.
    """
    try:
        image = simpleitk.read_image(path)
    except simpleitk.ShearError:
        channels = nibabel_files.read(path, "image")
        return as_image(channels.array[0], channels.geometry)
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image


def split_channels(image: sitk.Image) -> list[sitk.Image]:
    """Return the volumes of an image: itself, or those along its fourth axis."""
    if image.GetDimension() == 3:
        return [image]
    return [image[:, :, :, channel] for channel in range(image.GetSize()[3])]


def as_image(array: NDArray[Any], geometry: Geometry) -> sitk.Image:
    """Return an array of shape (Z, Y, X), or (Y, X), as SimpleITK's image, which in memory may have any axes."""
    image = sitk.GetImageFromArray(np.ascontiguousarray(array))
    image.SetSpacing(geometry.spacing_mm)
    image.SetOrigin(geometry.origin_mm)
    image.SetDirection(geometry.direction)
    return image


def geometry_of_image(image: sitk.Image) -> Geometry:
    """Return where SimpleITK's image lies."""
    return Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())


def write_image(path: Path, image: sitk.Image) -> None:
    """Write a compressed NIfTI file and read it back: SimpleITK reports no error where the disk is full.

    Raises:
        SetupError: if it could not be written, or not whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        write_nifti(path, image)
        require_whole_file(path)
    except (RuntimeError, OSError, DataError) as error:
        raise SetupError(f"{path} could not be written whole, is the disk full? ({error})") from error


def write_nifti(path: Path, image: sitk.Image) -> None:
    """Write an image to a compressed NIfTI file, with the axes it has: SimpleITK would set them at right angles."""
    geometry = geometry_of_image(image)
    if geometry.is_orthogonal:
        sitk.WriteImage(image, str(path), useCompression=True)
        return
    array = sitk.GetArrayFromImage(image)
    written = nibabel.Nifti1Image(array.transpose(), geometry.affine())
    written.header.set_xyzt_units("mm")
    nibabel.save(written, path)


def _inspect(path: Path) -> Layout:
    try:
        return simpleitk.inspect(path, "image")
    except simpleitk.ShearError:
        return nibabel_files.inspect(path, "image")
