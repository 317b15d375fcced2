"""The levels of a network that have names of their own."""

from __future__ import annotations

BOTTLENECK, LAST = "bottleneck", "last"
DEFAULT_LEVELS = (BOTTLENECK, LAST)
