"""The paper's Tables 1 and 2 as a declared study: what there is to run, what was run, the published numbers beside."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import write_json, write_text
from nnunet_dsd.common.markdown_tables import markdown_table

Accuracies = tuple[float, float]
ENCODERS: Mapping[str, str] = {"c3d": "C3D", "r2plus1d": "R(2+1)D"}
DATA_SETS: Mapping[str, str] = {"ucf101": "UCF101", "hmdb51": "HMDB51"}
CLASSES: Mapping[str, int] = {"ucf101": 101, "hmdb51": 51}
LAMBDAS = (0.0, 0.1, 1.0, 10.0, 100.0, 1000.0)
NOT_RUN = "not run"
# Table 2, Acc@1 and Acc@5 in percent, split 1, in the order of LAMBDAS; 0 is its baseline, RSPNet* of Table 1.
PUBLISHED: Mapping[tuple[str, str], tuple[Accuracies, ...]] = {
    ("c3d", "ucf101"): ((77.1, 93.5), (76.7, 93.7), (77.1, 94.1), (77.9, 94.1), (78.6, 94.6), (77.5, 94.7)),
    ("c3d", "hmdb51"): ((43.9, 76.5), (45.8, 76.5), (43.9, 76.7), (44.2, 76.7), (42.9, 77.4), (41.4, 75.9)),
    ("r2plus1d", "ucf101"): ((80.2, 95.0), (80.8, 94.4), (80.3, 94.8), (81.4, 95.4), (82.3, 96.3), (81.5, 96.1)),
    ("r2plus1d", "hmdb51"): ((44.1, 75.6), (44.8, 74.3), (43.3, 75.1), (45.6, 76.1), (46.3, 76.3), (47.3, 77.8)),
}
# Table 1, Acc@1 in percent on UCF101 and HMDB51 by other authors, who give no Acc@5; its other rows are of Table 2.
OTHER_METHODS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "c3d": {"3D ST": (60.6, 28.3), "MAS": (61.2, 33.4), "RSPNet": (76.7, 44.6)},
    "r2plus1d": {"Pace": (77.1, 36.6), "RSPNet": (81.1, 44.6)},
}
# The lambdas of its row "Ours": of each column of Table 2, the best on the test list by Acc@1.
LAMBDAS_OF_TABLE_1: Mapping[tuple[str, str], float] = {
    ("c3d", "ucf101"): 100.0,
    ("c3d", "hmdb51"): 0.1,
    ("r2plus1d", "ucf101"): 100.0,
    ("r2plus1d", "hmdb51"): 1000.0,
}


@dataclass(frozen=True)
class Cell:
    """One encoder on one data set with one lambda; `lambda_` 0 is the plain fine-tuning."""

    encoder: str
    layout: str
    lambda_: float

    @property
    def trainer(self) -> str:
        """Name in the registry."""
        return "ClipFineTuningEpochSD" if self.lambda_ else "ClipFineTuning"

    @property
    def published(self) -> Accuracies | None:
        """Acc@1 and Acc@5 in percent, or None for a lambda that the paper has not."""
        row = PUBLISHED[self.encoder, self.layout]
        return row[LAMBDAS.index(self.lambda_)] if self.lambda_ in LAMBDAS else None

    def folder(self, study: Path, seed: int) -> Path:
        """Return where one training of the study is."""
        return study / "runs" / f"{self.encoder}-{self.layout}-lambda-{self.lambda_:g}-seed-{seed}"


@dataclass(frozen=True)
class Row:
    """One row of the table, in percent; None where nothing was run, `acc1_std` also with one seed.

    The published numbers are None where the paper has none, or what was run is not the data set that they are of.
    """

    encoder: str
    data_set: str
    epoch_lambda: float
    seeds: tuple[int, ...]
    acc1: float | None
    acc1_std: float | None
    acc5: float | None
    published_acc1: float | None
    published_acc5: float | None


def cells(lambdas: Iterable[float]) -> list[Cell]:
    """Return what the table has, in the paper's order; further lambdas behind its own."""
    every = sorted({*LAMBDAS, *lambdas})
    return [Cell(encoder, layout, value) for encoder in ENCODERS for layout in DATA_SETS for value in every]


def read_lambdas(text: str) -> tuple[float, ...]:
    """Return the numbers of a text such as `0,0.1,100`, ascending.

    Raises:
        SettingsError: if one is no number, or below 0.
    """
    try:
        values = sorted({float(part) for part in text.split(",")})
    except ValueError:
        values = []
    if not values or not all(0 <= value < float("inf") for value in values):
        raise SettingsError([f"got {text!r}, expected numbers from 0 such as 0,0.1,100"], source="--lambdas")
    return tuple(values)


def summarise(cell: Cell, study: Path, seeds: Sequence[int]) -> Row:
    """Return the row of one cell from the tests that there are.

    Raises:
        DataError: if a result cannot be read.
    """
    files = {seed: cell.folder(study, seed) / "test" / "test.json" for seed in seeds}
    found = {seed: read_accuracies(path) for seed, path in files.items()}
    there = {seed: values for seed, values in found.items() if values is not None}
    first = [values[0] for values in there.values()]
    of_the_paper = all(is_of_the_paper(files[seed], cell.layout) for seed in there)
    published = (cell.published if of_the_paper else None) or (None, None)
    return Row(
        ENCODERS[cell.encoder],
        DATA_SETS[cell.layout],
        cell.lambda_,
        tuple(there),
        statistics.fmean(first) if there else None,
        statistics.stdev(first) if len(there) > 1 else None,
        statistics.fmean(values[1] for values in there.values()) if there else None,
        *published,
    )


def read_accuracies(path: Path) -> Accuracies | None:
    """Return Acc@1 and Acc@5 in percent of a `test.json`, or None where there is none.

    Raises:
        DataError: if it is damaged.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return 100 * float(content["acc1"]), 100 * float(content["acc5"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(f"{path} is not the result of a test ({error!r}); delete it and run the study again") from error


def is_of_the_paper(path: Path, layout: str) -> bool:
    """Return whether a `test.json` is of all classes of UCF101 or HMDB51, so that published numbers may stand beside.

    A file that does not say how many classes there were, as older ones do not, is taken to be.
    """
    return bool(json.loads(path.read_text(encoding="utf-8")).get("classes", CLASSES[layout]) == CLASSES[layout])


def write_table(study: Path, rows: Sequence[Row], setup: Mapping[str, Any]) -> str:
    """Write `table.json` and `table.md`; return the latter."""
    text = as_markdown(rows, setup)
    write_json(study / "table.json", {"setup": dict(setup), "rows": [asdict(row) for row in rows]})
    write_text(study / "table.md", text)
    return text


def as_markdown(rows: Sequence[Row], setup: Mapping[str, Any]) -> str:
    """Return both tables; what was not run says so."""
    lines = [["encoder", "data set", "lambda", "seeds", "Acc@1", "Acc@5", "published Acc@1 / Acc@5"]]
    for row in rows:
        seeds = ", ".join(map(str, row.seeds)) or "-"
        lines.append([row.encoder, row.data_set, f"{row.epoch_lambda:g}", seeds, *_cells_of(row), _published_of(row)])
    described = "; ".join(f"{name} {value}" for name, value in setup.items())
    notes = "Percent, mean over seeds ± sample standard deviation; 10 clips per video of the official test list."
    notes += " The published numbers are of split 1 and RSPNet's weights."
    first = (
        "Acc@1 / Acc@5 in percent as published, and Acc@1 of this study (of the other methods nothing is run). "
        "The paper's lambdas are its best on the test list; the baseline is RSPNet*, lambda 0."
    )
    return (
        f"## Table 1\n\n{markdown_table(table_1(rows))}\n\n{first}\n\n"
        f"## Table 2\n\n{markdown_table(lines)}\n\n{notes} Here: {described}.\n"
    )


def table_1(rows: Sequence[Row]) -> list[list[str]]:
    """Return the lines of Table 1, its header first; `rows` are those of Table 2."""
    found = {(row.encoder, row.data_set, row.epoch_lambda): row for row in rows}
    header = ["encoder", "method", *(text for name in DATA_SETS.values() for text in (f"{name}, published", "here"))]
    lines = [header]
    for encoder, name in ENCODERS.items():
        for method, published in OTHER_METHODS[encoder].items():
            lines.append([name, method, *(text for value in published for text in (f"{value:.1f} / -", "-"))])
        for method in ("RSPNet*", "epoch-wise"):
            line = [name, method]
            for layout, data_set in DATA_SETS.items():
                lambda_ = LAMBDAS_OF_TABLE_1[encoder, layout] if method == "epoch-wise" else 0.0
                row = found[name, data_set, lambda_]
                suffix = f" (lambda {lambda_:g})" if lambda_ else ""
                line += [f"{_published_of(row)}{suffix}", _cells_of(row)[0]]
            lines.append(line)
    return lines


def _published_of(row: Row) -> str:
    """Return the published Acc@1 and Acc@5."""
    return "none" if row.published_acc1 is None else f"{row.published_acc1:.1f} / {row.published_acc5:.1f}"


def _cells_of(row: Row) -> list[str]:
    """Return Acc@1 and Acc@5 of what was run."""
    if row.acc1 is None:
        return [NOT_RUN, NOT_RUN]
    spread = "" if row.acc1_std is None else f" ± {row.acc1_std:.1f}"
    return [f"{row.acc1:.1f}{spread}", f"{row.acc5:.1f}"]
