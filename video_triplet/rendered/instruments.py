"""The made-up instruments: shafts with distinct tips, and what their verbs leave in the picture."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from video_triplet.rendered.tissue import Colour, Point

SHAFTS: dict[str, Colour] = {
    "grasper": (168, 172, 180),
    "hook": (48, 50, 58),
    "clipper": (92, 150, 128),
    "irrigator": (150, 186, 222),
}
HAND_ORIGINS: tuple[Point, Point] = ((-0.08, 0.78), (1.08, 0.62))


class Tool:
    """Draws one instrument from its hand's edge of the picture to a tip.

    Args:
        draw: Where to draw.
        scale: Width and height of the picture in pixels.
        hand: 0 left, 1 right.
        tip: As fractions of width and height.
    """

    def __init__(self, draw: ImageDraw.ImageDraw, scale: Point, hand: int, tip: Point) -> None:
        self.draw = draw
        self.unit = scale[0]
        self.tip = (tip[0] * scale[0], tip[1] * scale[1])
        origin = (HAND_ORIGINS[hand][0] * scale[0], HAND_ORIGINS[hand][1] * scale[1])
        self.angle = math.atan2(self.tip[1] - origin[1], self.tip[0] - origin[0])
        self.origin = origin

    def point(self, along: float, across: float = 0.0) -> Point:
        """Return a point relative to the tip, in fractions of the width: along the shaft and to its right."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x = self.tip[0] + self.unit * (along * cosine - across * sine)
        y = self.tip[1] + self.unit * (along * sine + across * cosine)
        return x, y

    def line(self, points: list[Point], colour: Colour, width: float) -> None:
        """Draw a line of a width in fractions of the picture's width."""
        self.draw.line(points, fill=colour, width=max(1, round(width * self.unit)), joint="curve")

    def shaft(self, colour: Colour, *, end: float, width: float = 0.055) -> None:
        """Draw the shaft with a highlight, up to `end` before the tip."""
        dark = (colour[0] // 2, colour[1] // 2, colour[2] // 2)
        light = (min(255, colour[0] + 60), min(255, colour[1] + 60), min(255, colour[2] + 60))
        self.line([self.origin, self.point(-end)], dark, width)
        self.line([self.origin, self.point(-end)], colour, width * 0.7)
        self.line([self.origin, self.point(-end, -width * 0.15)], light, width * 0.16)


def draw_grasper(tool: Tool, opening: float) -> None:
    """Draw two golden jaws, `opening` from 0 (closed) to 1."""
    tool.shaft(SHAFTS["grasper"], end=0.09)
    spread = 0.012 + 0.05 * opening
    for side in (-1, 1):
        jaw = [tool.point(-0.10), tool.point(-0.05, side * spread), tool.point(0.0, side * spread * 0.7)]
        tool.line(jaw, (214, 178, 84), 0.022)


def draw_hook(tool: Tool, opening: float) -> None:
    """Draw a black shaft with a blue ring and an L-shaped wire."""
    tool.shaft(SHAFTS["hook"], end=0.07)
    tool.line([tool.point(-0.10), tool.point(-0.07)], (52, 104, 214), 0.056)
    tool.line([tool.point(-0.07), tool.point(0.0), tool.point(0.0, 0.05)], (226, 226, 232), 0.014)


def draw_clipper(tool: Tool, opening: float) -> None:
    """Draw a green shaft with two broad white jaws."""
    tool.shaft(SHAFTS["clipper"], end=0.09, width=0.075)
    spread = 0.018 + 0.035 * opening
    for side in (-1, 1):
        tool.line([tool.point(-0.10, side * 0.015), tool.point(0.01, side * spread)], (238, 240, 236), 0.028)


def draw_irrigator(tool: Tool, opening: float) -> None:
    """Draw a light blue tube with dark holes."""
    tool.shaft(SHAFTS["irrigator"], end=0.0, width=0.07)
    for along in (-0.02, -0.06, -0.10):
        x, y = tool.point(along)
        radius = 0.011 * tool.unit
        tool.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(24, 34, 60))


TOOLS = {"grasper": draw_grasper, "hook": draw_hook, "clipper": draw_clipper, "irrigator": draw_irrigator}


def draw_clip(tool: Tool) -> None:
    """Draw silver clips across the duct at the tip."""
    for along in (0.0, 0.04):
        tool.line([tool.point(along, -0.045), tool.point(along, 0.045)], (244, 246, 255), 0.02)


def draw_bubbles(tool: Tool, rng: np.random.Generator) -> None:
    """Draw pale bubbles that are sucked to the tip."""
    for along, across in rng.uniform((-0.01, -0.09), (0.12, 0.09), size=(14, 2)).tolist():
        x, y = tool.point(along, across)
        radius = tool.unit * float(rng.uniform(0.006, 0.016))
        tool.draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(255, 214, 214), width=1)


def add_smoke(picture: Image.Image, tool: Tool, rng: np.random.Generator) -> Image.Image:
    """Return the picture with a spark at the tip and smoke rising from it."""
    veil = Image.new("L", (picture.width // 4, picture.height // 4))
    draw = ImageDraw.Draw(veil)
    for rise in np.linspace(0, 0.22, 6).tolist():
        radius = (0.025 + 0.16 * rise) * tool.unit / 4
        x = tool.tip[0] / 4 + float(rng.normal(0, 0.1 * rise)) * tool.unit / 4
        y = tool.tip[1] / 4 - rise * tool.unit / 4
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=round(190 - 500 * rise))
    veil = veil.filter(ImageFilter.GaussianBlur(1.5)).resize(picture.size, Image.Resampling.BILINEAR)
    picture.paste((216, 214, 212), mask=veil)
    x, y = tool.tip
    radius = 0.018 * tool.unit
    ImageDraw.Draw(picture).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 250, 205))
    return picture
