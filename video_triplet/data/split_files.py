"""A user's own split as a JSON file.

    {"name": "mine", "folds": [{"training": ["VID01", "VID02"], "validation": ["VID03"], "test": ["VID04"]}]}

A fold may also have `fold` (its number, counted from 1 in the order of the file without it) and `protocol` (one of
`video_triplet.data.split.PROTOCOLS`, `"own"` without it). `video-triplet splits --json` prints this format.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from video_triplet.data.split import PARTS, PROTOCOLS, Split, faults, leaks, refuse
from video_triplet.data.videos import TripletDataset


def read_split_file(path: Path, dataset: TripletDataset | None = None, *, allow_test_fold: bool = False) -> list[Split]:
    """Read every fold of a split file and check it as `check_split` does.

    Raises:
        LeakError: if a fold has a video in two parts.
        DataError: if the file is missing, is not of this format, or a fold cannot be used; with all problems at once.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no split file {path}") from None
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is not JSON: {error}") from error
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


def _problems(content: object) -> list[str]:
    if not isinstance(content, dict):
        return ["it holds no object with 'name' and 'folds'"]
    problems = [f"unknown entry {key!r}, allowed are name, folds" for key in content if key not in ("name", "folds")]
    if not isinstance(content.get("name"), str) or not content["name"]:
        problems.append("'name' is no text")
    folds = content.get("folds")
    if not isinstance(folds, list) or not folds:
        return [*problems, "'folds' is no list with at least one fold"]
    for position, entry in enumerate(folds, start=1):
        problems += [f"entry {position} of 'folds': {text}" for text in _fold_problems(entry)]
    numbers = [entry.get("fold", position) for position, entry in enumerate(folds, start=1) if isinstance(entry, dict)]
    if len({str(number) for number in numbers}) < len(numbers):
        problems.append("two folds have the same number")
    return problems


def _fold_problems(entry: object) -> list[str]:
    if not isinstance(entry, dict):
        return ["it is no object"]
    allowed = (*PARTS, "fold", "protocol")
    problems = [f"unknown entry {key!r}, allowed are {', '.join(allowed)}" for key in entry if key not in allowed]
    for part in PARTS:
        videos = entry.get(part)
        if not isinstance(videos, list) or not all(isinstance(video, str) for video in videos):
            problems.append(f"{part!r} is no list of video names")
    number = entry.get("fold", 1)
    if not isinstance(number, int) or isinstance(number, bool) or number < 1:
        problems.append(f"'fold' is {number!r}, allowed are 1, 2, ...")
    if entry.get("protocol", "own") not in PROTOCOLS:
        problems.append(f"'protocol' is {entry['protocol']!r}, allowed are {', '.join(PROTOCOLS)}")
    return problems


def _to_split(name: str, number: int, entry: dict[str, Any]) -> Split:
    training, validation, test = (tuple(entry[part]) for part in PARTS)
    return Split(name, entry.get("fold", number), training, validation, test, entry.get("protocol", "own"))
