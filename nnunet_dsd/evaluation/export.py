"""An evaluation as CSV (a row per case and structure) and as JSON (with summaries)."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, get_args

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_file, write_json, write_rows
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.evaluation.measures import LengthUnit, measures_in
from nnunet_dsd.evaluation.results import Evaluation, Score, Summary
from nnunet_dsd.evaluation.structures import Structure

UNKNOWN_IN_VOXELS = ("prediction_ml", "reference_ml")  # undefined where an evaluation does not have them


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
    write_rows(path, Score, evaluation.scores, columns=score_columns(evaluation.length_unit))


def score_columns(length_unit: LengthUnit) -> dict[str, str]:
    """Return which fields of a score are written, and under which names: those of the measures in this unit."""
    names = {measure.field: measure.name for measure in measures_in(length_unit)}
    measured = {measure.field for measure in measures_in("mm")}
    return {
        field.name: names.get(field.name, field.name)
        for field in fields(Score)
        if field.name in names or field.name not in measured
    }


def write_evaluation_json(path: Path, evaluation: Evaluation) -> None:
    """Write scores and summaries; undefined values are null."""
    write_json(path, evaluation_to_dict(evaluation))


def read_evaluation_json(path: Path) -> Evaluation:
    """Read what `write_evaluation_json` wrote.

    Raises:
        DataError: if the file is missing or is something else.
    """
    content = read_json(
        path,
        missing=f"{path} does not exist; write it with `nnunet-dsd evaluate`.",
        unreadable=lambda reason: f"{path} cannot be read: {reason}.",
        broken=lambda reason: (
            f"{path} is no JSON file ({reason}); give the evaluation.json that `nnunet-dsd evaluate` writes."
        ),
    )
    try:
        unit: LengthUnit = content.get("length_unit", "mm")  # evaluations of earlier versions have mm
        if unit not in get_args(LengthUnit):
            raise ValueError(f"length_unit {unit!r}")
        columns = score_columns(unit)
        return Evaluation(
            structures=tuple(Structure(name, tuple(entry["labels"])) for name, entry in content["summary"].items()),
            scores=tuple(_read_score(entry, columns) for entry in content["scores"]),
            surface_tolerance_mm=float(content[f"surface_tolerance_{unit}"]),
            both_empty=content["both_empty"],
            missing=tuple(content["missing"]),
            length_unit=unit,
            reader=_text_or_none(content.get("reader")),  # which evaluations of earlier versions do not name
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(
            f"{path} is no evaluation written by this version of nnunet-dsd: {error!r}. "
            "Write it with `nnunet-dsd evaluate`."
        ) from error


def evaluation_to_dict(evaluation: Evaluation) -> dict[str, Any]:
    """Turn an evaluation into plain values that JSON can hold."""
    return {
        "length_unit": evaluation.length_unit,
        f"surface_tolerance_{evaluation.length_unit}": evaluation.surface_tolerance_mm,
        "both_empty": evaluation.both_empty,
        "missing": list(evaluation.missing),
        "reader": evaluation.reader,
        "measures": {measure.name: {"unit": measure.unit, "better": measure.better} for measure in evaluation.measures},
        "summary": {structure.name: _summaries(evaluation, structure) for structure in evaluation.structures},
        "scores": [_written(_plain(score), score_columns(evaluation.length_unit)) for score in evaluation.scores],
    }


def _summaries(evaluation: Evaluation, structure: Structure) -> dict[str, Any]:
    names = [measure.name for measure in evaluation.measures]
    summaries = {name: _plain(evaluation.summary(structure.name, name)) for name in names}
    return {"labels": list(structure.labels), **summaries}


def _read_score(entry: dict[str, Any], columns: dict[str, str]) -> Score:
    read: dict[str, Any] = dict.fromkeys(UNKNOWN_IN_VOXELS, math.nan)
    read |= {field: math.nan if entry[column] is None else entry[column] for field, column in columns.items()}
    return Score(**read)


def _text_or_none(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise ValueError(f"reader {value!r}")


def _written(values: dict[str, Any], columns: dict[str, str]) -> dict[str, Any]:
    return {column: values[field] for field, column in columns.items()}


def _plain(record: Score | Summary) -> dict[str, Any]:
    return {name: None if _is_nan(value) else value for name, value in asdict(record).items()}


def _is_nan(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)
