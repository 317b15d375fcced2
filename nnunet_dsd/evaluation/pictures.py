"""What is drawn of an image: its grey values, its colours, or the first of several channels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import ShapeError
from nnunet_dsd.evaluation.images import Volume

# Files in which three channels are colours; elsewhere they are sequences or phases, of which the first one is drawn.
COLOUR_ENDINGS = (".png", ".bmp", ".jpg", ".jpeg", ".tif", ".tiff")
COLOURS = 3


def picture_of(image: Volume, reference: Volume) -> NDArray[Any]:
    """Return what to draw of an image, on its reference's voxels.

    Args:
        image: as read, with its channels as the first or the last axis if it has several.
        reference: the label image of the same case.

    Returns:
        Shape (Z, Y, X) or (Y, X), as the reference; of colours `(..., 3)`. A fourth channel, which is opacity, is
        left out.

    Raises:
        ShapeError: if the image has other voxels.
    """
    shape, values = reference.array.shape, image.array
    if values.shape == shape:
        return values
    if values.ndim > len(shape) and values.shape[:-1] == shape:
        channels = values
    elif values.ndim > len(shape) and np.squeeze(values[0]).shape == np.squeeze(reference.array).shape:
        channels = np.moveaxis(values.reshape(len(values), *shape), 0, -1)
    else:
        raise ShapeError(
            f"{image.path} has the shape {values.shape} and its reference {shape}; they must be equal, apart from "
            "channels. Name the images that the references were drawn on."
        )
    are_colours = channels.shape[-1] in (COLOURS, COLOURS + 1) and image.path.name.lower().endswith(COLOUR_ENDINGS)
    return channels[..., :COLOURS] if are_colours else channels[..., 0]
