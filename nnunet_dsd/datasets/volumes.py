"""Volumes in files: their headers, whether the files are whole, and whether two lie on the same voxels."""

from __future__ import annotations

import gzip
import itertools
import math
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.errors import DataError, SetupError

CHUNK_BYTES = 2**22
NIFTI_ENDINGS = (".nii", ".nii.gz")
NIFTI_FLOATS = ("16", "64")  # data types of 32 and 64 bits
NIFTI_HEADER_BYTES = (348, 540)  # the first number of a file, of version 1 and 2
# Headers of one scan differ by rounding; a label shifted by less than this fraction of a voxel is the same label.
CORNER_TOLERANCE_VOXELS = 0.1
# A spacing or an origin that differs by more is named; with fewer than 1000 voxels per axis less does not add up.
NAMED_DIFFERENCE_VOXELS = 1e-4


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in space. All in SimpleITK's order (x, y, z) and its LPS coordinates; lengths in mm.

    An image has 3 axes, or 2.

    Attributes:
        size: voxels per axis.
        spacing_mm: distance of neighbouring voxel centres per axis.
        origin_mm: position of the first voxel's centre.
        direction: row-major square matrix whose columns are the axes.
    """

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def array_spacing_mm(self) -> tuple[float, ...]:
        """Spacing along the axes of the array: (z, y, x), or (y, x)."""
        return self.spacing_mm[::-1]

    def corners_mm(self) -> NDArray[np.float64]:
        """Positions of the corner voxels' centres, shape (8, 3), or (4, 2)."""
        axes = np.reshape(self.direction, (len(self.size), len(self.size))) * np.array(self.spacing_mm)
        last = [(0, count - 1) for count in self.size]
        indices = np.array(list(itertools.product(*last)), dtype=np.float64)
        return np.asarray(indices @ axes.T + np.array(self.origin_mm))


@dataclass(frozen=True)
class Header:
    """What a NIfTI file says about itself: the geometry of one channel, how many there are, and the kind of numbers."""

    geometry: Geometry
    channels: int
    is_floating_point: bool


def read_header(path: Path) -> Header:
    """Read a header alone; the last axis of a four-dimensional image counts as channels.

    Raises:
        DataError: if SimpleITK cannot read it, or it is neither a volume nor a series of volumes.
    """
    reader = _nifti_information(path)
    axes = reader.GetDimension()
    if axes not in (3, 4) or reader.GetNumberOfComponents() != 1:
        raise DataError(
            f"{path} has {axes} axes and {reader.GetNumberOfComponents()} numbers per voxel; "
            "3 axes, or 4 with the channels last, and one number per voxel are expected"
        )
    direction = np.reshape(reader.GetDirection(), (axes, axes))[:3, :3]
    geometry = Geometry(
        size=tuple(reader.GetSize()[:3]),
        spacing_mm=tuple(reader.GetSpacing()[:3]),
        origin_mm=tuple(reader.GetOrigin()[:3]),
        direction=tuple(float(value) for value in direction.ravel()),
    )
    floats = reader.GetMetaData("datatype") in NIFTI_FLOATS
    return Header(geometry, channels=reader.GetSize()[3] if axes == 4 else 1, is_floating_point=floats)


def read_geometry(path: Path) -> Geometry:
    """Read the geometry of an image of any format, with all of its axes, from its header alone.

    Raises:
        DataError: if SimpleITK cannot read it.
    """
    reader = _information(path)
    return Geometry(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


def read_image(path: Path) -> sitk.Image:
    """Read an image without the header entries that are not its geometry.

    Raises:
        DataError: if SimpleITK cannot read it.
    """
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    for key in image.GetMetaDataKeys():
        image.EraseMetaData(key)
    return image


def split_channels(image: sitk.Image) -> list[sitk.Image]:
    """Return the volumes of an image: itself, or those along its fourth axis."""
    if image.GetDimension() == 3:
        return [image]
    return [image[:, :, :, channel] for channel in range(image.GetSize()[3])]


def write_image(path: Path, image: sitk.Image) -> None:
    """Write a compressed NIfTI file and read it back: SimpleITK reports no error where the disk is full.

    Raises:
        SetupError: if it could not be written, or not whole.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        sitk.WriteImage(image, str(path), useCompression=True)
        require_whole_file(path)
    except (RuntimeError, DataError) as error:
        raise SetupError(f"{path} could not be written whole, is the disk full? ({error})") from error


def require_whole_file(path: Path) -> None:
    """Check that a NIfTI file is complete: SimpleITK reads a cut-off one without complaint, the rest as zeros.

    Raises:
        DataError: if it ends early or, where it is compressed, its checksum is wrong.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            found = sum(len(chunk) for chunk in iter(lambda: file.read(CHUNK_BYTES), b""))
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} could not be read to its end; it is cut off or damaged ({error})") from error
    expected = _expected_bytes(path)
    if found < expected:
        raise DataError(f"{path} holds {found} bytes of {expected}; it is cut off or damaged")


def count_not_finite(path: Path) -> int:
    """Return how many voxels of a NIfTI file are not-a-number or infinite; none where the numbers are whole ones.

    The file is read here byte by byte: SimpleITK reads such voxels as 0 without a word.
    """
    reader = _nifti_information(path)
    if reader.GetMetaData("datatype") not in NIFTI_FLOATS:
        return 0
    with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
        order = "<" if int.from_bytes(file.read(4), "little") in NIFTI_HEADER_BYTES else ">"
        file.seek(int(float(reader.GetMetaData("vox_offset"))))
        kind = np.dtype(f"{order}f{int(reader.GetMetaData('bitpix')) // 8}")
        left = kind.itemsize * math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
        found = 0
        while left > 0 and (chunk := file.read(min(left, CHUNK_BYTES))):
            found += int(np.count_nonzero(~np.isfinite(np.frombuffer(chunk, kind))))
            left -= len(chunk)
    return found


def _expected_bytes(path: Path) -> int:
    reader = _nifti_information(path)
    bits = int(reader.GetMetaData("bitpix")) * math.prod(reader.GetSize()) * reader.GetNumberOfComponents()
    return int(float(reader.GetMetaData("vox_offset")) + bits / 8)


def _information(path: Path) -> sitk.ImageFileReader:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise _unreadable(path, error) from error
    return reader


def _nifti_information(path: Path) -> sitk.ImageFileReader:
    reader = _information(path)
    if not reader.HasMetaDataKey("vox_offset"):
        raise DataError(f"{path} is no NIfTI file")
    return reader


def geometry_difference(image: Geometry, label: Geometry) -> str | None:
    """Say how two volumes fail to lie on the same voxels; None if they do."""
    return "; ".join(geometry_differences(image, label, names=("image", "label"))) or None


def geometry_differences(first: Geometry, second: Geometry, *, names: tuple[str, str]) -> list[str]:
    """Say in which properties, and by how much, the second image does not lie on the first one's voxels.

    It does if the sizes are equal and no corner of one is further from the other's than `CORNER_TOLERANCE_VOXELS` of
    the first one's smallest voxel side. That bounds spacing, origin and direction at once, by what they do to a voxel.
    """
    if first.size != second.size:
        return [_both("size", first, second, names)]
    distance = float(np.linalg.norm(first.corners_mm() - second.corners_mm(), axis=1).max())
    allowed = CORNER_TOLERANCE_VOXELS * min(first.spacing_mm)
    if distance <= allowed:
        return []
    length = NAMED_DIFFERENCE_VOXELS * min(first.spacing_mm)
    limits = {"spacing_mm": length, "origin_mm": length, "direction": 1e-4}
    return [f"corners are up to {distance:.3g} mm apart, allowed are {allowed:.3g} mm"] + [
        _both(name, first, second, names)
        for name, limit in limits.items()
        if not np.allclose(getattr(first, name), getattr(second, name), rtol=0, atol=limit)
    ]


def _both(name: str, first: Geometry, second: Geometry, names: tuple[str, str]) -> str:
    got, expected = (
        tuple(float(f"{value:.6g}") if isinstance(value, float) else value for value in getattr(each, name))
        for each in (second, first)
    )
    return f"{name} {got} in the {names[1]}, {expected} in the {names[0]}"


def _unreadable(path: Path, error: RuntimeError) -> DataError:
    said = (str(error).strip().splitlines() or ["nothing"])[-1]
    return DataError(f"{path} could not be read as an image; it may be damaged. SimpleITK says: {said}")
