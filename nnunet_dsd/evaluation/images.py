"""Images and label images with their geometry, read as nnU-Net's readers read them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, ShapeError
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.datasets import geometry as geometries
from nnunet_dsd.datasets import nifti
from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.readers import pictures
from nnunet_dsd.datasets.readers.choice import OVERWRITE_KEY, PLANS_KEY, choose_reader, named_reader, reader_of_file
from nnunet_dsd.datasets.readers.reader import Channels, Kind, Layout, Reader
from nnunet_dsd.evaluation.structures import LabelSet

LARGEST_LABEL = 65535
PLANS_FILE = "plans.json"
VALIDATION = "validation"  # nnU-Net's name of the folder in a fold's


@dataclass(frozen=True)
class Volume:
    """An image of shape (Z, Y, X), or (Y, X), with its geometry and the file it came from."""

    array: NDArray[Any]
    geometry: Geometry
    path: Path


def resolve_reader(predictions: Path, label_set: LabelSet, example: Path) -> Reader:
    """Return the reader of an evaluation, as nnU-Net does.

    It is that of the plans that nnUNetv2_predict leaves in its predictions, or of the model folder that validation
    predictions lie in; else the one that the dataset.json names, if nnU-Net has it; else the first for the ending that
    can read.

    Args:
        predictions: folder of the predictions.
        label_set: of the data set.
        example: a reference.

    Raises:
        DataError: if the plans are damaged or name an unknown reader, or there is none for the ending.
    """
    whole = predictions.resolve()
    folders = (predictions, whole.parent.parent) if whole.name == VALIDATION else (predictions,)
    for path in (folder / PLANS_FILE for folder in folders):
        if path.is_file() and (reader := planned_reader(path)):
            return reader
    return label_set.reader or choose_reader(label_set.file_ending, example, "labels")


def planned_reader(path: Path) -> Reader | None:
    """Return the reader that plans name; None where they name none.

    Raises:
        DataError: if they are damaged or name an unknown reader.
    """

    def broken(reason: str) -> str:
        return f"{path} is no plans file of nnU-Net ({reason}); copy it again, or delete it."

    content = read_object(path, broken=broken)
    try:
        return named_reader(content.get(PLANS_KEY))
    except DataError as error:
        raise DataError(
            f"{path}: {error} Find out what it is. If one of these reads the files alike, move the plans to another "
            f'folder and name that reader in the dataset.json, as "{OVERWRITE_KEY}".'
        ) from error


def read_channels(path: Path, reader: Reader | None = None) -> Channels:
    """Read all channels of an image; None takes the reader that nnU-Net chooses for this file.

    Raises:
        DataError: if the file is missing or cut off, or nnU-Net's reader would not read it.
    """
    return (reader or reader_of_file(path)).read(path)


def read_volume(path: Path, reader: Reader | None = None) -> Volume:
    """Read an image, the first channel where it has several; None takes the reader that nnU-Net chooses for this file.

    Raises:
        DataError: if the file is missing or cut off, or nnU-Net's reader would not read it.
    """
    channels = read_channels(path, reader)
    return Volume(channels.array[0], channels.geometry, path)


def read_picture(path: Path, reader: Reader | None = None) -> Volume:
    """Read what is drawn of an image: the colours of a picture as fractions (Y, X, 3), else the first channel.

    Raises:
        DataError: if the file is missing or cut off, or nnU-Net's reader would not read it.
    """
    reader = reader or reader_of_file(path)
    channels = reader.read(path)
    if reader.name != pictures.NAME or len(channels.array) not in pictures.COLOUR_CHANNELS:
        return Volume(channels.array[0], channels.geometry, path)
    colours = channels.array[:3].transpose(1, 2, 0)
    whitest = np.iinfo(colours.dtype).max if np.issubdtype(colours.dtype, np.integer) else 1.0
    return Volume(np.clip(colours / whitest, 0.0, 1.0), channels.geometry, path)


def read_picture_on(reference: Volume, path: Path, reader: Reader | None = None) -> NDArray[Any]:
    """Read what is drawn of an image, on its reference's voxels: shape (Z, Y, X), (Y, X), or of colours (Y, X, 3).

    Raises:
        DataError: if the file is missing or cut off, or nnU-Net's reader would not read it.
        ShapeError: if the image has other voxels.
    """
    shape, values = reference.array.shape, read_picture(path, reader).array
    if values.shape[: len(shape)] != shape:
        raise ShapeError(
            f"{path} has the shape {values.shape} and its reference {shape}; they must be equal, apart from "
            "channels. Name the images that the references were drawn on."
        )
    return values


def read_labels(path: Path, reader: Reader | None = None) -> Volume:
    """Read a label image; values stored as floating point are accepted if they are whole numbers.

    Args:
        path: the file.
        reader: of the data set; None takes the one that nnU-Net chooses for this file.

    Raises:
        DataError: if the file cannot be read or holds values that are no labels.
    """
    channels = (reader or reader_of_file(path, "labels")).read(path, "labels")
    if len(channels.array) != 1:
        found = counted(len(channels.array), "channel")
        raise DataError(
            f"{path} has {found} of the shape {channels.array.shape[1:]}; label images have one value per voxel in 2 "
            "or 3 dimensions. A picture with a palette or in colours is to be saved in grey."
        )
    volume = Volume(channels.array[0], channels.geometry, path)
    if voxels := _count_not_finite(volume):
        raise DataError(f"{path} holds numbers that are not finite in {counted(voxels, 'voxel')}; labels are needed.")
    if volume.array.dtype == np.bool_:
        return Volume(volume.array.astype(np.uint8), volume.geometry, path)
    low, high = volume.array.min(), volume.array.max()
    if low < 0 or high > LARGEST_LABEL:
        raise DataError(
            f"{path} holds values from {low} to {high}; labels are whole numbers from 0 to {LARGEST_LABEL}."
        )
    if np.issubdtype(volume.array.dtype, np.integer):
        return volume
    labels = volume.array.astype(np.uint16)  # which holds every label up to the largest
    if not np.array_equal(labels, volume.array):
        raise DataError(f"{path} holds values that are no whole numbers; labels are needed, not probabilities.")
    return Volume(labels, volume.geometry, path)


def _count_not_finite(volume: Volume) -> int:
    if nifti.is_nifti(volume.path):
        return nifti.count_not_finite(volume.path)
    return int(np.count_nonzero(~np.isfinite(volume.array)))


def read_layout(path: Path, reader: Reader | None = None, kind: Kind = "image") -> Layout:
    """Read an image's geometry and number of channels, from its header alone where the format allows it.

    Raises:
        DataError: if the file is missing or its header cannot be read.
    """
    return (reader or reader_of_file(path, kind)).inspect(path, kind)


def read_geometry(path: Path, reader: Reader | None = None, kind: Kind = "image") -> Geometry:
    """Read an image's geometry, as `read_layout` does.

    Raises:
        DataError: if the file is missing or its header cannot be read.
    """
    return read_layout(path, reader, kind).geometry


def geometry_differences(prediction: Geometry, reference: Geometry) -> list[str]:
    """Name every property in which a prediction's geometry is not its reference's, and by how much.

    Differences that move no corner by a tenth of the reference's smallest voxel side are none.
    """
    found = geometries.geometry_differences(reference, prediction, names=("reference", "prediction"))
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
