"""The paper's Table 1 for what was run: cross-validated mAP of triplets and components, and top-5."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.files import write_json, write_text
from nnunet_dsd.common.markdown_tables import markdown_table
from video_triplet.predictions.metrics import Evaluation, cross_validation
from video_triplet.study.configurations import PUBLISHED, PUBLISHED_SPLIT
from video_triplet.vocabulary import COMPONENTS

TOP = 5


@dataclass(frozen=True)
class Row:
    """One configuration over its folds; all numbers in percent.

    Attributes:
        name: Of the configuration.
        folds: How many were scored.
        mean_ap: Cross-validated mAP for each component; of `ivt` alone where the classes have no components.
        deviation: Sample standard deviation of the triplet mAP over folds; NaN for one fold.
        top_5: Mean over folds.
        selected_on_test: Whether an epoch was chosen on the videos that are scored.
    """

    name: str
    folds: int
    mean_ap: Mapping[str, float]
    deviation: float
    top_5: float
    selected_on_test: bool


def summarise(name: str, folds: Sequence[Evaluation]) -> Row:
    """Return the row of one configuration from the evaluations of its folds."""
    there = [component for component in COMPONENTS if component in folds[0].components]
    means: dict[str, float] = {component: 100 * cross_validation(folds, component).mean for component in there}
    return Row(
        name,
        len(folds),
        means,
        100 * cross_validation(folds).std,
        100 * statistics.fmean(fold.components["ivt"].top_k[TOP] for fold in folds),
        any(fold.selected_on for fold in folds),
    )


def as_markdown(rows: Sequence[Row], *, folds: int, split: str) -> str:
    """Return the table; configurations with fewer than `folds` folds say so.

    Args:
        rows: One per configuration.
        folds: How many the split has.
        split: Its name; the published numbers stand beside those of the very split they are of, and no others.
    """
    no_triplets = bool(rows) and all(len(row.mean_ap) == 1 for row in rows)
    shown = ["ivt"] if no_triplets else [component for component in COMPONENTS if component != "vt"]
    columns = ["mAP classes"] if no_triplets else [f"mAP {component}" for component in shown]
    header = ["configuration", "folds", *columns, "top-5"]
    header += ["published mAP / top-5"] if split == PUBLISHED_SPLIT else []
    lines = [header]
    for row in rows:
        scores = [f"{row.mean_ap[component]:.1f}" for component in shown]
        if row.folds > 1:
            scores[0] += f" ± {row.deviation:.1f}"
        published = " / ".join(f"{value:.1f}" for value in PUBLISHED.get(row.name, ())) or "none"
        lines.append([row.name, f"{row.folds} of {folds}", *scores, f"{row.top_5:.1f}", published][: len(header)])
    counted = "" if no_triplets else "null triplets counted, "
    notes = f"mAP in percent, {counted}mean over folds ± sample standard deviation."
    if any(row.selected_on_test for row in rows):
        notes += " Epochs were chosen on the videos that are scored (protocol test-fold): the numbers are too good."
    return f"{markdown_table(lines)}\n\n{notes}\n"


def write_table(rows: Sequence[Row], folder: Path, *, folds: int, split: str) -> None:
    """Write `table.md` (see `as_markdown`) and `table.json`; a number that does not exist is null there."""
    write_text(folder / "table.md", as_markdown(rows, folds=folds, split=split))
    write_json(folder / "table.json", [_without_nan(vars(row)) for row in rows])


def _without_nan(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    return None if isinstance(value, float) and value != value else value
