"""Which frames make a clip, and what a training clip goes through: arithmetic and random numbers, no pixels.

Clips, crops and flips are those of the published method's code base: 16 frames with stride 1; a crop of 0.25 to 1 of
the picture's area with a ratio of 3/4 to 4/3; a horizontal flip with probability 0.5. Colours are not changed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.declared_settings import below_lowest
from nnunet_dsd.common.errors import SettingsError

Box = tuple[int, int, int, int]
CROP_ATTEMPTS = 10


@dataclass(frozen=True, kw_only=True)
class ClipShape:
    """How clips are cut out of videos.

    Attributes:
        frames: Of one clip.
        stride: Between two of them, in frames of the video.
        size: Height and width of a clip in pixels.
    """

    frames: int = 16
    stride: int = 1
    size: int = 112

    def __post_init__(self) -> None:
        problems = below_lowest(self, {"frames": 1, "stride": 1, "size": 1})
        if problems:
            raise SettingsError(problems, source="the clips")

    @property
    def span(self) -> int:
        """From the first frame of a clip to its last, both included, in frames of the video."""
        return (self.frames - 1) * self.stride + 1

    def indices(self, start: int, length: int) -> NDArray[np.int64]:
        """Return the numbers of a clip's frames, from 0, in a video of `length` frames.

        A video shorter than the clip is repeated in a loop: after its last frame comes its first again.
        """
        return np.asarray((start + self.stride * np.arange(self.frames, dtype=np.int64)) % length)

    def starts(self, length: int) -> int:
        """Return how many places a clip can start at; 1 in a video shorter than the clip."""
        return max(1, length - self.span + 1)

    def even_starts(self, length: int, clips: int) -> list[int]:
        """Return where evenly spaced clips start, the first at the first frame and the last as late as it can.

        In a short video several start at the same frame; a single clip is taken from the middle.
        """
        last = self.starts(length) - 1
        if clips == 1:
            return [last // 2]
        return [round(last * number / (clips - 1)) for number in range(clips)]


@dataclass(frozen=True, kw_only=True)
class ClipAugmentation:
    """Probabilities and ranges of what a training clip goes through, all its frames alike.

    Attributes:
        area: Least and greatest part of the picture's area that is taken, drawn uniformly.
        ratio: Least and greatest width over height of that part, its logarithm drawn uniformly.
        horizontal_flip: Probability of mirroring left and right.
    """

    area: tuple[float, float] = (0.25, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)
    horizontal_flip: float = 0.5

    def __post_init__(self) -> None:
        problems = []
        if not 0 < self.area[0] <= self.area[1] <= 1:
            problems.append(f"area is {self.area}, it must be above 0 and at most 1, the lower value first")
        if not 0 < self.ratio[0] <= self.ratio[1]:
            problems.append(f"ratio is {self.ratio}, it must be above 0, the lower value first")
        if not 0 <= self.horizontal_flip <= 1:
            problems.append(f"horizontal_flip is {self.horizontal_flip}, a probability is from 0 to 1")
        if problems:
            raise SettingsError(problems, source="the augmentation of clips")


@dataclass(frozen=True)
class ClipDraw:
    """What one training clip goes through.

    Attributes:
        start: Number of its first frame.
        box: Top, left, height and width of the part that is taken, in pixels.
        horizontal_flip: Mirror left and right.
    """

    start: int
    box: Box
    horizontal_flip: bool


def draw_clip(
    augmentation: ClipAugmentation | None,
    *,
    starts: int,
    frame: tuple[int, int],
    size: int,
    seed: int,
    epoch: int,
    row: int,
) -> ClipDraw:
    """Draw what a row goes through in an epoch; the same for the same seed, epoch and row, whoever asks and when.

    Args:
        augmentation: None for the central crop without flip; the start is drawn all the same.
        starts: How many places the clip can start at.
        frame: Height and width of the video's frames.
        size: Of the central crop.
        seed: Of the training.
        epoch: Its number.
        row: The video's row.
    """
    generator = np.random.default_rng((seed, epoch, row))
    start = int(generator.integers(starts))
    if augmentation is None:
        return ClipDraw(start, central_box(frame, (size, size)), False)
    box = draw_box(augmentation, frame, generator)
    return ClipDraw(start, box, bool(generator.random() < augmentation.horizontal_flip))


def draw_box(augmentation: ClipAugmentation, frame: tuple[int, int], generator: np.random.Generator) -> Box:
    """Draw a part of a frame: the first of ten draws of area and ratio that fits into it, anywhere.

    Where none fits, the largest central part with a ratio within the range is taken. It always takes the same count of
    numbers from the generator.
    """
    height, width = frame
    areas = generator.uniform(*augmentation.area, size=CROP_ATTEMPTS) * height * width
    low, high = (math.log(value) for value in augmentation.ratio)
    ratios = np.exp(generator.uniform(low, high, size=CROP_ATTEMPTS))
    down, right = generator.random(2)
    for area, ratio in zip(areas.tolist(), ratios.tolist(), strict=True):
        part = (round(math.sqrt(area / ratio)), round(math.sqrt(area * ratio)))
        if 0 < part[0] <= height and 0 < part[1] <= width:
            return (int(down * (height - part[0] + 1)), int(right * (width - part[1] + 1)), *part)
    ratio = min(max(width / height, augmentation.ratio[0]), augmentation.ratio[1])
    return central_box(frame, (min(height, round(width / ratio)), min(width, round(height * ratio))))


def central_box(frame: tuple[int, int], part: tuple[int, int]) -> Box:
    """Return the central part of a frame with this height and width."""
    return ((frame[0] - part[0]) // 2, (frame[1] - part[1]) // 2, *part)
