"""Pixels of a frame or a batch: applies a draw to uint8. No randomness here."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import grid_sample
from torchvision.transforms.v2 import functional as operations

from nnunet_dsd.common.errors import ShapeError
from video_triplet.data.augmentation import Draw


def apply_draw(image: Tensor, drawn: Draw) -> Tensor:
    """Apply what was drawn for a frame: flips, one affine map, brightness, saturation, HSV shift, in this order.

    Args:
        image: `(3, S, S)` uint8 RGB; not changed.
        drawn: What to do.

    Returns:
        `(3, S, S)` uint8; the image itself where nothing was drawn.

    Raises:
        ShapeError: if the image is not square, uint8 and of three channels.
    """
    if image.dtype != torch.uint8 or image.ndim != 3 or image.shape[0] != 3 or image.shape[1] != image.shape[2]:
        raise ShapeError(f"a frame is (3, S, S) uint8, this is {tuple(image.shape)} {image.dtype}")
    if drawn.horizontal_flip:
        image = operations.horizontal_flip(image)
    if drawn.vertical_flip:
        image = operations.vertical_flip(image)
    if drawn.rotation or drawn.scaling != 1.0 or any(drawn.shift):
        image = _affine(image, drawn)
    if drawn.brightness != 1.0:
        image = operations.adjust_brightness(image, drawn.brightness)
    if drawn.saturation != 1.0:
        image = operations.adjust_saturation(image, drawn.saturation)
    if any(drawn.hsv_shift):
        image = shift_hsv(image, *drawn.hsv_shift)
    return image


def shift_hsv(image: Tensor, hue: float, saturation: float, value: float) -> Tensor:
    """Add to hue (degrees, around the circle) and to saturation and value (of 255, clipped).

    torchvision has no additive shift of saturation and value. Grey has hue 0, as everywhere, so adding saturation makes
    it reddish.

    Args:
        image: `(3, S, S)` uint8 RGB.
        hue: Degrees to add.
        saturation: Of 255.
        value: Of 255.

    Returns:
        `(3, S, S)` uint8 RGB.
    """
    channels = image.float()
    highest, lowest = channels.amax(0), channels.amin(0)
    spread = highest - lowest
    sextant = torch.remainder(_hue_sextant(channels, highest, spread) + hue / 60, 6.0)
    new_value = (highest + value).clamp_(0, 255)
    new_saturation = (spread / highest.clamp(min=1) + saturation / 255).clamp_(0, 1)
    # A channel is full up to one sextant from its own hue (red 0, green 2, blue 4) and lowest from two sextants on.
    distance = torch.stack([3 - (3 - (sextant - own).abs()).abs() for own in (0, 2, 4)])
    below = distance.sub_(1).clamp_(0, 1).mul_(new_value * new_saturation)
    return (new_value - below).round_().to(torch.uint8)


def _hue_sextant(channels: Tensor, highest: Tensor, spread: Tensor) -> Tensor:
    """Return the hue from -1 to 5, in sixths of the colour circle; 0 for grey."""
    red, green, blue = channels
    is_red = (red == highest).float()
    is_green = (green == highest).float() * (1 - is_red)
    is_blue = 1 - is_red - is_green
    from_own = is_red * (green - blue) + is_green * (blue - red) + is_blue * (red - green)
    sextant: Tensor = from_own / spread.clamp(min=1) + 2 * is_green + 4 * is_blue
    return sextant


def _affine(image: Tensor, drawn: Draw) -> Tensor:
    """Rotate, scale and shift about the centre, bilinear; torchvision's `affine` knows no reflecting border."""
    angle = math.radians(drawn.rotation)
    cos, sin = math.cos(angle) / drawn.scaling, math.sin(angle) / drawn.scaling
    side = image.shape[-1]
    # Coordinates run from -1 to 1 between the centres of the outermost pixels. The map goes from output to input: undo
    # the shift, then rotate back. Summing rows and columns is three times as fast as torch's `affine_grid`.
    right, down = (2 * fraction * side / max(side - 1, 1) for fraction in drawn.shift)
    columns = torch.linspace(-1, 1, side)[None, :] - right
    rows = torch.linspace(-1, 1, side)[:, None] - down
    grid = torch.stack([cos * columns - sin * rows, sin * columns + cos * rows], dim=-1)
    border = "zeros" if drawn.border == "black" else "reflection"
    moved = grid_sample(image[None].float(), grid[None], mode="bilinear", padding_mode=border, align_corners=True)
    return moved[0].round_().to(torch.uint8)
