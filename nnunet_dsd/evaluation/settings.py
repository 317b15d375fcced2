"""What can be chosen in an evaluation, besides its structures."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from nnunet_dsd.common.errors import SettingsError

BothEmpty = Literal["nan", "one"]


@dataclass(frozen=True)
class EvaluationSettings:
    """Choices of an evaluation.

    Attributes:
        surface_tolerance_mm: distance up to which the surface Dice counts surfaces as equal.
        both_empty: what Dice and surface Dice are where prediction and reference both lack the structure: undefined
            (`nan`, as in nnU-Net) or 1 (`one`, as in the BraTS challenges).

    Raises:
        SettingsError: with everything that is impossible.
    """

    surface_tolerance_mm: float = 1.0
    both_empty: BothEmpty = "nan"

    def __post_init__(self) -> None:
        problems = []
        if not (math.isfinite(self.surface_tolerance_mm) and self.surface_tolerance_mm >= 0):
            got = f"surface tolerance: got {self.surface_tolerance_mm} mm"
            problems.append(f"{got}, a finite number from 0 on is needed")
        if self.both_empty not in get_args(BothEmpty):
            problems.append(f"both empty: got {self.both_empty!r}, allowed are {', '.join(get_args(BothEmpty))}")
        if problems:
            raise SettingsError(problems, source="the settings of the evaluation")
