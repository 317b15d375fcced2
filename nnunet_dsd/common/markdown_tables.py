"""Tables of numbers as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nnunet_dsd.common.markup import markdown_text


def markdown_table(rows: Sequence[Sequence[str]]) -> str:
    """Return a table whose first row is its header; cells are printed as they are; no line break at the end."""
    cells = [[markdown_text(cell) for cell in row] for row in rows]
    lines = [cells[0], ["---"] * len(cells[0]), *cells[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def mean_and_deviation(values: Sequence[float], digits: int) -> str:
    """Return `mean ± sample standard deviation`; the mean alone of one value."""
    spread = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{spread}"
