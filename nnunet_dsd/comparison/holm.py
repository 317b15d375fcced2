"""Holm's correction of p values for several tests."""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values so that rejecting those below a level keeps the family-wise error rate at that level.

    With the m p values in ascending order, p_(1) to p_(m), the adjusted value of the k-th is the largest of
    (m - j + 1) p_(j) over j <= k, at most 1.

    Args:
        p_values: one per test; NaN stands for a test that was not made, stays NaN and does not count towards m.

    Reference:
        Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979.
    """
    order = sorted((p, index) for index, p in enumerate(p_values) if not math.isnan(p))
    adjusted = [math.nan] * len(p_values)
    largest = 0.0
    for rank, (p, index) in enumerate(order):
        largest = max(largest, min(1.0, (len(order) - rank) * p))
        adjusted[index] = largest
    return tuple(adjusted)
