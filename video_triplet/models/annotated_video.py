"""A video of the predictions: each frame beside its likeliest triplets, their probabilities and the phase."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import zip_longest
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont, ImageOps

from nnunet_dsd.common.errors import DataError, SettingsError, SetupError
from nnunet_dsd.common.files import whole_file
from video_triplet.data.video_files import read_frames
from video_triplet.predictions.file import Predictions
from video_triplet.vocabulary import Head, Vocabulary

PICTURE_HEIGHT = 480
PANEL_WIDTH = 440
MARGIN = 20
MOST_TRIPLETS = 20  # more would be too small to read
BACKGROUND, TRACK, TEXT, FAINT = "#14181d", "#2c333b", "#f2f4f6", "#9aa5b1"
LIKELY, UNLIKELY = "#3fb6a8", "#5b6b7b"  # bars from 50 % on, and below
ENCODERS = ("libx264", "mpeg4")
MPEG4_BITS_PER_FRAME = 400_000
Probabilities = Mapping[Head, NDArray[np.float32]]


def write_annotated_video(
    path: Path,
    frames: Iterable[NDArray[np.uint8]],
    probabilities: Probabilities,
    vocabulary: Vocabulary,
    *,
    top: int = 5,
    frames_per_second: float = 1.0,
) -> None:
    """Write an mp4 with the predictions beside each frame, whole or not at all.

    Args:
        path: Ends in `.mp4`; encoded as H.264, or MPEG-4 where FFmpeg was built without it.
        frames: `(H, W, 3)` uint8 RGB; those of another size than the first are fitted into its picture.
        probabilities: For `"triplet"`, and for `"phase"` if it is to be shown, `(N, classes)`: one row per frame.
        vocabulary: Names of the classes.
        top: How many triplets to show, at most 20.
        frames_per_second: Of the video; above the rate at which frames were taken it runs faster than life.

    Raises:
        DataError: if there is no frame, or the frames do not go with the probabilities.
        SettingsError: if `top` is not from 1 to 20, or `frames_per_second` not positive.
        SetupError: if the disk is full, or FFmpeg refuses.
    """
    problems = [] if 1 <= top <= MOST_TRIPLETS else [f"top is {top}, it must be from 1 to {MOST_TRIPLETS}"]
    if not frames_per_second > 0:
        problems.append(f"frames_per_second is {frames_per_second}, it must be above 0")
    if problems:
        raise SettingsError(problems, source="the annotated video")
    _check_probabilities(probabilities, vocabulary)
    pictures = _annotated(frames, probabilities, vocabulary, top)
    try:
        with whole_file(path) as temporary:
            _encode(temporary, pictures, frames_per_second)
    except (av.error.FFmpegError, OSError) as error:
        raise SetupError(f"{path} could not be written ({error}); make room, or choose another folder") from error


def annotate_video(path: Path, source: Path, predictions: Predictions, *, top: int, rate: float) -> None:
    """Read the frames of a video once more and write them with their predictions.

    Args:
        path: As of `write_annotated_video`, whose errors are this function's too.
        source: The video file or folder of images that was predicted.
        predictions: Of all its frames.
        top: How many triplets to show.
        rate: Frames per second that were taken from the video, and that are shown.
    """
    images = (image for _, image in read_frames(source, rate=rate))
    shown = predictions.probabilities, predictions.vocabulary
    write_annotated_video(path, images, *shown, top=top, frames_per_second=rate)


def annotate(
    frame: NDArray[np.uint8], row: Mapping[Head, NDArray[np.float32]], vocabulary: Vocabulary, *, top: int = 5
) -> NDArray[np.uint8]:
    """Return a frame at a height of 480 pixels with a panel to its right.

    Args:
        frame: `(H, W, 3)` uint8 RGB.
        row: Probabilities `(classes,)` of `"triplet"`, and of `"phase"` if it is to be shown.
        vocabulary: Names of the classes.
        top: How many triplets to show, from the likeliest down.

    Returns:
        `(480, W', 3)` uint8 RGB, with an even `W'` that depends on the frame's shape alone.
    """
    height, width = frame.shape[:2]
    picture_width = 2 * round(width * PICTURE_HEIGHT / height / 2)
    canvas = Image.new("RGB", (picture_width + PANEL_WIDTH, PICTURE_HEIGHT), BACKGROUND)
    picture = Image.fromarray(frame).resize((picture_width, PICTURE_HEIGHT), Image.Resampling.BICUBIC)
    canvas.paste(picture, (0, 0))
    pencil = ImageDraw.Draw(canvas)
    left = picture_width + MARGIN
    below = _draw_phase(pencil, left, row["phase"], vocabulary) if "phase" in row else MARGIN
    _draw_triplets(pencil, left, below, row["triplet"], vocabulary, top)
    return np.asarray(canvas)


def _draw_phase(pencil: ImageDraw.ImageDraw, left: int, values: NDArray[np.float32], vocabulary: Vocabulary) -> int:
    likeliest = int(np.argmax(values))
    pencil.text((left, MARGIN), "PHASE", fill=FAINT, font=ImageFont.load_default(13))
    name = _readable(vocabulary.phases[likeliest])
    _draw_line(pencil, left, MARGIN + 19, name, float(values[likeliest]), size=20)
    return MARGIN + 62


def _draw_triplets(
    pencil: ImageDraw.ImageDraw,
    left: int,
    below: int,
    values: NDArray[np.float32],
    vocabulary: Vocabulary,
    top: int,
) -> None:
    heading = "TRIPLETS" if vocabulary.has_components else "CLASSES"
    pencil.text((left, below), heading, fill=FAINT, font=ImageFont.load_default(13))
    likeliest = np.argsort(-values, kind="stable")[:top]
    step = min(66, (PICTURE_HEIGHT - below - 24 - MARGIN) // len(likeliest))
    for place, index in enumerate(likeliest):
        line = below + 24 + place * step
        name = _readable(vocabulary.triplet_names[index])
        _draw_line(pencil, left, line, name, float(values[index]), size=min(18, 2 * step // 5))
        _draw_bar(pencil, left, line + 11 * step // 20, float(values[index]), thickness=max(2, min(12, step // 5)))


def _draw_line(pencil: ImageDraw.ImageDraw, left: int, y: int, name: str, probability: float, *, size: int) -> None:
    """Write a name on the left and a percentage on the right; the name is made smaller until it fits."""
    right = left + PANEL_WIDTH - 2 * MARGIN
    percent = f"{100 * probability:.0f} %"
    font = ImageFont.load_default(size)
    pencil.text((right, y), percent, fill=TEXT, font=font, anchor="ra")
    room = right - left - pencil.textlength(percent, font=font) - 12
    while size > 6 and pencil.textlength(name, font=font) > room:
        size -= 1
        font = ImageFont.load_default(size)
    pencil.text((left, y), name, fill=TEXT, font=font)


def _draw_bar(pencil: ImageDraw.ImageDraw, left: int, y: int, probability: float, *, thickness: int) -> None:
    width = PANEL_WIDTH - 2 * MARGIN
    pencil.rounded_rectangle((left, y, left + width - 1, y + thickness), radius=thickness // 2, fill=TRACK)
    filled = round(width * min(max(probability, 0.0), 1.0))
    if filled:
        colour = LIKELY if probability >= 0.5 else UNLIKELY
        pencil.rounded_rectangle((left, y, left + filled - 1, y + thickness), radius=thickness // 2, fill=colour)


def _readable(name: str) -> str:
    return name.replace(",", " · ").replace("_", " ").replace("-", " ")


def _annotated(
    frames: Iterable[NDArray[np.uint8]], probabilities: Probabilities, vocabulary: Vocabulary, top: int
) -> Iterable[NDArray[np.uint8]]:
    rows = len(probabilities["triplet"])
    shape = None
    for frame, index in zip_longest(frames, range(rows)):
        if frame is None or index is None:
            there = "fewer" if frame is None else "more"
            raise DataError(f"there are {there} frames than the {rows} rows of probabilities; predict on these frames")
        height, width = (shape := shape or frame.shape)[:2]
        if frame.shape != shape:  # as a player does: fitted into the picture of the first frame
            frame = np.asarray(ImageOps.pad(Image.fromarray(frame), (width, height)))
        yield annotate(frame, {head: values[index] for head, values in probabilities.items()}, vocabulary, top=top)


def _encode(path: Path, pictures: Iterable[NDArray[np.uint8]], frames_per_second: float) -> None:
    stream: Any = None
    with av.open(str(path), "w", format="mp4") as container:
        for picture in pictures:
            if stream is None:
                stream = _add_stream(container, picture, Fraction(frames_per_second).limit_denominator(1000))
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        if stream is None:
            raise DataError("there is no frame to write")
        container.mux(stream.encode(None))


def _add_stream(container: Any, picture: NDArray[np.uint8], rate: Fraction) -> Any:
    """Add a video stream of steady quality, so that its size follows the number of frames and not their duration."""
    encoder = _encoder()
    options = {"crf": "23"} if encoder == "libx264" else {}
    stream = container.add_stream(encoder, rate=rate, options=options)
    stream.height, stream.width = picture.shape[:2]
    stream.pix_fmt = "yuv420p"
    stream.gop_size = 10  # at one frame per second, so that a player can jump
    if encoder != "libx264":
        stream.bit_rate = int(MPEG4_BITS_PER_FRAME * rate)
    return stream


def _encoder() -> str:
    for name in ENCODERS:
        if name in av.codecs_available and av.codec.Codec(name, "w").is_encoder:
            return name
    raise SetupError(f"this FFmpeg has none of the encoders {', '.join(ENCODERS)}; install PyAV from its wheel")


def _check_probabilities(probabilities: Probabilities, vocabulary: Vocabulary) -> None:
    if "triplet" not in probabilities:
        raise DataError("there are no probabilities of triplets to show")
    rows = len(probabilities["triplet"])
    for head, values in probabilities.items():
        if values.shape != (rows, vocabulary.size(head)):
            raise DataError(f"probabilities of {head} are {values.shape}, not {(rows, vocabulary.size(head))}")
