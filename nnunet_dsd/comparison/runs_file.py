"""The file that lists the runs of a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.likeness import nearest
from nnunet_dsd.comparison.runs import TITLE, Run, RunList, missing_files, require_sound

TEXT, WHOLE, FOLD, LIST = (str,), (int,), (int, str), (list,)
LIST_KEYS = {"title": TEXT, "baseline": TEXT, "images": TEXT, "references": TEXT, "dataset_json": TEXT, "runs": LIST}
RUN_KEYS = {"method": TEXT, "fold": FOLD, "seed": WHOLE, "evaluation": TEXT, "predictions": TEXT, "notes": TEXT}
TYPE_NAMES = {str: "text", int: "a whole number", list: "a list"}


def read_run_list(path: Path) -> RunList:
    """Read a list of runs; relative paths in it start from the file's folder.

    Raises:
        DataError: if the file is missing or is no JSON object.
        SettingsError: with every problem of its content.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(
            f"{path} does not exist; give a list of runs with --runs, or METHOD=EVALUATION.json words."
        ) from error
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is no list of runs: {error}.") from error
    if not isinstance(content, dict):
        raise DataError(f"{path} is no list of runs: it must hold an object with `runs`, got {type(content).__name__}.")
    problems = _problems(content)
    if problems:
        readable = _build(_readable(content), path.parent)
        raise SettingsError([*problems, *missing_files(readable)], source=str(path))
    return require_sound(_build(content, path.parent), source=str(path))


def _problems(content: Mapping[str, Any]) -> list[str]:
    problems = [f"unknown key {key!r}{nearest(key, tuple(LIST_KEYS))}" for key in content if key not in LIST_KEYS]
    problems += _wrong_values(content, LIST_KEYS, required=("runs",), where="")
    runs = content.get("runs")
    problems += _unknown_run_keys(runs if isinstance(runs, list) else ())
    for place, entry in enumerate(runs if isinstance(runs, list) else ()):
        where = f"runs[{place}]: "
        if isinstance(entry, dict):
            problems += _wrong_values(entry, RUN_KEYS, required=("method", "evaluation"), where=where)
        else:
            problems.append(f"{where}got {entry!r}, expected an object with `method` and `evaluation`")
    return problems


def _unknown_run_keys(runs: Sequence[Any]) -> list[str]:
    """Tell every unknown key of the runs once, with the runs that have it."""
    places: dict[str, list[str]] = {}
    for place, entry in enumerate(runs):
        for key in entry if isinstance(entry, dict) else ():
            if key not in RUN_KEYS:
                places.setdefault(key, []).append(f"runs[{place}]")
    return [
        f"{where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}: unknown key {key!r}"
        f"{nearest(key, tuple(RUN_KEYS))}"
        for key, where in places.items()
    ]


def _readable(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return what of a list is right, so that its files can be looked for too."""
    entries = content.get("runs")
    listed = entries if isinstance(entries, list) else []
    runs = [_right(entry, RUN_KEYS) for entry in listed if isinstance(entry, dict)]
    return {**_right(content, LIST_KEYS), "runs": [run for run in runs if "method" in run and "evaluation" in run]}


def _right(entry: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    return {
        key: value
        for key, value in entry.items()
        if key in kinds and isinstance(value, kinds[key]) and str(value).strip()
    }


def _wrong_values(
    content: Mapping[str, Any], kinds: Mapping[str, tuple[type, ...]], *, required: tuple[str, ...], where: str
) -> list[str]:
    problems = [f"{where}{key} is missing" for key in required if content.get(key) is None]
    for key, kind in kinds.items():
        value = content.get(key)
        if value is not None and (not isinstance(value, kind) or isinstance(value, bool)):
            problems.append(f"{where}{key}: got {value!r}, expected {' or '.join(TYPE_NAMES[one] for one in kind)}")
        elif isinstance(value, str) and not value.strip():
            problems.append(f"{where}{key} is empty")
    return problems


def _build(content: Mapping[str, Any], folder: Path) -> RunList:
    def located(entry: Mapping[str, Any], key: str) -> Path | None:
        return None if entry.get(key) is None else folder / Path(entry[key]).expanduser()

    runs = tuple(
        Run(
            method=entry["method"].strip(),
            evaluation=folder / Path(entry["evaluation"]).expanduser(),
            fold=entry.get("fold"),
            seed=entry.get("seed"),
            predictions=located(entry, "predictions"),
            notes=entry.get("notes"),
        )
        for entry in content["runs"]
    )
    return RunList(
        runs=runs,
        title=content.get("title") or TITLE,
        baseline=None if content.get("baseline") is None else content["baseline"].strip(),
        images=located(content, "images"),
        references=located(content, "references"),
        dataset_json=located(content, "dataset_json"),
    )
