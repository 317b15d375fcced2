"""The file that lists the runs of a comparison."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.json_files import Table, is_count, is_text, read_json
from nnunet_dsd.common.likeness import nearest
from nnunet_dsd.comparison.runs import TITLE, Run, RunList, missing_files, require_sound

LIST_KEYS = ("title", "baseline", "images", "references", "dataset_json", "runs", "facts")
RUN_KEYS = ("method", "fold", "seed", "evaluation", "predictions", "notes")
TEXT, WHOLE = "text", "a whole number"


class Entries(Table):
    """A list of runs or a run, in words of its own."""

    NO_OBJECT = "{where}got {value!r}, expected an object with `method` and `evaluation`"
    UNKNOWN = "{where}unknown key {name!r}{nearest}"
    MISSING = "{where}{name} is missing"
    WRONG = "{where}{name}: got {value!r}, expected {expected}"
    EMPTY = "{where}{name} is empty"

    def text(self, name: str, *, needed: bool = False) -> str | None:
        """Return text; None where there is none."""
        text: str | None = (self.required if needed else self.get)(name, TEXT, is_text, None)
        return text

    def path(self, name: str, folder: Path, *, needed: bool = False) -> Path | None:
        """Return a path, relative ones starting from a folder; None where there is none."""
        text = self.text(name, needed=needed)
        return None if text is None else folder / Path(text).expanduser()


def read_run_list(path: Path) -> RunList:
    """Read a list of runs; relative paths in it start from the file's folder.

    Raises:
        DataError: if the file is missing or is no JSON object.
        SettingsError: with every problem of its content.
    """
    content = read_json(
        path,
        missing=f"{path} does not exist; give a list of runs with --runs, or METHOD=EVALUATION.json words.",
        broken=lambda reason: f"{path} is no list of runs: {reason}.",
    )
    if not isinstance(content, dict):
        raise DataError(f"{path} is no list of runs: it must hold an object with `runs`, got {type(content).__name__}.")
    problems: list[str] = []
    found = _read_list(Entries(content, "", LIST_KEYS, problems), path.parent)
    if problems:
        raise SettingsError([*problems, *missing_files(found)], source=str(path))
    return require_sound(found, source=str(path))


def _read_list(entries: Entries, folder: Path) -> RunList:
    """Read what of a list is right; the rest is noted."""
    title, baseline = entries.text("title"), entries.text("baseline")
    paths = {name: entries.path(name, folder) for name in ("images", "references", "dataset_json")}
    content = entries.required("runs", "a list", lambda value: isinstance(value, list), [])
    entries.problems += _unknown_run_keys(content)
    runs = [_read_run(entry, f"runs[{place}]: ", folder, entries.problems) for place, entry in enumerate(content)]
    return RunList(
        runs=tuple(run for run in runs if run is not None),
        title=title or TITLE,
        baseline=None if baseline is None else baseline.strip(),
        facts=entries.get("facts", "an object of text by name for each method", _is_facts, {}),
        **paths,
    )


def _read_run(content: Any, where: str, folder: Path, problems: list[str]) -> Run | None:
    """Read a run; None if its method or its evaluation is not right."""
    known = tuple(content) if isinstance(content, dict) else RUN_KEYS  # those unknown are told for all runs together
    entries = Entries(content, where, known, problems)
    if not isinstance(content, dict):
        return None
    method, evaluation = entries.text("method", needed=True), entries.path("evaluation", folder, needed=True)
    fold = entries.get("fold", f"{WHOLE} or {TEXT}", lambda value: _is_whole(value) or is_text(value), None)
    seed = entries.get("seed", WHOLE, _is_whole, None)
    predictions, notes = entries.path("predictions", folder), entries.text("notes")
    if method is None or evaluation is None:
        return None
    return Run(method.strip(), evaluation, fold, seed, predictions, notes)


def _is_facts(value: Any) -> bool:
    return isinstance(value, dict) and all(
        isinstance(table, dict) and all(isinstance(text, str) for text in table.values()) for table in value.values()
    )


def _is_whole(value: Any) -> bool:
    return is_count(value, -math.inf)


def _unknown_run_keys(runs: Sequence[Any]) -> list[str]:
    """Tell every unknown key of the runs once, with the runs that have it."""
    places: dict[str, list[str]] = {}
    for place, entry in enumerate(runs):
        for key in entry if isinstance(entry, dict) else ():
            if key not in RUN_KEYS:
                places.setdefault(key, []).append(f"runs[{place}]")
    return [
        f"{where[0]}{f' and {len(where) - 1} more' if len(where) > 1 else ''}: unknown key {key!r}"
        f"{nearest(key, RUN_KEYS)}"
        for key, where in places.items()
    ]
