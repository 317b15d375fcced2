"""All frames of a video file at one size, with the refusal of files that are empty, damaged or cut off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal, get_args

import av
import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.clips.shown_frames import header_frames, shown_frames
from video_triplet.data.images import resize_to
from video_triplet.data.video_files import ShownPictures, decoded_frames

Fit = Literal["stretch", "crop"]
Size = tuple[int, int]
USUAL_SIZE: Size = (128, 171)
# Headers are often off by a frame or two; a file that gives much less than it states is cut off. Both limits are ours.
FEWEST_FRAMES = 0.9
LACKING_FRAMES = 2


def check_frame_size(size: Size, fit: str) -> None:
    """Refuse an impossible size or fit.

    Raises:
        SettingsError: with everything that is wrong.
    """
    problems = [f"size is {size}, height and width must be at least 1 pixel"] if min(size) < 1 else []
    if fit not in get_args(Fit):
        problems.append(f"fit is {fit!r}, it must be one of {', '.join(get_args(Fit))}")
    if problems:
        raise SettingsError(problems, source="the frames of clips")


def read_video(path: Path, *, size: Size | None = None, fit: Fit = "stretch") -> Iterator[NDArray[np.uint8]]:
    """Yield every frame of a video, whatever its timestamps.

    Args:
        path: Any kind that FFmpeg decodes.
        size: Height and width in pixels; None keeps the video's own.
        fit: `"stretch"` takes the whole picture and does not keep the aspect ratio; `"crop"` keeps it and takes the
            largest central part that has the wanted shape.

    Yields:
        `(H, W, 3)` uint8 RGB, all of one size unless the video changes its own.

    Raises:
        DataError: if the file is empty, cannot be read, is cut off, or gives less than nine tenths of the frames that
            its own tables let a player show. Frames before the damage have been yielded by then.
    """
    header = _by_tables(header_frames, path)
    pictures, count = ShownPictures(), 0
    for _, frame in decoded_frames(path):
        pixels = pictures.pixels(frame)
        count += 1
        yield pixels if size is None else resize_to(pixels, size, crop=fit == "crop")
    stated = count if count == header else _by_tables(shown_frames, path)
    if count < FEWEST_FRAMES * stated and count < stated - LACKING_FRAMES:
        raise DataError(f"{path} gives {count} of {stated} frames; it is damaged or cut off, copy it again")


def stated_frames(path: Path, *, quick: bool = False) -> int:
    """Return how many frames a video's own tables let a player show (see `shown_frames`); nothing is decoded.

    Args:
        path: The file.
        quick: Take the number in the header where there is one, which includes frames that are not shown.

    Raises:
        DataError: if the file is missing or empty, or holds no video.
    """
    return (_by_tables(header_frames, path) if quick else 0) or _by_tables(shown_frames, path)


def _by_tables(count: Callable[[Path], int], path: Path) -> int:
    try:
        if path.stat().st_size == 0:
            raise DataError(f"{path} is empty; copy it again")
        return count(path)
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} cannot be read ({error}); copy it again") from error
