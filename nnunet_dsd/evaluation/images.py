"""Images and label images with their geometry, read by SimpleITK."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.datasets import volumes
from nnunet_dsd.datasets.volumes import Geometry
from nnunet_dsd.errors import DataError

LARGEST_LABEL = 65535


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
    _require_file(path)
    if path.name.endswith(volumes.NIFTI_ENDINGS):
        volumes.require_whole_file(path)
    image = volumes.read_image(path)
    geometry = Geometry(image.GetSize(), image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    return Volume(sitk.GetArrayFromImage(image), geometry, path)


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
    if voxels := _count_not_finite(volume):
        raise DataError(f"{path} holds numbers that are not finite in {counted(voxels, 'voxel')}; labels are needed.")
    low, high = volume.array.min(), volume.array.max()
    if low < 0 or high > LARGEST_LABEL:
        raise DataError(
            f"{path} holds values from {low} to {high}; labels are whole numbers from 0 to {LARGEST_LABEL}."
        )
    if np.issubdtype(volume.array.dtype, np.integer):
        return volume
    labels = np.rint(volume.array).astype(np.int64)
    if not np.array_equal(labels, volume.array):
        raise DataError(f"{path} holds values that are no whole numbers; labels are needed, not probabilities.")
    return Volume(labels, volume.geometry, path)


def _count_not_finite(volume: Volume) -> int:
    if volume.path.name.endswith(volumes.NIFTI_ENDINGS):
        return volumes.count_not_finite(volume.path)
    return int(np.count_nonzero(~np.isfinite(volume.array)))


def read_geometry(path: Path) -> Geometry:
    """Read an image's geometry from its header alone.

    Raises:
        DataError: if the file is missing or its header cannot be read.
    """
    _require_file(path)
    return volumes.read_geometry(path)


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise DataError(f"{path} does not exist.")


def geometry_differences(prediction: Geometry, reference: Geometry) -> list[str]:
    """Name every property in which a prediction's geometry is not its reference's, and by how much.

    Differences that move no corner by a tenth of the reference's smallest voxel side are none.
    """
    found = volumes.geometry_differences(reference, prediction, names=("reference", "prediction"))
    return [f"  {difference}" for difference in found]


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
