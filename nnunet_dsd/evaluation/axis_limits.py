"""Limits of axes: no value is shown that a measure cannot have, and no axis is magnified to rounding errors."""

from __future__ import annotations

import math
from typing import Literal

from matplotlib.axes import Axes

from nnunet_dsd.evaluation.measures import Measure

LEAST_SPAN = {"fraction": 0.01, "mm": 0.1, "voxels": 0.1, "ml": 0.1}


def value_limits(measure: Measure) -> tuple[float, float]:
    """Return the lowest and the highest value that a measure can have, in its unit."""
    if measure.better == "zero":
        return -1.0, math.inf  # a relative difference: nothing was predicted
    is_agreement = measure.unit == "fraction" and measure.better == "higher"
    return 0.0, 1.0 if is_agreement else math.inf


def difference_limits(measure: Measure) -> tuple[float, float]:
    """Return the lowest and the highest difference of two values of a measure, in its unit."""
    low, high = value_limits(measure)
    return low - high, high - low


def limit_axis(
    axis: Axes, which: Literal["x", "y"], measure: Measure, limits: tuple[float, float], *, factor: float = 1.0
) -> None:
    """Cut off what is beyond the limits, and widen an axis whose values are nearly equal.

    Call it when everything is drawn. What lies on a limit is to be drawn with `clip_on=False`.

    Args:
        axis: to change.
        which: of its directions.
        measure: what is drawn.
        limits: in the measure's unit.
        factor: from the measure's unit to the axis'.
    """
    lowest, highest = (factor * limit for limit in limits)
    low, high = getattr(axis, f"get_{which}lim")()
    low, high = max(low, lowest), min(high, highest)
    lacking = factor * LEAST_SPAN[measure.unit] - (high - low)
    if lacking > 0:
        low, high = low - lacking / 2, high + lacking / 2
        shift = max(lowest - low, 0.0) + min(highest - high, 0.0)  # at a limit, widened to the other side only
        low, high = low + shift, high + shift
    getattr(axis, f"set_{which}lim")(low, high)
    axis.ticklabel_format(axis=which, style="plain", useOffset=False)
