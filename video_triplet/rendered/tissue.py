"""The made-up abdomen: tissue, organs where a video has them, and the light of an endoscope."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, zoom

Point = tuple[float, float]
Colour = tuple[int, int, int]
Pixels = NDArray[np.float32]

# Where targets are touched, as fractions of width and height; `null_target` is a place where nothing is.
PLACES: dict[str, Point] = {
    "gallbladder": (0.60, 0.36),
    "liver": (0.24, 0.16),
    "cystic_duct": (0.42, 0.66),
    "fluid": (0.74, 0.80),
    "null_target": (0.50, 0.50),
}
COLOURS: dict[str, Colour] = {
    "gallbladder": (116, 138, 72),
    "liver": (104, 34, 26),
    "cystic_duct": (226, 192, 116),
    "fluid": (146, 16, 24),
}
MARGIN = 0.08  # of the tissue beyond each edge of the picture, for the camera to move


@dataclass(frozen=True)
class Abdomen:
    """What stays the same during a video.

    Attributes:
        texture: `(H, W, 3)` in [0, 255], larger than a frame by the margin on each side.
        light: `(H, W, 1)` in [0, 1]; bright in the middle, dark in the corners.
        places: As `PLACES`, a little different in every video.
        tint: Factor of each organ's colour.
    """

    texture: Pixels
    light: Pixels
    places: dict[str, Point]
    tint: dict[str, float]


def draw_abdomen(rng: np.random.Generator, size: tuple[int, int]) -> Abdomen:
    """Draw the abdomen of one video for frames of `size` (width, height)."""
    width, height = size
    places = {
        name: (x + float(rng.uniform(-0.03, 0.03)), y + float(rng.uniform(-0.03, 0.03)))
        for name, (x, y) in PLACES.items()
    }
    tint = {name: float(rng.uniform(0.88, 1.12)) for name in COLOURS}
    shape = (height + 2 * round(MARGIN * height), width + 2 * round(MARGIN * width))
    return Abdomen(_texture(rng, shape), _light(rng, (height, width)), places, tint)


def background(abdomen: Abdomen, camera: Point, size: tuple[int, int]) -> Image.Image:
    """Return the tissue that the camera sees."""
    width, height = size
    top = round((MARGIN + np.clip(camera[1], -MARGIN, MARGIN)) * height)
    left = round((MARGIN + np.clip(camera[0], -MARGIN, MARGIN)) * width)
    return Image.fromarray(abdomen.texture[top : top + height, left : left + width].astype(np.uint8))


def draw_organs(
    draw: ImageDraw.ImageDraw, places: dict[str, Point], abdomen: Abdomen, scale: Point, pulls: dict[str, Point]
) -> None:
    """Draw every organ; one that is pulled has a peak towards the given point."""
    for name, painter in (("liver", _liver), ("fluid", _fluid), ("cystic_duct", _duct), ("gallbladder", _gallbladder)):
        red, green, blue = (min(255, round(value * abdomen.tint[name])) for value in COLOURS[name])
        painter(draw, places, scale, (red, green, blue))
        if name in pulls:
            x, y = places[name]
            base = [_at((x - 0.09, y), scale), _at((x + 0.09, y + 0.02), scale), _at(pulls[name], scale)]
            draw.polygon(base, fill=(min(255, red + 22), min(255, green + 22), min(255, blue + 22)))


def illuminate(picture: Image.Image, abdomen: Abdomen, rng: np.random.Generator) -> Image.Image:
    """Return the picture in the endoscope's light, with the camera's noise."""
    pixels = np.asarray(picture, dtype=np.float32) * abdomen.light
    pixels += rng.standard_normal(pixels.shape, dtype=np.float32) * 3
    return Image.fromarray(np.clip(pixels, 1, 255).astype(np.uint8))  # 1: only out-of-body frames are black


def _texture(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    """Fatty and bloody patches of reds and yellows with fine grain."""
    fat, blood = _smooth_noise(rng, shape, cells=5), _smooth_noise(rng, shape, cells=9)
    grain = gaussian_filter(rng.normal(size=shape), 1.0)
    tone = np.stack([178 + 20 * fat - 16 * blood, 96 + 26 * fat - 26 * blood, 82 + 12 * fat - 18 * blood], axis=-1)
    return np.asarray(np.clip(tone + 14 * grain[..., None], 0, 255), dtype=np.float32)


def _smooth_noise(rng: np.random.Generator, shape: tuple[int, int], *, cells: int) -> NDArray[np.float64]:
    coarse = rng.normal(size=(cells, cells))
    fine = zoom(coarse, (shape[0] / cells, shape[1] / cells), order=3)
    return np.asarray(np.resize(fine, shape) if fine.shape != shape else fine)


def _light(rng: np.random.Generator, shape: tuple[int, int]) -> Pixels:
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    dx, dy = rng.uniform(-0.12, 0.12, size=2)
    distance = np.sqrt((x - dx) ** 2 + (y - dy) ** 2)
    return np.asarray(np.clip(1.12 - 0.42 * distance**2, 0.08, 1)[..., None], dtype=np.float32)


def _at(point: Point, scale: Point) -> Point:
    return point[0] * scale[0], point[1] * scale[1]


def _oval(draw: ImageDraw.ImageDraw, centre: Point, radii: Point, scale: Point, colour: Colour) -> None:
    (x, y), (rx, ry) = _at(centre, scale), _at(radii, scale)
    draw.ellipse((x - rx, y - ry, x + rx, y + ry), fill=colour)


def _liver(draw: ImageDraw.ImageDraw, places: dict[str, Point], scale: Point, colour: Colour) -> None:
    x, y = places["liver"]
    outline = [(-0.3, -0.4), (0.36, -0.4), (0.3, -0.04), (0.14, 0.12), (-0.06, 0.17), (-0.3, 0.12)]
    draw.polygon([_at((x + dx, y + dy), scale) for dx, dy in outline], fill=colour)
    lighter = (colour[0] + 24, colour[1] + 14, colour[2] + 12)
    draw.line([_at((x + dx, y + dy - 0.02), scale) for dx, dy in outline[2:]], fill=lighter, width=round(scale[0] / 60))


def _fluid(draw: ImageDraw.ImageDraw, places: dict[str, Point], scale: Point, colour: Colour) -> None:
    x, y = places["fluid"]
    _oval(draw, (x, y), (0.19, 0.09), scale, colour)
    _oval(draw, (x - 0.07, y - 0.03), (0.05, 0.012), scale, (232, 150, 150))


def _duct(draw: ImageDraw.ImageDraw, places: dict[str, Point], scale: Point, colour: Colour) -> None:
    (x, y), (gx, gy) = places["cystic_duct"], places["gallbladder"]
    course = [(gx - 0.04, gy + 0.08), (x + 0.08, y - 0.08), (x, y), (x - 0.05, y + 0.14), (x - 0.02, y + 0.22)]
    points = [_at(point, scale) for point in course]
    draw.line(points, fill=(150, 110, 60), width=round(scale[0] / 17), joint="curve")
    draw.line(points, fill=colour, width=round(scale[0] / 24), joint="curve")


def _gallbladder(draw: ImageDraw.ImageDraw, places: dict[str, Point], scale: Point, colour: Colour) -> None:
    x, y = places["gallbladder"]
    dark = (colour[0] - 34, colour[1] - 34, colour[2] - 26)
    _oval(draw, (x + 0.015, y + 0.02), (0.155, 0.15), scale, dark)
    _oval(draw, (x, y), (0.15, 0.14), scale, colour)
    _oval(draw, (x - 0.05, y - 0.06), (0.035, 0.022), scale, (206, 218, 176))
