"""Image files to arrays of red, green and blue: read whole or refused with the file's name."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from nnunet_dsd.common.errors import DataError
from video_triplet.data.whole_images import is_complete

FORMATS = ("PNG", "JPEG", "MPO")  # an MPO file is a JPEG with further pictures behind the first
RESIZE_FILTER = "bilinear with antialias"  # Pillow's BILINEAR widens its support when it shrinks an image
DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)


def read_image(path: Path, *, size: int | None = None) -> NDArray[np.uint8]:
    """Read an image file.

    Palettes, grey, CMYK and 1-bit images become RGB; transparency is left out; of 16 bits the upper 8 are taken, so
    that white stays white; a picture is turned and mirrored as its EXIF orientation says.

    Args:
        path: PNG or JPEG, whatever its name.
        size: Resize to `size` by `size` pixels, bilinear with antialias; the aspect ratio is not kept, as in the paper.
            None keeps the image's own size.

    Returns:
        `(H, W, 3)` RGB.

    Raises:
        DataError: naming the file, if it is missing, neither PNG nor JPEG, animated, or cut off.
    """
    try:
        with Image.open(path) as file:
            _refuse_other_kinds(path, file)
            image = ImageOps.exif_transpose(_upper_bits(file) if file.mode[0] == "I" else file).convert("RGB")
        if not is_complete(path):
            raise DataError(f"{path} is damaged (its end is missing); copy it again from the data set")
    except FileNotFoundError:
        raise DataError(f"there is no image {path}") from None
    except UnidentifiedImageError:
        raise DataError(f"{path} is not an image that can be read; copy it again from the data set") from None
    except DataError:
        raise
    except DAMAGE as error:
        raise DataError(f"{path} is damaged ({error}); copy it again from the data set") from error
    return np.array(image if size is None else _resized(image, size))


def _refuse_other_kinds(path: Path, file: Image.Image) -> None:
    if file.format not in FORMATS:
        raise DataError(f"{path}: {file.format}, which is neither PNG nor JPEG; save it as one of them")
    if file.format == "PNG" and getattr(file, "n_frames", 1) > 1:
        raise DataError(f"{path} is animated, and a frame is one picture; save its pictures as files of their own")


def _upper_bits(image: Image.Image) -> Image.Image:
    """Return the upper 8 of 16 bits of a grey image, as Pillow itself does for 16-bit colours."""
    grey = Image.fromarray((np.asarray(image).astype(np.int64) >> 8).astype(np.uint8))
    grey.info = dict(image.info)
    grey.getexif().update(image.getexif())
    return grey


def resize(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize `(H, W, 3)` to `(size, size, 3)`, bilinear with antialias; the aspect ratio is not kept."""
    return np.array(_resized(Image.fromarray(image), size))


def resize_to(image: NDArray[np.uint8], size: tuple[int, int], *, crop: bool = False) -> NDArray[np.uint8]:
    """Resize `(H, W, 3)` to a height and a width, bilinear with antialias.

    Args:
        image: uint8 RGB.
        size: Height and width in pixels.
        crop: Keep the aspect ratio: only the largest central part of the wanted shape is taken. Without it the whole
            image is taken and stretched.
    """
    (old_height, old_width), (height, width) = image.shape[:2], size
    part_width = min(old_width, old_height * width / height) if crop else old_width
    part_height = min(old_height, old_width * height / width) if crop else old_height
    left, top = (old_width - part_width) / 2, (old_height - part_height) / 2
    box = (left, top, left + part_width, top + part_height)
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR, box=box))


def _resized(image: Image.Image, size: int) -> Image.Image:
    return image.resize((size, size), Image.Resampling.BILINEAR)
