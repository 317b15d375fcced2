"""An evaluation as CSV (a row per case and structure) and as JSON (with summaries)."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import Any

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.measures import MEASURES
from nnunet_dsd.evaluation.results import Evaluation, Score, Summary
from nnunet_dsd.evaluation.structures import Structure
from nnunet_dsd.files import whole_file, write_json, write_rows


def write_results(folder: Path, evaluation: Evaluation) -> tuple[Path, Path]:
    """Write `scores.csv` and `evaluation.json` into a folder, both or neither; those of an earlier one are replaced.

    Returns:
        The two paths.
    """
    table, record = folder / "scores.csv", folder / "evaluation.json"
    with whole_file(table) as table_file, whole_file(record) as record_file:
        write_csv(table_file, evaluation)
        write_evaluation_json(record_file, evaluation)
    return table, record


def write_csv(path: Path, evaluation: Evaluation) -> None:
    """Write a row per case and structure; undefined values are empty cells."""
    write_rows(path, Score, evaluation.scores)


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
        return Evaluation(
            structures=tuple(Structure(name, tuple(entry["labels"])) for name, entry in content["summary"].items()),
            scores=tuple(_read_score(entry) for entry in content["scores"]),
            surface_tolerance_mm=float(content["surface_tolerance_mm"]),
            both_empty=content["both_empty"],
            missing=tuple(content["missing"]),
        )
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is no JSON file ({error}); give the evaluation.json that `nnunet-dsd evaluate` writes."
        ) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no evaluation written by this version of nnunet-dsd: {error!r}. "
            "Write it with `nnunet-dsd evaluate`."
        ) from error


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Turn an evaluation into plain values that JSON can hold."""
    return {
        "surface_tolerance_mm": evaluation.surface_tolerance_mm,
        "both_empty": evaluation.both_empty,
        "missing": list(evaluation.missing),
        "measures": {measure.name: {"unit": measure.unit, "better": measure.better} for measure in MEASURES},
        "summary": {structure.name: _summaries(evaluation, structure) for structure in evaluation.structures},
        "scores": [_plain(score) for score in evaluation.scores],
    }


def _summaries(evaluation: Evaluation, structure: Structure) -> dict[str, Any]:
    summaries = {measure.name: _plain(evaluation.summary(structure.name, measure.name)) for measure in MEASURES}
    return {"labels": list(structure.labels), **summaries}


def _read_score(entry: dict[str, Any]) -> Score:
    values: dict[str, Any] = {name: math.nan if value is None else value for name, value in entry.items()}
    return Score(**values)


def _plain(record: Score | Summary) -> dict[str, Any]:
    return {name: None if _is_nan(value) else value for name, value in asdict(record).items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
