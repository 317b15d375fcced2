"""Says in words what is logged of the encoder teacher, whose map no loss meets, so that it may come to say nothing."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence

DICE_TERM = "encoder_teacher_dice"
NEAR_ZERO = 0.05
LOGGED = re.compile(rf"'{DICE_TERM}': ([-+.\deE]+|nan)")


def is_inert(dice: Iterable[float]) -> bool:
    """Tell whether the deepest encoder's map showed no structure in any epoch (see `describe_encoder_teacher`)."""
    known = [value for value in dice if not math.isnan(value)]
    return bool(known) and max(known) < NEAR_ZERO


def describe_encoder_teacher(dice: Sequence[float]) -> str | None:
    """Return a sentence or two on the encoder teacher of a training; None where it was not looked at.

    Args:
        dice: Mean foreground Dice of the deepest encoder's map by epoch, as logged; not-a-number where it is unknown.
    """
    known = [value for value in dice if not math.isnan(value)]
    if not known:
        return None
    if is_inert(known):
        return (
            "The encoder half of the method is inert: the map of the deepest encoder showed no structure in any epoch "
            f"(Dice at most {max(known):.3f}). What was learned came through the output and the decoders. The setting "
            "encoder_supervision, not in the paper, lets that map meet the labels."
        )
    if known[-1] < NEAR_ZERO:
        return (
            "The encoder half of the method has become inert: the map of the deepest encoder shows no structure at the "
            f"end (Dice {known[-1]:.3f}, once {max(known):.3f})."
        )
    return f"The map of the deepest encoder shows the structures with a Dice of {known[-1]:.3f} at the end."


def logged_encoder_dice(lines: Iterable[str]) -> list[float]:
    """Return the encoder teacher's Dice by epoch from the lines of nnU-Net's training log."""
    return [float(match[1]) for line in lines if (match := LOGGED.search(line))]
