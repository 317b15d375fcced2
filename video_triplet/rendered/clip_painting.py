"""Frames of a made-up clip: one shape that moves, grows, shrinks or wanders over a background."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

OVERSAMPLING = 3
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Look:
    """What a clip looks like in every frame.

    Attributes:
        shape: One of `SHAPES`.
        colour: Of the shape, red, green, blue.
        background: `(H, W, 3)` uint8.
    """

    shape: str
    colour: tuple[int, int, int]
    background: NDArray[np.uint8]


@dataclass(frozen=True)
class Pose:
    """Where the shape is in one frame: centre in fractions of width and height, radius in fractions of the height."""

    x: float
    y: float
    radius: float
    turn: float = 0.0


def _regular(corners: int, turn: float) -> Points:
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    return [(math.sin(angle), -math.cos(angle)) for angle in angles]


def _cross(turn: float) -> Points:
    upper = [(-1, 1), (-1, 3), (1, 3), (1, 1), (3, 1), (3, -1)]
    outline = [*upper, *((-x, -y) for x, y in upper)]
    cos, sin = math.cos(turn) / 3, math.sin(turn) / 3
    return [(cos * x - sin * y, sin * x + cos * y) for x, y in outline]


SHAPES: Mapping[str, Callable[[float], Points]] = {
    "Circle": lambda turn: _regular(32, turn),
    "Square": lambda turn: _regular(4, turn + math.pi / 4),
    "Triangle": lambda turn: _regular(3, turn),
    "Cross": _cross,
}


def draw_background(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a blurred texture `(H, W, 3)` of its own colours; size is height and width in pixels."""
    coarse = rng.uniform(20, 150, size=(5, 6, 3)).astype(np.uint8)
    image = Image.fromarray(coarse).resize((size[1], size[0]), Image.Resampling.BICUBIC)
    return np.array(image.filter(ImageFilter.GaussianBlur(1)))


def paint_frame(look: Look, pose: Pose, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return one frame `(H, W, 3)` uint8 RGB with a little noise."""
    height, width = look.background.shape[:2]
    mask = Image.new("L", (width * OVERSAMPLING, height * OVERSAMPLING))
    centre_x, centre_y = pose.x * width * OVERSAMPLING, pose.y * height * OVERSAMPLING
    radius = pose.radius * height * OVERSAMPLING
    corners = [(centre_x + radius * x, centre_y + radius * y) for x, y in SHAPES[look.shape](pose.turn)]
    ImageDraw.Draw(mask).polygon(corners, fill=255)
    weight = np.asarray(mask.resize((width, height), Image.Resampling.BOX), dtype=np.float64)[..., None] / 255
    picture = (1 - weight) * look.background + weight * np.array(look.colour)
    noisy = picture + rng.normal(0, 3, size=picture.shape)
    return np.asarray(np.clip(noisy, 0, 255), dtype=np.uint8)
