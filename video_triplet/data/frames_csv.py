"""Reader of frames with any classes: one `frames.csv`, images anywhere below its folder, names in `classes.txt`.

`frames.csv` has the columns `video`, `frame`, `image`, `labels` and, if wanted, `phase`. `labels` are names of classes
parted by `;`, none for a frame without. `classes.txt` names every class, one per line, in the order of the head's
columns; without it the classes are the names that occur, sorted. Phases are the names that occur, sorted.
"""

from __future__ import annotations

import posixpath
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.csv_tables import Finding, Row, read_lines, read_table
from video_triplet.data.videos import ImageFile, Problem, TripletDataset, Video, multi_hot, one_hot, video_order
from video_triplet.vocabulary import Head, Vocabulary, triplet_parts

TABLE, CLASS_FILE = "frames.csv", "classes.txt"
REQUIRED, OPTIONAL = ("video", "frame", "image", "labels"), ("phase",)
IMAGE_ENDINGS = (".png", ".jpg", ".jpeg")
COMPONENT_HEADS: tuple[Head, ...] = ("instrument", "verb", "target")
UNUSABLE_IN_NAMES = re.compile(r'[/\\:*?"<>|\x00-\x1f]')  # a video's name becomes the name of a file in a cache
MOST_DIGITS = 18
SHOWN = 20


@dataclass(frozen=True)
class _Frame:
    """A row whose cells are understood; `image` is relative to the folder, with `/`."""

    line: int
    video: str
    number: int
    image: str
    labels: tuple[str, ...]
    phase: str


def read_frames_csv(root: Path) -> TripletDataset:
    """Read a data set of frames with one, several or no class names each.

    A line that cannot be used is left out and reported, with every reason. Whether the images are there is seen by
    `video_triplet.data.checking`.

    Args:
        root: Holds `frames.csv`, the images and perhaps `classes.txt`.

    Raises:
        DataError: if the header or `classes.txt` is wrong, or there is no class; with everything that was found.
    """
    rows, findings = read_table(root / TABLE, required=REQUIRED, optional=OPTIONAL)
    spoilt = any(finding.kind == kinds.COLUMNS for finding in findings)
    names, faults = _class_names(root / CLASS_FILE, rows)
    frames, known = [], frozenset(names)
    for row in rows:
        found = list(_row_findings(row, known))
        findings += found
        if not found and not spoilt:
            frames.append(_as_frame(row))
    findings += _repetitions(rows)
    problems = [_problem(finding) for finding in sorted(findings, key=lambda finding: finding.line)]
    if spoilt or faults:
        _refuse(root, [*faults, *(f"{problem.kind}: {problem.detail}" for problem in problems)])
    phases = sorted({frame.phase for frame in frames if frame.phase})
    vocabulary = Vocabulary.from_classes(names, phases)
    repeated = {finding.line for finding in findings}
    videos = _videos(root, [frame for frame in frames if frame.line not in repeated], vocabulary)
    return TripletDataset(root, "csv", vocabulary, videos, (*_partly_triplets(names), *problems))


def _class_names(path: Path, rows: Sequence[Row]) -> tuple[list[str], list[str]]:
    """Return the names of the classes, and what is wrong with them."""
    if not path.exists():
        found = {_canonical(name) for row in rows for name in _labels(row)}
        return sorted(found), [] if found else [f"no class: {TABLE} has no label, and there is no {CLASS_FILE}"]
    names: dict[str, int] = {}
    faults = []
    for number, line in read_lines(path):
        name = None if line is None else _canonical(line.strip())
        if name is None:
            faults.append(f"{CLASS_FILE} line {number}: not UTF-8; save the file as UTF-8")
        elif ";" in name:
            faults.append(f"{CLASS_FILE} line {number}: {name!r} has a semicolon, which parts labels; choose another")
        elif name in names:
            faults.append(f"{CLASS_FILE} line {number}: {name!r} again, as in line {names[name]}")
        else:
            names[name] = number
    if not names and not faults:
        faults.append(f"{CLASS_FILE} names no class; delete it, or write one per line")
    return list(names), faults


def _canonical(name: str) -> str:
    """Return a name as the vocabulary has it: a triplet without spaces around its parts."""
    parts = triplet_parts(name)
    return name if parts is None else ",".join(parts)


def _labels(row: Row) -> tuple[str, ...]:
    words = (word.strip() for word in row.cells.get("labels", "").split(";"))
    return tuple(word for word in words if word)


def _row_findings(row: Row, names: Collection[str]) -> Iterator[Finding]:
    """Say everything that is wrong within one row; a cell whose column is missing is not looked at."""
    video = row.cells.get("video", "")
    faults = [
        (kinds.VIDEO_NAME, _video_fault(row.cells.get("video"))),
        (kinds.LINE_UNREADABLE, _frame_fault(row.cells.get("frame"))),
        (kinds.IMAGE_PATH, _image_fault(row.cells.get("image"))),
    ]
    unknown = [repr(name) for name in _labels(row) if _canonical(name) not in names]
    if unknown:
        faults.append((kinds.CLASS_NAME, f"not in {CLASS_FILE}: {', '.join(unknown)}"))
    yield from (Finding(row.line, kind, text, video) for kind, text in faults if text)


def _video_fault(name: str | None) -> str:
    if name == "":
        return "the name of the video is empty"
    if name is not None and (UNUSABLE_IN_NAMES.search(name) or name.startswith(".")):
        return f'the video {name!r} cannot be the name of a file; leave out / \\ : * ? " < > | and a dot in front'
    return ""


def _frame_fault(text: str | None) -> str:
    if text is None or (text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS):
        return ""
    return f"frame {text!r} is not a whole number from 0 on"


def _image_fault(text: str | None) -> str:
    if text is None:
        return ""
    if not text:
        return "no image is named"
    if PurePosixPath(text).is_absolute() or PureWindowsPath(text).drive or _inside(text).split("/")[0] == "..":
        return f"{text} leads out of the data set's folder; paths are relative to it"
    if "\\" in text:
        return f"{text} has backslashes; write / between folders"
    if not text.lower().endswith(IMAGE_ENDINGS):
        return f"{text} ends in none of {', '.join(IMAGE_ENDINGS)}"
    return ""


def _inside(path: str) -> str:
    return posixpath.normpath(path)


def _repetitions(rows: Sequence[Row]) -> Iterator[Finding]:
    """Find frames and images that an earlier line has named; the first counts."""
    frames: dict[tuple[str, int], int] = {}
    images: dict[str, int] = {}
    for row in rows:
        video, number, image = (row.cells.get(name, "") for name in ("video", "frame", "image"))
        if video and number and not _frame_fault(number):
            first = frames.setdefault((video, int(number)), row.line)
            if first != row.line:
                detail = f"frame {int(number)} again; line {first} counts. Put several labels in one line, parted by ;"
                yield Finding(row.line, kinds.FRAME_TWICE, detail, video)
        if image:
            first = images.setdefault(_inside(image), row.line)
            if first != row.line:
                yield Finding(row.line, kinds.IMAGE_TWICE, f"{image} is the image of line {first}, which counts", video)


def _as_frame(row: Row) -> _Frame:
    video, number, image = (row.cells[name] for name in ("video", "frame", "image"))
    labels = tuple(_canonical(name) for name in _labels(row))
    return _Frame(row.line, video, int(number), _inside(image), labels, row.cells.get("phase", ""))


def _problem(finding: Finding) -> Problem:
    return Problem(finding.kind, finding.video, f"{TABLE} line {finding.line}: {finding.detail}")


def _refuse(root: Path, faults: Sequence[str]) -> None:
    listed = "".join(f"\n  - {fault}" for fault in faults[:SHOWN])
    more = f"\n  and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
    raise DataError(f"the frames of {root} cannot be read:{listed}{more}")


def _partly_triplets(names: Sequence[str]) -> Iterator[Problem]:
    others = [name for name in names if triplet_parts(name) is None]
    if 0 < len(others) < len(names):
        detail = (
            f"{len(names) - len(others)} of {len(names)} class names are instrument,verb,target, the others are not, "
            f"first: {others[0]!r}; so no class has components"
        )
        yield Problem(kinds.PARTLY_TRIPLETS, "", detail)


def _videos(root: Path, frames: Sequence[_Frame], vocabulary: Vocabulary) -> dict[str, Video]:
    rows: dict[str, list[_Frame]] = defaultdict(list)
    for frame in frames:
        rows[frame.video].append(frame)
    return {name: _video(root, name, rows[name], vocabulary) for name in sorted(rows, key=video_order)}


def _video(root: Path, name: str, frames: Sequence[_Frame], vocabulary: Vocabulary) -> Video:
    ordered = sorted(frames, key=lambda frame: frame.number)
    classes = {text: index for index, text in enumerate(vocabulary.triplet_names)}
    phases = {text: index for index, text in enumerate(vocabulary.phases)}
    triplets = multi_hot([{classes[label] for label in frame.labels} for frame in ordered], len(classes))
    labels: dict[Head, NDArray[np.uint8]] = {"triplet": triplets}
    if vocabulary.has_components:
        labels.update({head: vocabulary.component_labels(triplets, head) for head in COMPONENT_HEADS})
    if any(frame.phase for frame in ordered):
        labels["phase"] = one_hot([phases.get(frame.phase, -1) for frame in ordered], len(phases))
    images = {frame.number: ImageFile(root / frame.image, f"{TABLE} line {frame.line}") for frame in ordered}
    numbers = np.array([frame.number for frame in ordered], dtype=np.int64)
    return Video(name, root, numbers, labels, images)
