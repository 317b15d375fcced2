"""Every criterion over the epochs as a table: for people, and as CSV."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.common.files import write_text
from video_triplet.selection.criteria import Criterion
from video_triplet.selection.selecting import Measured, Picked

Row = list[str]


def table_rows(measured: Measured, criterion: Criterion, picked: Sequence[Picked]) -> tuple[Row, list[Row]]:
    """Return the header and one row per teacher and epoch; `good` marks the criterion's region."""
    names = [name for name in measured.values if name != "validation-mAP"]
    header = ["seed", "epoch", "validation mAP (%)", *names, "good", "picked by"]
    rows = []
    for number, (run, epochs, curve) in enumerate(
        zip(measured.runs, measured.epochs, measured.curves(criterion), strict=True)
    ):
        good = criterion.rule.inside(measured.values[criterion.name][number])
        for place, epoch in enumerate(epochs):
            takers = [
                found.strategy.name
                for found in picked
                if any((member.run, member.epoch) == (number, epoch) for member in found.members)
            ]
            values = [_number(measured.values[name][number][place]) for name in names]
            score = _number(100 * measured.validation_map[number][place], 1)
            mark = ("yes" if good[place] else "nearest") if place in curve.region else ""
            rows.append([str(run.seed), str(epoch), score, *values, mark, " ".join(takers)])
    return header, rows


def write_table(path: Path, header: Row, rows: Sequence[Row]) -> None:
    """Write the table as CSV, whole or not at all."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([header, *rows])
    write_text(path, text.getvalue())


def _number(value: float, digits: int = 3) -> str:
    return "" if math.isnan(value) else f"{value:.{digits}f}"
