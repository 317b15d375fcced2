"""Reader of the CholecT50 layout: `videos/VIDxx/%06d.png` and `labels/VIDxx.json` with the vocabulary inside.

`annotations` of a file maps each frame number to a list of rows of 15 numbers, one per action: `[0]` triplet id, `[1]`
instrument id, `[7]` verb id, `[8]` target id, `[14]` phase id, the rest scores and boxes; -1 where there is none.

Labels follow the official loader: a row without triplet still labels the components and the phase that it names. Where
a row names a triplet, its components come from the triplet; a component id of the row that says otherwise is reported
(the official loader would label both), and one that is absent is filled in.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem, TripletDataset, Video, multi_hot, video_order
from video_triplet.vocabulary import HEADS, Head, Vocabulary

LABEL_FOLDER, IMAGE_FOLDER = "labels", "videos"
ROW_LENGTH = 15
ROW_POSITION: dict[Head, int] = {"triplet": 0, "instrument": 1, "verb": 7, "target": 8, "phase": 14}
COMPONENT_HEADS: tuple[Head, ...] = ("instrument", "verb", "target")
Ids = dict[Head, set[int]]


class _BadFrame(Exception):
    """A frame that is left out: the kind of problem, and what is wrong."""

    def __init__(self, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.kind = kind


class _Object(dict[str, Any]):
    """A JSON object that remembers which keys were written twice; the first counts."""

    repeated: tuple[str, ...] = ()

    @classmethod
    def from_pairs(cls, pairs: list[tuple[str, Any]]) -> _Object:
        found = cls()
        for key, value in pairs:
            found.setdefault(key, value)
        if len(found) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            found.repeated = tuple(key for key, count in counts.items() if count > 1)
        return found


def read_cholect50(root: Path) -> TripletDataset:
    """Read a data set in the CholecT50 layout.

    The vocabulary is the one that most label files have; the videos of other files are left out and reported, as is
    every file and frame that cannot be read.

    Args:
        root: Holds `labels` and `videos`.

    Raises:
        DataError: if not a single label file has a usable vocabulary.
    """
    found: list[Problem] = []
    contents = {path.stem: content for path in _label_files(root) if (content := _load(path, found)) is not None}
    vocabularies = {name: vocabulary for name in contents if (vocabulary := _vocabulary(name, contents[name], found))}
    if not vocabularies:
        details = "".join(f"\n  - {problem.video}: {problem.detail}" for problem in found[:5])
        raise DataError(f"no file in {root / LABEL_FOLDER} has usable labels with their categories:{details}")
    vocabulary = _most_common(vocabularies)
    found += _contradictions(vocabularies, vocabulary)
    videos = {}
    for name in (name for name, own in vocabularies.items() if own == vocabulary):
        video = _read_video(name, contents[name], vocabulary, root / IMAGE_FOLDER / name, found)
        if video is not None:
            videos[name] = video
    return TripletDataset(root, "cholect50", vocabulary, videos, tuple(found))


def _label_files(root: Path) -> list[Path]:
    return sorted((root / LABEL_FOLDER).glob("*.json"), key=lambda path: video_order(path.stem))


def _load(path: Path, found: list[Problem]) -> _Object | None:
    try:
        content = json.loads(path.read_bytes(), object_pairs_hook=_Object.from_pairs)
    except (OSError, ValueError, RecursionError) as error:
        found.append(Problem(kinds.FILE_UNREADABLE, path.stem, f"{path.name}: {type(error).__name__}: {error}"))
        return None
    missing = [key for key in ("annotations", "categories") if not isinstance(_entry(content, key), dict)]
    if missing:
        found.append(Problem(kinds.FILE_UNREADABLE, path.stem, f"{path.name} has no object {' and '.join(missing)}"))
        return None
    return content  # type: ignore[no-any-return]


def _entry(content: object, key: str) -> object:
    return content.get(key) if isinstance(content, dict) else None


def _vocabulary(name: str, content: _Object, found: list[Problem]) -> Vocabulary | None:
    try:
        parts = {f"{head}s": _category(content["categories"], head) for head in HEADS}
        return Vocabulary.from_names(**parts)
    except DataError as error:
        found.append(Problem(kinds.VOCABULARY, name, f"{name}.json: {error}"))
        return None


def _category(categories: dict[str, Any], head: Head) -> list[str]:
    names = categories.get(head, {} if head == "phase" else None)
    if not isinstance(names, dict):
        raise DataError(f"its categories have no {head}s")
    if set(names) != {str(index) for index in range(len(names))}:
        raise DataError(f"its {head} ids are not 0 to {len(names) - 1}")
    return [str(names[str(index)]) for index in range(len(names))]


def _most_common(vocabularies: dict[str, Vocabulary]) -> Vocabulary:
    return Counter(vocabularies.values()).most_common(1)[0][0]


def _contradictions(vocabularies: dict[str, Vocabulary], expected: Vocabulary) -> Iterator[Problem]:
    for name, vocabulary in vocabularies.items():
        heads = [head for head in HEADS if vocabulary.names(head) != expected.names(head)]
        if heads:
            detail = f"{name}.json has other names of {', '.join(heads)} than most files; this video is left out"
            yield Problem(kinds.VOCABULARY, name, detail)


def _read_video(
    name: str, content: _Object, vocabulary: Vocabulary, folder: Path, found: list[Problem]
) -> Video | None:
    annotations: _Object = content["annotations"]
    found += [
        Problem(kinds.FRAME_TWICE, name, f"frame {key} is twice in {name}.json; the first counts")
        for key in annotations.repeated
    ]
    frames: dict[int, Ids] = {}
    last = -1
    for key, rows in annotations.items():
        try:
            number = _frame_number(key)
            if number in frames:
                raise _BadFrame(kinds.FRAME_TWICE, "is written twice; the first counts")
            if number < last:
                found.append(Problem(kinds.FRAMES_UNSORTED, name, f"frame {number} follows frame {last}"))
            last = number
            frames[number] = _read_rows(rows, vocabulary, name, number, found)
        except _BadFrame as error:
            found.append(Problem(error.kind, name, f"frame {key}: {error}"))
    found += _frame_count(name, content)
    if not frames:
        found.append(Problem(kinds.FILE_UNREADABLE, name, f"{name}.json labels no frame"))
        return None
    return _assemble(name, folder, frames, vocabulary)


def _frame_number(key: str) -> int:
    if not (key.isascii() and key.isdigit()):
        raise _BadFrame(kinds.LINE_UNREADABLE, "is not a frame number")
    return int(key)


def _frame_count(name: str, content: _Object) -> list[Problem]:
    stated, there = content.get("num_frames"), len(content["annotations"])
    if stated is None or stated == there:
        return []
    return [Problem(kinds.FRAME_COUNT, name, f"{name}.json says {stated} frames and labels {there}")]


def _read_rows(rows: object, vocabulary: Vocabulary, video: str, frame: int, found: list[Problem]) -> Ids:
    if not isinstance(rows, list):
        raise _BadFrame(kinds.LINE_UNREADABLE, "is not a list of rows")
    ids: Ids = {head: set() for head in HEADS}
    for row in rows:
        own = _row_ids(row, vocabulary)
        contradictions = _use_triplet(own, vocabulary)
        if contradictions:
            found.append(Problem(kinds.COMPONENTS, video, f"frame {frame}: {', '.join(contradictions)}"))
        for head, value in own.items():
            if value >= 0:
                ids[head].add(value)
    if len(ids["phase"]) > 1:
        raise _BadFrame(kinds.TWO_PHASES, f"is in the phases {sorted(ids['phase'])}")
    return ids


def _row_ids(row: object, vocabulary: Vocabulary) -> dict[Head, int]:
    if not isinstance(row, list) or len(row) != ROW_LENGTH:
        length = len(row) if isinstance(row, list) else "no"
        raise _BadFrame(kinds.COLUMN_COUNT, f"a row has {length} entries, expected {ROW_LENGTH}")
    return {head: _class_id(row[position], head, vocabulary.size(head)) for head, position in ROW_POSITION.items()}


def _class_id(value: object, head: Head, size: int) -> int:
    if not isinstance(value, int | float) or value != value or value % 1:
        raise _BadFrame(kinds.LINE_UNREADABLE, f"{head} id {value!r} is not a whole number")
    if not -1 <= value < size:
        raise _BadFrame(kinds.CLASS_UNKNOWN, f"{head} id {value:g}, allowed are -1 to {size - 1}")
    return int(value)


def _use_triplet(ids: dict[Head, int], vocabulary: Vocabulary) -> list[str]:
    """Set the components of a row from its triplet; return what the row said otherwise."""
    if ids["triplet"] < 0:
        return []
    contradictions = []
    for head, expected in zip(COMPONENT_HEADS, vocabulary.triplets[ids["triplet"]], strict=True):
        if ids[head] not in (-1, expected):
            contradictions.append(f"triplet {ids['triplet']} has {head} {expected}, the row says {ids[head]}")
        ids[head] = expected
    return contradictions


def _assemble(name: str, folder: Path, frames: dict[int, Ids], vocabulary: Vocabulary) -> Video:
    numbers = sorted(frames)
    labels = {head: multi_hot([frames[number][head] for number in numbers], vocabulary.size(head)) for head in HEADS}
    if not labels["phase"].any():
        del labels["phase"]
    return Video(name, folder, np.array(numbers, dtype=np.int64), labels)
