"""Axial slices with tumour as two-dimensional cases: which a volume has, how they are cut, scaled and written.

The task of Gorade et al., Rethinking intermediate layers design in knowledge distillation for kidney and liver tumor
segmentation, ISBI 2024. Which axis of a file is the axial one is read from its direction: the first in KiTS, the third
in LiTS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.splits import Fold
from nnunet_dsd.datasets.volumes import as_image, write_image

# Columns grow to the patient's left, rows to posterior, slices to superior: as a radiologist looks at them.
ORIENTATION = "LPS"
CHANNEL_NAME = "noNorm"  # nnU-Net then leaves the intensities


@dataclass(frozen=True)
class TumourSlices:
    """Which slices to take and how to scale them.

    Attributes:
        window_hu: intensities that become 0 and 1; what lies outside becomes the limit.
        min_tumour_mm2: a slice with a smaller area of tumour is left out; one without tumour always is.
    """

    window_hu: tuple[float, float]
    min_tumour_mm2: float = 0.0


@dataclass(frozen=True)
class SliceOrigin:
    """A slice that is taken, and where it comes from.

    Attributes:
        name: of the two-dimensional case.
        case: the volume.
        axis: of the volume's file that counts the slices, 0 to 2.
        index: along that axis, from 0.
        height: number of the slice among all of the volume, from 0, counted from inferior to superior.
        tumour_mm2: area of the tumour.
        size: pixels (x, y).
    """

    name: str
    case: str
    axis: int
    index: int
    height: int
    tumour_mm2: float
    size: tuple[int, int]


def find_slices(case: str, label: sitk.Image, slicing: TumourSlices) -> tuple[SliceOrigin, ...]:
    """Return the slices of a volume that have enough tumour, from inferior to superior.

    Args:
        case: name of the volume.
        label: three axes, tumour where it is not 0, with the geometry of its image.
        slicing: how much is enough.
    """
    oriented = sitk.DICOMOrient(label, ORIENTATION)
    columns, rows, slices = oriented.GetSize()
    axis, reversed_order = _axial_axis(label, oriented)
    areas = _areas_mm2(oriented)
    enough = [height for height in range(slices) if areas[height] > 0 and areas[height] >= slicing.min_tumour_mm2]
    return tuple(
        SliceOrigin(
            name=f"{case}_slice_{height:04d}",
            case=case,
            axis=axis,
            index=slices - 1 - height if reversed_order else height,
            height=height,
            tumour_mm2=float(areas[height]),
            size=(columns, rows),
        )
        for height in enough
    )


def place(label: sitk.Image, geometry: Geometry) -> sitk.Image:
    """Return a label with the geometry of its image; both have the same number of voxels."""
    return as_image(sitk.GetArrayViewFromImage(label), geometry)


def write_slices(
    image: sitk.Image, label: sitk.Image, origins: Sequence[SliceOrigin], slicing: TumourSlices, folder: Path, part: str
) -> None:
    """Write the slices of a volume, each with its label.

    Args:
        image: three axes, in HU.
        label: three axes, tumour where it is not 0, with the geometry of the image.
        origins: what `find_slices` found in the label.
        slicing: how to scale the intensities.
        folder: of the data set.
        part: "Tr" or "Ts".
    """
    image, label = sitk.DICOMOrient(image, ORIENTATION), sitk.DICOMOrient(label, ORIENTATION)
    intensities, tumour = sitk.GetArrayViewFromImage(image), sitk.GetArrayViewFromImage(label)
    spacing = image.GetSpacing()[:2]
    for origin in origins:
        pixels = scale(intensities[origin.height], slicing.window_hu)
        mask = (tumour[origin.height] != 0).astype(np.uint8)
        write_image(image_path(folder / f"images{part}", origin.name), _flat_image(pixels, spacing))
        write_image(label_path(folder / f"labels{part}", origin.name), _flat_image(mask, spacing))


def scale(intensities: NDArray[np.generic], window_hu: tuple[float, float]) -> NDArray[np.float32]:
    """Clip intensities of any shape to a window and scale it to 0 to 1."""
    low, high = window_hu
    clipped = np.clip(intensities.astype(np.float64), low, high)
    return ((clipped - low) / (high - low)).astype(np.float32)


def folds_of_slices(folds: Sequence[Fold], origins: Iterable[SliceOrigin]) -> tuple[Fold, ...]:
    """Turn folds of volumes into folds of their slices, so that no volume is in both parts."""
    names: dict[str, list[str]] = {}
    for origin in origins:
        names.setdefault(origin.case, []).append(origin.name)
    return tuple(Fold(_slices_of(fold.training, names), _slices_of(fold.validation, names)) for fold in folds)


def slice_problems(
    folds: Sequence[Fold], origins: Sequence[SliceOrigin], training: Sequence[str], slicing: TumourSlices
) -> list[str]:
    """Return why the slices that were found make no data set: none for training, or a fold with an empty part."""
    if not {origin.case for origin in origins} & set(training):
        least = f"{slicing.min_tumour_mm2:g} mm2 or more of " if slicing.min_tumour_mm2 else ""
        return [f"no slice of the {len(training)} volumes for training has {least}tumour"]
    return [
        f"fold {number} has no slice with tumour to {purpose}; its volumes are {', '.join(volumes)}"
        for number, (fold, flat) in enumerate(zip(folds, folds_of_slices(folds, origins), strict=True))
        for purpose, volumes, slices in (
            ("train on", fold.training, flat.training),
            ("validate on", fold.validation, flat.validation),
        )
        if not slices
    ]


def _slices_of(cases: Sequence[str], names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    return tuple(name for case in cases for name in names.get(case, ()))


def _axial_axis(source: sitk.Image, oriented: sitk.Image) -> tuple[int, bool]:
    """Return which axis of the source became the third, and whether it was reversed."""
    axes, upward = np.reshape(source.GetDirection(), (3, 3)), np.reshape(oriented.GetDirection(), (3, 3))[:, 2]
    along = axes.T @ upward  # 1 or -1 for one axis, 0 for the others
    axis = int(np.argmax(np.abs(along)))
    return axis, bool(along[axis] < 0)


def _areas_mm2(label: sitk.Image) -> NDArray[np.float64]:
    """Return the area that is not background in each slice of a label, along its third axis."""
    pixels = np.count_nonzero(sitk.GetArrayViewFromImage(label), axis=(1, 2))
    width, height, _ = label.GetSpacing()
    return np.asarray(pixels * width * height, np.float64)


def _flat_image(pixels: NDArray[np.generic], spacing_mm: Sequence[float]) -> sitk.Image:
    """Return an image of two axes; where it lies in the volume is not part of it."""
    image = sitk.GetImageFromArray(pixels)
    image.SetSpacing(tuple(spacing_mm))
    return image
