"""How values are printed: fractions in percent, lengths in mm, p values."""

from __future__ import annotations

import math
from dataclasses import dataclass

from nnunet_dsd.evaluation.measures import Measure

UNDEFINED = "n/a"
DIRECTIONS = {"higher": "higher is better", "lower": "lower is better", "zero": "near zero is better", "none": "a size"}


@dataclass(frozen=True)
class Format:
    """How the values of a measure are printed.

    Attributes:
        title: with the unit, for headings and axes.
        unit: as printed.
        difference_unit: of differences; those of percentages are in percentage points.
        factor: from the stored to the printed value.
        digits: after the decimal point.
    """

    title: str
    unit: str
    difference_unit: str
    factor: float
    digits: int

    def value(self, stored: float, *, signed: bool = False) -> str:
        """Print a value, or n/a where it is undefined."""
        if math.isnan(stored):
            return UNDEFINED
        # adding 0.0 turns a negative zero, left by rounding, into zero
        rounded = round(stored * self.factor, self.digits) + 0.0
        return f"{rounded:+.{self.digits}f}" if signed else f"{rounded:.{self.digits}f}"

    def spread(self, mean: float, deviation: float) -> str:
        """Print a mean with its standard deviation, which is left away where it is undefined."""
        return self.value(mean) if math.isnan(deviation) else f"{self.value(mean)} ± {self.value(deviation)}"

    def interval(self, low: float, high: float) -> str:
        """Print an interval, or n/a where it is undefined."""
        if math.isnan(low) or math.isnan(high):
            return UNDEFINED
        return f"[{self.value(low, signed=True)}, {self.value(high, signed=True)}]"


def format_of(measure: Measure) -> Format:
    """Return how a measure is printed: Dice in percent, HD95 in its unit."""
    if measure.unit == "fraction":
        return Format(f"{measure.title} (%)", "%", "percentage points", 100.0, 2)
    return Format(f"{measure.title} ({measure.unit})", measure.unit, measure.unit, 1.0, 2)


def p_text(p_value: float) -> str:
    """Print a p value with two significant digits, or n/a where there is none."""
    if math.isnan(p_value):
        return UNDEFINED
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.2g}"
