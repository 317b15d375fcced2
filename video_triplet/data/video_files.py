"""Frames to predict on: of a video file at a chosen rate, or of a folder of images."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av import VideoFrame
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.data.display_matrix import as_shown, display_matrix
from video_triplet.data.images import read_image
from video_triplet.data.joined_files import recordings, refuse_joined
from video_triplet.data.playing_times import PlayingTimes

NumberedFrame = tuple[int, NDArray[np.uint8]]
IMAGE_NAME = re.compile(r"(?:.*\D)?(\d+)\.(?:png|jpe?g)", re.IGNORECASE)


def read_frames(path: Path, *, rate: float = 1.0) -> Iterator[NumberedFrame]:
    """Yield frames of a video file or of a folder of images, each with its number.

    Args:
        path: A video file of any kind that FFmpeg decodes, or a folder of images.
        rate: Frames per second to take from a video file; a folder's images are all taken.

    Yields:
        The frame's number and its pixels, `(H, W, 3)` uint8 RGB. See `frames_of_video` and `frames_of_folder`.

    Raises:
        DataError: if there is nothing at `path`, and as those two do.
    """
    if not path.exists():
        raise DataError(f"there is no file or folder {path}")
    yield from frames_of_folder(path) if path.is_dir() else frames_of_video(path, rate=rate)


def title_of(path: Path) -> str:
    """Return what a video file or a folder of images is called in results."""
    return path.resolve().name if path.is_dir() else path.stem


def frames_of_folder(folder: Path) -> Iterator[NumberedFrame]:
    """Yield the images of a folder, PNG or JPEG, sorted by the number that ends their name; other files are left out.

    Raises:
        DataError: if there is no such image, two have the same number, or one is damaged.
    """
    found: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        match = IMAGE_NAME.fullmatch(path.name)
        if match is None:
            continue
        number = int(match[1])
        if number in found:
            raise DataError(f"{found[number]} and {path.name} have the same number; keep one video per folder")
        found[number] = path
    if not found:
        raise DataError(f"there is no image in {folder} whose name ends in a number, such as 000001.png")
    for number in sorted(found):
        yield number, read_image(found[number])


def frames_of_video(path: Path, *, rate: float = 1.0) -> Iterator[NumberedFrame]:
    """Yield frames of a video file: number k is what a player shows k / rate seconds after the first frame.

    Timestamps decide, so a variable frame rate is right, and a frame that stays longer is given more than once; where
    the clock jumps, the video goes on as in a player (see `video_triplet.data.playing_times`). The picture is turned
    and mirrored as the file says. At the default rate of one per second a number is a second.

    Raises:
        DataError: if the file cannot be read, holds no video or ends before its own length says, with the second up to
            which it was read, or holds several recordings of which only a part would be read.
        SettingsError: if `rate` is not positive.
    """
    if not rate > 0:
        raise SettingsError([f"rate is {rate}, it must be above 0 frames per second"], source="the frames of a video")
    step = 1 / Fraction(rate).limit_denominator(10_000)
    pictures, number, shown, last = ShownPictures(), 0, None, Fraction(0)
    for second, frame in decoded_frames(path):
        while shown is not None and number * step < second:
            yield number, pictures.pixels(shown)
            number += 1
        shown, last = frame, second
    while shown is not None and number * step <= last:
        yield number, pictures.pixels(shown)
        number += 1


def decoded_frames(path: Path) -> Iterator[tuple[Fraction, VideoFrame]]:
    """Yield every frame of a video file that a player shows, with the second at which it does, from 0, ascending.

    Raises:
        DataError: if the file cannot be read, holds no video, holds several recordings of which only a part would be
            read, or ends before its own length says.
    """
    start, second = Fraction(0), Fraction(0)
    try:
        for recording in recordings(path):
            with av.open(recording) as container:
                stream = video_stream(container, path)
                refuse_joined(path, container.format.name)
                stream.thread_type = "AUTO"
                times = PlayingTimes(container, stream)
                for frame in container.decode(stream):
                    second = start + times.show(frame)
                    yield second, frame
                if not times.frames:
                    raise DataError(f"{path} holds no frame; copy it again")
                _refuse_cut_off(path, stream, times)
                start = second + times.usual
    except (av.error.FFmpegError, OSError) as error:
        raise DataError(f"{path} cannot be read beyond second {float(second):.1f} ({error}); copy it again") from error


def video_stream(container: av.container.InputContainer, path: Path) -> av.VideoStream:
    """Return the stream that a player shows: not the picture of a cover.

    Raises:
        DataError: if there is none.
    """
    stream = container.streams.best("video")
    if not isinstance(stream, av.VideoStream):
        raise DataError(f"{path} holds no video that can be read; give a whole video file or a folder of images")
    return stream


def _refuse_cut_off(path: Path, stream: av.VideoStream, times: PlayingTimes) -> None:
    """Compare with the length that the file claims, where it does; the last frame may stay as long as any other."""
    if stream.duration is None:
        return
    length = stream.duration * stream.time_base
    if times.claimed < length - max(2, times.longest_step, length / 100):
        raise DataError(
            f"{path} ends at second {float(times.claimed):.1f} of {float(length):.1f}; it is cut off, copy it again"
        )


class ShownPictures:
    """The pictures of a video's frames, in their order, turned and mirrored as the file says.

    A frame whose side data were looked at is freed late, by Python's collector, for PyAV ties the two in a circle. So
    they are looked at in key frames and where the rotation changes. Colours are converted by an object apart from the
    frame: one that belongs to it has threads, for which a process forked meanwhile waits without end when it frees it.
    """

    def __init__(self) -> None:
        self._rotation: int | None = None
        self._matrix: tuple[int, int, int, int] | None = None

    def pixels(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return the next decoded frame as `(H, W, 3)` uint8 RGB.

        Raises:
            DataError: if it is to be turned by another angle than multiples of 90 degrees.
        """
        if frame.key_frame or frame.rotation != self._rotation:
            self._rotation, self._matrix = frame.rotation, display_matrix(frame)
        coloured = VideoReformatter().reformat(frame, format="rgb24")
        return as_shown(np.asarray(coloured.to_ndarray(), dtype=np.uint8), self._matrix)
