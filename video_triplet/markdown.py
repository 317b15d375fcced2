"""Tables of numbers as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its header; no line break at the end."""
    lines = [rows[0], ["---"] * len(rows[0]), *rows[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    """Return `mean ± sample standard deviation`; the mean alone of one value."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
