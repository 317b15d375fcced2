"""Image files to arrays of red, green and blue: read whole or refused with the file's name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from nnunet_dsd.errors import DataError

RESIZE_FILTER = "bilinear with antialias"  # Pillow's BILINEAR widens its support when it shrinks an image
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def read_image(path: Path, *, size: int | None = None) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: PNG, JPEG or anything else that Pillow reads; palettes, grey and transparency become plain RGB.
        size: Resize to `size` by `size` pixels, bilinear with antialias; the aspect ratio is not kept, as in the paper.
            None keeps the image's own size.

    Returns:
        `(H, W, 3)` RGB.

    Raises:
        DataError: naming the file, if it is missing, not an image, or cut off.
    """
    try:
        with Image.open(path) as file:
            image = file.convert("RGB")
    except FileNotFoundError:
        raise DataError(f"there is no image {path}") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image that can be read; copy it again from the data set") from None
    except DAMAGE as error:
        raise DataError(f"{path} is damaged ({error}); copy it again from the data set") from error
    return np.array(image if size is None else _resized(image, size))


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize `(H, W, 3)` to `(size, size, 3)`, bilinear with antialias; the aspect ratio is not kept."""
    return np.array(_resized(Image.fromarray(image), size))


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)
