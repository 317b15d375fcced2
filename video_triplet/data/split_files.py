"""A user's own split as a JSON file.

    {"name": "mine", "folds": [{"training": ["VID01", "VID02"], "validation": ["VID03"], "test": ["VID04"]}]}

A fold may also have `fold` (its number, counted from 1 in the order of the file without it) and `protocol` (one of
`video_triplet.data.split.PROTOCOLS`, `"own"` without it). `video-triplet splits --json` prints this format.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.json_files import Table, is_count, read_json
from video_triplet.data.split import PARTS, PROTOCOLS, Split, faults, leaks, refuse
from video_triplet.data.videos import TripletDataset


def read_split_file(path: Path, dataset: TripletDataset | None = None, *, allow_test_fold: bool = False) -> list[Split]:
    """Read every fold of a split file and check it as `check_split` does.

    Raises:
        LeakError: if a fold has a video in two parts.
        DataError: if the file is missing, is not of this format, or a fold cannot be used; with all problems at once.
    """
    missing = f"there is no split file {path}"
    content = read_json(path, missing=missing, broken=lambda reason: f"{path} is not JSON: {reason}")
    problems = _problems(content)
    refuse([], problems, source=str(path))
    splits = [_to_split(content["name"], number, entry) for number, entry in enumerate(content["folds"], start=1)]
    refuse(
        [f"fold {split.fold}: {text}" for split in splits for text in leaks(split, allow_test_fold=allow_test_fold)],
        [f"fold {split.fold}: {text}" for split in splits for text in faults(split, dataset)],
        source=str(path),
    )
    return splits


def split_file_content(splits: Sequence[Split]) -> dict[str, Any]:
    """Return what a split file with these folds holds."""
    return {"name": splits[0].name, "folds": [split.to_json() for split in splits]}


class Entries(Table):
    """A split file or a fold, in words of its own."""

    NO_OBJECT = "{where}it is no object"
    UNKNOWN = "{where}unknown entry {name!r}, allowed are {known}"
    MISSING = WRONG = EMPTY = "{where}{name!r} is {expected}"


def _problems(content: object) -> list[str]:
    if not isinstance(content, dict):
        return ["it holds no object with 'name' and 'folds'"]
    problems: list[str] = []
    entries = Entries(content, "", ("name", "folds"), problems)
    entries.required("name", "no text", lambda value: isinstance(value, str) and bool(value), "")
    expected = "no list with at least one fold"
    folds = entries.required("folds", expected, lambda value: isinstance(value, list) and bool(value), [])
    for position, entry in enumerate(folds, start=1):
        _check_fold(entry, f"entry {position} of 'folds': ", problems)
    numbers = [
        entry.get("fold") or position for position, entry in enumerate(folds, start=1) if isinstance(entry, dict)
    ]
    if len({str(number) for number in numbers}) < len(numbers):
        problems.append("two folds have the same number")
    return problems


def _check_fold(entry: object, where: str, problems: list[str]) -> None:
    entries = Entries(entry, where, (*PARTS, "fold", "protocol"), problems)
    for part in PARTS if isinstance(entry, dict) else ():
        entries.required(part, "no list of video names", _is_list_of_names, [])
    entries.get("fold", "{value!r}, allowed are 1, 2, ...", lambda value: is_count(value, 1), None)
    entries.get("protocol", f"{{value!r}}, allowed are {', '.join(PROTOCOLS)}", PROTOCOLS.__contains__, None)


def _is_list_of_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(video, str) for video in value)


def _to_split(name: str, number: int, entry: dict[str, Any]) -> Split:
    training, validation, test = (tuple(entry[part]) for part in PARTS)
    return Split(name, entry.get("fold") or number, training, validation, test, entry.get("protocol") or "own")
