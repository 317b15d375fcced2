"""An evaluation as CSV (a row per case and structure) and as JSON (with summaries)."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.results import Evaluation, Score, Summary
from nnunet_dsd.evaluation.structures import Structure
from nnunet_dsd.files import write_json, write_text


def write_csv(path: Path, evaluation: Evaluation) -> None:
    """Write a row per case and structure; undefined values are empty cells."""
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, [field.name for field in fields(Score)], lineterminator="\n")
    writer.writeheader()
    for score in evaluation.scores:
        writer.writerow({name: "" if _is_nan(value) else value for name, value in asdict(score).items()})
    write_text(path, buffer.getvalue())


def write_evaluation_json(path: Path, evaluation: Evaluation) -> None:
    """Write scores and summaries; undefined values are null."""
    write_json(path, evaluation_to_dict(evaluation))


def read_evaluation_json(path: Path) -> Evaluation:
    """Read what `write_evaluation_json` wrote.

    Raises:
        DataError: if the file is missing or is something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        structures = tuple(Structure(name, tuple(entry["labels"])) for name, entry in content["summary"].items())
        scores = tuple(_read_score(entry) for entry in content["scores"])
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"{path} is no evaluation written by nnunet-dsd: {error!r}.") from error
    return Evaluation(structures, scores)


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Turn an evaluation into plain values that JSON can hold."""
    return {
        "units": {"dice": "fraction", "hd95_mm": "mm"},
        "summary": {
            structure.name: {
                "labels": list(structure.labels),
                "dice": _plain(evaluation.dice_summary(structure.name)),
                "hd95_mm": _plain(evaluation.hd95_summary(structure.name)),
            }
            for structure in evaluation.structures
        },
        "scores": [_plain(score) for score in evaluation.scores],
    }


def _read_score(entry: dict[str, Any]) -> Score:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in entry.items()}
    return Score(**values)


def _plain(record: Score | Summary) -> dict[str, Any]:
    return {name: None if _is_nan(value) else value for name, value in asdict(record).items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
