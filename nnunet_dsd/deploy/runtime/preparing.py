"""What nnU-Net does with an image before the network sees it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunet_dsd.deploy.runtime.description import Description, Normalisation
from nnunet_dsd.deploy.runtime.resampling import resample, resampled_shape, separate_axis
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

SMALLEST_DEVIATION = 1e-8


@dataclass(frozen=True)
class Prepared:
    """An image as the graph takes it, and what it takes to get back.

    Attributes:
        array: `(C, *P)`, the model's axes, three also where its patches are flat.
        shape: Voxels per axis of the whole image along the model's axes.
        crop: The part of it that is not empty.
        spacing: Of the image along the model's axes, in mm.
        model_spacing: Of `array`.
    """

    array: NDArray[np.float32]
    shape: tuple[int, ...]
    crop: tuple[slice, ...]
    spacing: tuple[float, ...]
    model_spacing: tuple[float, ...]


def prepare(image: NDArray[np.float32], spacing: tuple[float, ...], description: Description) -> Prepared:
    """Return an image `(C, *S)` turned, cropped to what is not zero, normalised and resampled.

    Args:
        image: Three spatial axes.
        spacing: In mm, in the order of S.
        description: The model's.

    Raises:
        DeployedModelError: if it holds numbers that are not finite, or too few voxels.
    """
    if not np.isfinite(image.sum(dtype=np.float64)):
        raise DeployedModelError("the image holds numbers that are not finite; repair it")
    turned = image.transpose(0, *(axis + 1 for axis in description.transpose))
    turned_spacing = tuple(spacing[axis] for axis in description.transpose)
    nonzero = (turned != 0).any(axis=0)
    crop = _box(nonzero)
    inside = ndimage.binary_fill_holes(nonzero)[crop] if any(one.in_mask for one in description.normalisation) else None
    inner = (slice(None), *crop)
    cropped = turned[inner]
    flat = len(description.spacing) < cropped.ndim - 1  # slices keep their distance
    model_spacing = (turned_spacing[0], *description.spacing) if flat else description.spacing
    shape = resampled_shape(cropped.shape[1:], turned_spacing, model_spacing)
    if min(shape) < 1:
        raise DeployedModelError(f"nothing of the image is left at the model's voxels of {model_spacing} mm")
    how = description.image_resampling
    axis = separate_axis(turned_spacing, model_spacing, how.separate_z)
    array = np.empty((len(cropped), *shape), dtype=np.float32)
    for channel, (values, normalisation) in enumerate(zip(cropped, description.normalisation, strict=True)):
        array[channel] = resample(normalise(values, normalisation, inside), shape, how, axis)
    return Prepared(array, tuple(turned.shape[1:]), crop, turned_spacing, model_spacing)


def _box(nonzero: NDArray[np.bool_]) -> tuple[slice, ...]:
    """Return the smallest box around what is not zero; an empty image is left whole."""
    box = []
    for axis in range(nonzero.ndim):
        there = np.flatnonzero(nonzero.any(axis=tuple(one for one in range(nonzero.ndim) if one != axis)))
        box.append(slice(int(there[0]), int(there[-1]) + 1) if len(there) else slice(0, nonzero.shape[axis]))
    return tuple(box)


def normalise(values: NDArray[np.float32], how: Normalisation, inside: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return one channel `(*S)` normalised by one of nnU-Net's schemes.

    Args:
        values: Intensities.
        how: The scheme.
        inside: `(*S)`, the object; needed where only that is normalised.

    Raises:
        DeployedModelError: if pictures hold values outside 0 to 255.
    """
    values = values.copy()
    if how.scheme == "ZScoreNormalization":
        where: Any = inside if how.in_mask else ...
        chosen = values[where]
        values[where] = (chosen - chosen.mean()) / max(chosen.std(), SMALLEST_DEVIATION)
    elif how.scheme == "CTNormalization":
        np.clip(values, how.lowest, how.highest, out=values)
        values = (values - how.mean) / max(how.std, SMALLEST_DEVIATION)
    elif how.scheme == "RescaleTo01Normalization":
        values -= values.min()
        values /= max(values.max(), SMALLEST_DEVIATION)
    elif how.scheme == "RGBTo01Normalization":
        if values.min() < 0 or values.max() > 255:
            raise DeployedModelError(f"colours from 0 to 255 are needed, got {values.min():g} to {values.max():g}")
        values /= 255.0
    elif how.scheme != "NoNormalization":
        raise DeployedModelError(f"{how.scheme} is no normalisation that this predict.py knows; deploy the model again")
    return values
