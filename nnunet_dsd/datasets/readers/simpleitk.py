"""nnU-Net's SimpleITKIO and SimpleITKIOWithReorient."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.geometry import Geometry, geometry_of_axes, geometry_of_pixels
from nnunet_dsd.datasets.nifti import is_nifti, require_named_right, require_whole_file
from nnunet_dsd.datasets.readers.reader import Channels, Kind, Layout, unreadable

if TYPE_CHECKING:
    import SimpleITK as sitk

NAME, NAME_REORIENTED = "SimpleITKIO", "SimpleITKIOWithReorient"
ORIENTATION = "RAS"
# Their resolution is one for printing; SimpleITK takes it for the size of a voxel.
PICTURES = (".png", ".bmp", ".tif", ".tiff", ".jpg", ".jpeg")
SHEARED = "orthonormal"  # what SimpleITK says of axes that are not at right angles


class ShearError(DataError):
    """An image's axes are not at right angles, which SimpleITK does not read."""


def inspect(path: Path, kind: Kind) -> Layout:
    """Read an image's header."""
    information = _read_information(path)
    return _layout(path, information, information.GetNumberOfComponents())


def _read_information(path: Path) -> sitk.ImageFileReader:
    import SimpleITK as sitk

    _require_readable_name(path)
    information = sitk.ImageFileReader()
    information.SetFileName(str(path))
    try:
        information.ReadImageInformation()
    except RuntimeError as error:
        raise _refused(path, error) from error
    return information


def read(path: Path, kind: Kind) -> Channels:
    """Read an image of 2 to 4 axes; the fourth are channels."""
    return _channels(path, read_image(path))


def inspect_reoriented(path: Path, kind: Kind) -> Layout:
    """Read an image's header, turned to RAS."""
    information = _read_information(path)
    _require_volume(path, information.GetDimension())
    layout = _layout(path, information, information.GetNumberOfComponents())
    return Layout(_turned(layout.geometry), layout.channels)


def read_reoriented(path: Path, kind: Kind) -> Channels:
    """Read an image of 3 axes with its axes turned to RAS."""
    import SimpleITK as sitk

    image = read_image(path)
    _require_volume(path, image.GetDimension())
    return _channels(path, sitk.DICOMOrient(image, ORIENTATION))


def read_image(path: Path) -> sitk.Image:
    """Read an image as SimpleITK's.

    Raises:
        DataError: if SimpleITK cannot read it, or it is cut off.
    """
    import SimpleITK as sitk

    _require_readable_name(path)
    if is_nifti(path):
        require_whole_file(path)
    try:
        return sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _refused(path, error) from error


def _require_readable_name(path: Path) -> None:
    if is_nifti(path):
        require_named_right(path, reader=NAME, plain_as_gz=True)


def _channels(path: Path, image: sitk.Image) -> Channels:
    import SimpleITK as sitk

    layout = _layout(path, image, image.GetNumberOfComponentsPerPixel())
    array = sitk.GetArrayFromImage(image)
    return Channels(array if image.GetDimension() == 4 else array[None], layout.geometry)


def _layout(path: Path, image: sitk.Image | sitk.ImageFileReader, numbers: int) -> Layout:
    axes = image.GetDimension()
    if axes not in (2, 3, 4) or numbers != 1:
        raise DataError(
            f"{path} has {axes} axes and {numbers} numbers per voxel; nnU-Net's {NAME} reads 2 or 3 axes, or 4 with "
            "the channels last, and one number per voxel."
        )
    return Layout(_geometry(path, image), image.GetSize()[3] if axes == 4 else 1)


def _geometry(path: Path, image: sitk.Image | sitk.ImageFileReader) -> Geometry:
    """Return where one channel lies; nnU-Net leaves a spacing's sign away."""
    axes = image.GetDimension()
    kept = min(axes, 3)
    size, spacing = image.GetSize()[:kept], image.GetSpacing()[:kept]
    if path.name.lower().endswith(PICTURES):
        return geometry_of_pixels(size)
    direction = np.reshape(image.GetDirection(), (axes, axes))[:kept, :kept]
    return geometry_of_axes(size, spacing, image.GetOrigin()[:kept], direction * np.array(spacing))


def _require_volume(path: Path, axes: int) -> None:
    if axes != 3:
        raise DataError(f"{path} has {axes} axes; nnU-Net's {NAME_REORIENTED} turns images of 3.")


def _turned(geometry: Geometry) -> Geometry:
    """Return where an image lies after SimpleITK has turned it, found on one voxel: it turns no header by itself."""
    import SimpleITK as sitk

    voxel = sitk.Image(1, 1, 1, sitk.sitkUInt8)
    voxel.SetDirection(geometry.direction)
    turning = sitk.DICOMOrientImageFilter()
    turning.SetDesiredCoordinateOrientation(ORIENTATION)
    turning.Execute(voxel)
    order, flipped = list(turning.GetPermuteOrder()), np.array(turning.GetFlipAxes())
    size = np.array(geometry.size)[order]
    if not geometry.is_physical:
        return geometry_of_pixels(size.tolist())
    spacing = np.array(geometry.spacing_mm)[order]
    axes = (np.reshape(geometry.direction, (3, 3)) * np.array(geometry.spacing_mm))[:, order]
    origin = np.array(geometry.origin_mm) + axes @ np.where(flipped, size - 1, 0)
    return geometry_of_axes(size.tolist(), spacing.tolist(), origin.tolist(), axes * np.where(flipped, -1, 1))


def _refused(path: Path, error: RuntimeError) -> DataError:
    if SHEARED in str(error):
        return ShearError(
            f"{path} has axes that are not at right angles (an affine with shear), which nnU-Net's {NAME} does not "
            'read. NibabelIO does: write "overwrite_image_reader_writer": "NibabelIO" into the dataset.json.'
        )
    return unreadable(path, "SimpleITK", error)
