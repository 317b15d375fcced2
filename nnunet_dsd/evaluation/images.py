"""Images and label images with their geometry, read by SimpleITK."""

from __future__ import annotations

import gzip
import math
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.errors import DataError

CHUNK_BYTES = 2**22


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in space. All in SimpleITK's order (x, y, z); lengths in mm."""

    size: tuple[int, ...]
    spacing_mm: tuple[float, ...]
    origin_mm: tuple[float, ...]
    direction: tuple[float, ...]

    @property
    def array_spacing_mm(self) -> tuple[float, ...]:
        """Spacing along the axes of the array: (z, y, x), or (y, x)."""
        return self.spacing_mm[::-1]


@dataclass(frozen=True)
class Volume:
    """An image of shape (Z, Y, X), or (Y, X), with its geometry and the file it came from."""

    array: NDArray[Any]
    geometry: Geometry
    path: Path


def read_volume(path: Path) -> Volume:
    """Read an image.

    Raises:
        DataError: if the file is missing, cut off, or SimpleITK cannot read it.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    if path.suffix == ".gz":
        require_whole_gzip(path)
    elif path.suffix == ".nii":
        require_whole_nifti(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise DataError(f"{path} could not be read as an image; it may be damaged. SimpleITK says: {error}") from error
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(sitk.GetArrayFromImage(image), geometry, path)


def require_whole_gzip(path: Path) -> None:
    """Check that a compressed file is complete: SimpleITK reads a cut-off NIfTI without complaint, the rest as zeros.

    Raises:
        DataError: if it ends early or its checksum is wrong.
    """
    try:
        with gzip.open(path) as file:
            while file.read(CHUNK_BYTES):
                pass
    except (EOFError, OSError, zlib.error) as error:
        raise DataError(f"{path} could not be read to its end; it is cut off or damaged ({error}).") from error


def require_whole_nifti(path: Path) -> None:
    """Check that an uncompressed NIfTI file is as long as its header says, for the same reason.

    Raises:
        DataError: if it is shorter, or has no readable header.
    """
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        bits = int(reader.GetMetaData("bitpix")) * math.prod(reader.GetSize())
        expected = float(reader.GetMetaData("vox_offset")) + bits / 8
    except RuntimeError as error:
        raise DataError(f"{path} could not be read as NIfTI; it may be damaged. SimpleITK says: {error}") from error
    if path.stat().st_size < expected:
        raise DataError(f"{path} has {path.stat().st_size} bytes of {expected:.0f}; it is cut off or damaged.")


def read_labels(path: Path) -> Volume:
    """Read a label image; values stored as floating point are accepted if they are whole numbers.

    Raises:
        DataError: if the file cannot be read or holds values that are no labels.
    """
    volume = read_volume(path)
    if volume.array.ndim != len(volume.geometry.size) or volume.array.ndim not in (2, 3):
        raise DataError(
            f"{path} has the shape {volume.array.shape}; label images have one value per voxel in 2 or 3 dimensions."
        )
    if np.issubdtype(volume.array.dtype, np.integer):
        return volume
    labels = np.rint(volume.array).astype(np.int64)
    if not np.array_equal(labels, volume.array):
        raise DataError(f"{path} holds values that are no whole numbers; labels are needed, not probabilities.")
    return Volume(labels, volume.geometry, path)


def read_geometry(path: Path) -> Geometry:
    """Read an image's geometry from its header alone.

    Raises:
        DataError: if the file is missing or its header cannot be read.
    """
    if not path.is_file():
        raise DataError(f"{path} does not exist.")
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError as error:
        raise DataError(f"{path} could not be read as an image; it may be damaged. SimpleITK says: {error}") from error
    return Geometry(reader.GetSize(), reader.GetSpacing(), reader.GetOrigin(), reader.GetDirection())


def geometry_differences(prediction: Geometry, reference: Geometry, *, tolerance: float = 1e-3) -> list[str]:
    """Name every property in which a prediction's geometry is not its reference's, and by how much.

    Args:
        prediction: one geometry.
        reference: the other.
        tolerance: allowed difference of spacing and origin in mm, and of direction cosines.
    """
    differences = []
    for name in ("size", "spacing_mm", "origin_mm", "direction"):
        got, expected = getattr(prediction, name), getattr(reference, name)
        amount = float(np.abs(np.subtract(got, expected)).max()) if len(got) == len(expected) else math.inf
        if amount > tolerance:
            both = f"{_rounded(got)} in the prediction, {_rounded(expected)} in the reference"
            differences.append(f"  {name}: {both} (by {amount:.4g})")
    return differences


def require_equal_geometry(prediction: Volume, reference: Volume) -> None:
    """Check that two images lie on the same voxels.

    Raises:
        DataError: with every property that differs.
    """
    differences = geometry_differences(prediction.geometry, reference.geometry)
    if differences:
        raise DataError(
            f"{prediction.path} and {reference.path} do not lie on the same voxels:\n" + "\n".join(differences) + "\n"
            "Predict from the images the references were drawn on, or resample the prediction onto its reference."
        )


def _rounded(values: tuple[float, ...]) -> tuple[float, ...]:
    return tuple(round(value, 4) for value in values)
