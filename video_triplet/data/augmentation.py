"""What a training frame may go through, and the drawing of it: settings and random numbers, no pixels.

The paper names the operations and their probability, 0.5: horizontal flip, vertical flip, rotation, brightness and
saturation. It gives no ranges; those of `"paper"` are ours. `"authors-code"` is what the published code does instead.
What a frame goes through depends on the seed, the epoch and its row alone, not on the number of workers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from nnunet_dsd.common.errors import SettingsError

Border = Literal["black", "reflect"]


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Probabilities and ranges; the defaults are the paper's operations with ranges of ours.

    A range is symmetric around no change and drawn uniformly.

    Attributes:
        horizontal_flip: Probability of mirroring left and right.
        vertical_flip: Probability of mirroring up and down.
        affine: Probability of rotating, and with the same draw shifting and scaling.
        max_rotation: In degrees, to either side. Ours (45): as in the published code.
        max_shift: In fractions of the image's side, in either direction along both axes.
        max_scaling: Deviation of the scale from 1, as a fraction.
        border: What comes in from outside: `"black"`, as around the picture of an endoscope, or `"reflect"`, the image
            mirrored at the centres of its outermost pixels.
        brightness: Probability of multiplying the channels.
        max_brightness: Deviation of that factor from 1. Ours (0.2).
        saturation: Probability of blending with the grey image, or away from it.
        max_saturation: Deviation of the weight of the coloured image from 1. Ours (0.2).
        hsv: Probability of adding to hue, saturation and value.
        max_hue_shift: In degrees of the colour circle.
        max_saturation_shift: Of 255.
        max_value_shift: Of 255.
    """

    horizontal_flip: float = 0.5
    vertical_flip: float = 0.5
    affine: float = 0.5
    max_rotation: float = 45.0
    max_shift: float = 0.0
    max_scaling: float = 0.0
    border: Border = "black"
    brightness: float = 0.5
    max_brightness: float = 0.2
    saturation: float = 0.5
    max_saturation: float = 0.2
    hsv: float = 0.0
    max_hue_shift: float = 0.0
    max_saturation_shift: float = 0.0
    max_value_shift: float = 0.0

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise SettingsError(problems, source="the augmentation")


@dataclass(frozen=True, kw_only=True)
class Draw:
    """What one frame goes through; the default changes nothing.

    Attributes:
        horizontal_flip: Mirror left and right.
        vertical_flip: Mirror up and down.
        rotation: Counter-clockwise, in degrees.
        shift: To the right and down, in fractions of the side.
        scaling: Above 1 the picture grows.
        border: As in `Augmentation`.
        brightness: Factor of the channels.
        saturation: Weight of the coloured image against the grey one.
        hsv_shift: Added to hue (degrees), saturation and value (of 255).
    """

    horizontal_flip: bool = False
    vertical_flip: bool = False
    rotation: float = 0.0
    shift: tuple[float, float] = (0.0, 0.0)
    scaling: float = 1.0
    border: Border = "black"
    brightness: float = 1.0
    saturation: float = 1.0
    hsv_shift: tuple[float, float, float] = (0.0, 0.0, 0.0)


def draw(augmentation: Augmentation, generator: np.random.Generator) -> Draw:
    """Draw what one frame goes through; always takes the same count of numbers from the generator."""
    chance = generator.random(6)
    within = generator.uniform(-1.0, 1.0, size=9)
    affine = within[:4] * (chance[2] < augmentation.affine)
    brightness = within[4] * (chance[3] < augmentation.brightness)
    saturation = within[5] * (chance[4] < augmentation.saturation)
    hue, colour, value = (float(number) for number in within[6:] * (chance[5] < augmentation.hsv))
    return Draw(
        horizontal_flip=bool(chance[0] < augmentation.horizontal_flip),
        vertical_flip=bool(chance[1] < augmentation.vertical_flip),
        rotation=float(affine[0]) * augmentation.max_rotation,
        shift=(float(affine[1]) * augmentation.max_shift, float(affine[2]) * augmentation.max_shift),
        scaling=1.0 + float(affine[3]) * augmentation.max_scaling,
        border=augmentation.border,
        brightness=1.0 + float(brightness) * augmentation.max_brightness,
        saturation=1.0 + float(saturation) * augmentation.max_saturation,
        hsv_shift=(
            hue * augmentation.max_hue_shift,
            colour * augmentation.max_saturation_shift,
            value * augmentation.max_value_shift,
        ),
    )


def draw_for(augmentation: Augmentation, *, seed: int, epoch: int, row: int) -> Draw:
    """Draw what a row goes through in an epoch; the same for the same three numbers, whoever asks and when."""
    return draw(augmentation, np.random.default_rng((seed, epoch, row)))


def _problems(augmentation: Augmentation) -> list[str]:
    problems = []
    for name in ("horizontal_flip", "vertical_flip", "affine", "brightness", "saturation", "hsv"):
        if not 0.0 <= getattr(augmentation, name) <= 1.0:
            problems.append(f"{name} is {getattr(augmentation, name)}, a probability is from 0 to 1")
    limits = {"max_rotation": 180.0, "max_shift": 1.0, "max_brightness": 1.0, "max_saturation": 1.0}
    limits |= {"max_hue_shift": 180.0, "max_saturation_shift": 255.0, "max_value_shift": 255.0}
    for name, limit in limits.items():
        if not 0.0 <= getattr(augmentation, name) <= limit:
            problems.append(f"{name} is {getattr(augmentation, name)}, it must be from 0 to {limit:g}")
    if not 0.0 <= augmentation.max_scaling < 1.0:
        problems.append(f"max_scaling is {augmentation.max_scaling}, it must be at least 0 and below 1")
    if augmentation.border not in get_args(Border):
        problems.append(f"border is {augmentation.border!r}, it must be one of {', '.join(get_args(Border))}")
    return problems


PRESETS: dict[str, Augmentation] = {
    "paper": Augmentation(),
    # albumentations' HorizontalFlip, ShiftScaleRotate with its defaults, HueSaturationValue(5, 5, 5); its hue has 180
    # steps, so that 5 of them are 10 degrees, and its border was reflect_101 at the time.
    "authors-code": Augmentation(
        vertical_flip=0.0,
        max_shift=0.0625,
        max_scaling=0.1,
        border="reflect",
        brightness=0.0,
        saturation=0.0,
        hsv=0.5,
        max_hue_shift=10.0,
        max_saturation_shift=5.0,
        max_value_shift=5.0,
    ),
    "none": Augmentation(horizontal_flip=0.0, vertical_flip=0.0, affine=0.0, brightness=0.0, saturation=0.0),
}
