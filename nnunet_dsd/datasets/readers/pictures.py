"""nnU-Net's NaturalImage2DIO: flat pictures of one channel, or of the colours; their resolution is for printing."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.datasets.geometry import geometry_of_pixels
from nnunet_dsd.datasets.readers.reader import Channels, Kind, Layout, unreadable
from nnunet_dsd.errors import MisfitError

NAME = "NaturalImage2DIO"
COLOUR_CHANNELS = (3, 4)


def inspect(path: Path, kind: Kind) -> Layout:
    """Read a picture, and keep its layout: a palette becomes colours only when it is read."""
    channels = read(path, kind)
    return Layout(channels.geometry, len(channels.array))


def read(path: Path, kind: Kind) -> Channels:
    """Read a picture as scikit-image does, the colours as channels."""
    from skimage import io

    try:
        array = io.imread(str(path))
    except Exception as error:  # the libraries behind it have many classes
        raise unreadable(path, "scikit-image", error) from error
    if array.ndim == 2:
        array = array[None]
    elif array.ndim == 3 and array.shape[-1] in COLOUR_CHANNELS:
        array = array.transpose(2, 0, 1)
    else:
        raise MisfitError(
            f"{path} has the shape {array.shape}; nnU-Net's {NAME} reads (rows, columns) or (rows, columns, 3 or 4)."
        )
    return Channels(array, geometry_of_pixels(array.shape[:0:-1]))
