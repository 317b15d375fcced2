"""Paints one frame of a made-up video from its scene."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw

from video_triplet.rendered.instruments import TOOLS, Tool, add_smoke, draw_bubbles, draw_clip
from video_triplet.rendered.scenes import VOCABULARY, Action, Scene
from video_triplet.rendered.tissue import Abdomen, Point, background, draw_organs, illuminate

OVERSAMPLING = 2
JAW_OPENING = {"retract": 0.0, "dissect": 1.0, "clip": 0.1, "aspirate": 0.5, "null_verb": 0.8}
PULL = 0.13  # how far a retracted organ is pulled, in fractions of the height
IDLE: tuple[Point, Point] = ((0.16, 0.62), (0.84, 0.48))  # where a hand without target keeps its instrument


def paint(scene: Scene, abdomen: Abdomen, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """Return the frame as an RGB image.

    It is made from what the actions *could* be, never from the labels that were drawn, so that two triplets of an
    ambiguous action look the same.

    Args:
        scene: What happens.
        abdomen: Where; drawn for the same size.
        size: Width and height in pixels.
        rng: Of smoke, bubbles and noise.
    """
    if scene.black:
        return Image.new("RGB", size)
    scale = (float(size[0] * OVERSAMPLING), float(size[1] * OVERSAMPLING))
    picture = background(abdomen, scene.camera, size).resize((int(scale[0]), int(scale[1])), Image.Resampling.BILINEAR)
    places = {name: (x - scene.camera[0], y - scene.camera[1]) for name, (x, y) in abdomen.places.items()}
    tips = [_tip(action, places) for action in scene.actions]
    pulls = {
        target: tip for action, tip in zip(scene.actions, tips, strict=True) for target in _pulled(action) if target
    }
    draw_organs(ImageDraw.Draw(picture), places, abdomen, scale, pulls)
    for action, tip in zip(scene.actions, tips, strict=True):
        picture = _paint_action(picture, action, tip, scale, rng)
    return illuminate(picture.resize(size, Image.Resampling.BOX), abdomen, rng)


def _words(action: Action) -> tuple[str, list[str], list[str]]:
    """Return the instrument, and the verbs and targets that the action could have."""
    names = [VOCABULARY.triplet_names[triplet].split(",") for triplet in action.triplets]
    return names[0][0], list(dict.fromkeys(n[1] for n in names)), list(dict.fromkeys(n[2] for n in names))


def _pulled(action: Action) -> list[str]:
    _, verbs, targets = _words(action)
    return targets if "retract" in verbs else []


def _tip(action: Action, places: dict[str, Point]) -> Point:
    """Return where the tip is: at the target, halfway between two possible ones, or away from all."""
    _, verbs, targets = _words(action)
    sway = 0.02 * math.cos(action.phase_angle), 0.02 * math.sin(action.phase_angle)
    if "null_target" in targets:
        x, y = IDLE[action.hand]
        return x + 2 * sway[0], y + 2 * sway[1]
    x = sum(places[target][0] for target in targets) / len(targets)
    y = sum(places[target][1] for target in targets) / len(targets)
    if "retract" in verbs:
        y -= PULL / len(verbs)
    return x + sway[0], y + sway[1]


def _paint_action(
    picture: Image.Image, action: Action, tip: Point, scale: Point, rng: np.random.Generator
) -> Image.Image:
    instrument, verbs, _ = _words(action)
    tool = Tool(ImageDraw.Draw(picture), scale, action.hand, tip)
    if verbs == ["clip"]:
        draw_clip(tool)
    TOOLS[instrument](tool, sum(JAW_OPENING[verb] for verb in verbs) / len(verbs))
    if verbs == ["aspirate"]:
        draw_bubbles(tool, rng)
    return add_smoke(picture, tool, rng) if verbs == ["dissect"] else picture
