"""nnU-Net's NaturalImage2DIO: flat pictures of one channel, or of the colours; their resolution is for printing."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.common.errors import MisfitError
from nnunet_dsd.datasets.geometry import geometry_of_pixels
from nnunet_dsd.datasets.readers.reader import Channels, Kind, Layout, unreadable

NAME = "NaturalImage2DIO"
COLOUR_CHANNELS = (3, 4)
TIFF = (".tif", ".tiff")  # scikit-image reads these by tifffile, all others by Pillow
CHANNELS_OF_MODES = {"1": 1, "L": 1, "I": 1, "I;16": 1, "I;16B": 1, "F": 1, "RGB": 3, "RGBA": 4}  # Pillow's modes


def inspect(path: Path, kind: Kind) -> Layout:
    """Read a picture's header; of one that is not simply grey or in colours, such as a palette, the whole."""
    shape = _tiff_shape(path) if path.suffix.lower() in TIFF else _picture_shape(path)
    if len(shape) == 2 or (len(shape) == 3 and shape[-1] in COLOUR_CHANNELS):
        return Layout(geometry_of_pixels(shape[1::-1]), shape[2] if len(shape) == 3 else 1)
    channels = read(path, kind)
    return Layout(channels.geometry, len(channels.array))


def _picture_shape(path: Path) -> tuple[int, ...]:
    """Return the shape that a picture will have once read; empty where its header does not tell."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            channels = CHANNELS_OF_MODES.get(picture.mode)
            if channels is None or getattr(picture, "n_frames", 1) != 1:
                return ()
            return (picture.height, picture.width, *([channels] if channels > 1 else []))
    except Exception:  # reading the picture says what is wrong with it
        return ()


def _tiff_shape(path: Path) -> tuple[int, ...]:
    import tifffile

    try:
        with tifffile.TiffFile(path) as file:
            return tuple(file.series[0].shape)
    except Exception:  # reading the picture says what is wrong with it
        return ()


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
