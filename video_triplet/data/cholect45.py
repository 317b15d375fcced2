"""Reader of the CholecT45 layout: `data/VIDxx/%06d.png`, one text file per head and video, the vocabulary in `dict`.

`triplet`, `instrument`, `verb` and `target` each hold `VIDxx.txt`: comma-separated integers, first the frame number,
then 0 or 1 for every class. `dict/{instrument,verb,target,triplet}.txt` name the classes: `0:grasper` or `0,grasper`;
`dict/maps.txt` lists for each triplet its components: `triplet,instrument,verb,target,...` after a comment line. The
layout has no phases: they come from Cholec80's files, or, named in a `dict/phase.txt`, from files of that format.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.cholec80_phases import CHOLEC80_PHASES, PHASE_FOLDER, read_phases
from video_triplet.data.videos import Problem, TripletDataset, Video, one_hot, video_order
from video_triplet.vocabulary import Head, Vocabulary

IMAGE_FOLDER, NAME_FOLDER = "data", "dict"
LABEL_HEADS: tuple[Head, ...] = ("triplet", "instrument", "verb", "target")
NAME_LINE = re.compile(r"(\d+)\s*[:,]\s*(.+)")
Rows = dict[int, NDArray[np.uint8]]


def read_cholect45(root: Path, *, phases: Path | None = None) -> TripletDataset:
    """Read a data set in the CholecT45 layout.

    A line that cannot be read is left out and reported; so is a frame that is not in all four files, and a video of
    which a file is missing or has no usable line.

    Args:
        root: Holds `triplet`, `instrument`, `verb`, `target`, `dict` and `data`.
        phases: Folder with Cholec80's `videoNN-phase.txt`, or one that has them in `phase_annotations`; without it
            `phase_annotations` in `root` is used where it exists.

    Raises:
        DataError: if `dict` does not give a vocabulary.
    """
    found: list[Problem] = []
    if phases is None and (root / PHASE_FOLDER).is_dir():
        phases = root / PHASE_FOLDER
    vocabulary = _read_vocabulary(root / NAME_FOLDER, with_phases=phases is not None, found=found)
    videos = {}
    for name in _video_names(root):
        video = _read_video(root, name, vocabulary, found)
        if video is not None:
            videos[name] = video if phases is None else _add_phases(video, phases, vocabulary, found)
    return TripletDataset(root, "cholect45", vocabulary, videos, tuple(found))


def _video_names(root: Path) -> list[str]:
    names = {path.stem for head in LABEL_HEADS for path in (root / head).glob("*.txt")}
    return sorted(names, key=video_order)


def _read_vocabulary(folder: Path, *, with_phases: bool, found: list[Problem]) -> Vocabulary:
    instruments, verbs, targets = (_read_names(folder / f"{head}.txt") for head in ("instrument", "verb", "target"))
    phases: Sequence[str] = ()
    if with_phases:
        own = folder / "phase.txt"
        phases = _read_names(own) if own.exists() else CHOLEC80_PHASES
    mapped = _read_maps(folder / "maps.txt") if (folder / "maps.txt").exists() else None
    if mapped is not None and not (folder / "triplet.txt").exists():
        return Vocabulary(tuple(instruments), tuple(verbs), tuple(targets), tuple(phases), mapped)
    vocabulary = Vocabulary.from_names(instruments, verbs, targets, phases, _read_names(folder / "triplet.txt"))
    if mapped is not None and mapped != vocabulary.triplets:
        found.append(Problem(kinds.VOCABULARY, "", _map_difference(mapped, vocabulary)))
    return vocabulary


def _map_difference(mapped: tuple[tuple[int, int, int], ...], vocabulary: Vocabulary) -> str:
    if len(mapped) != len(vocabulary.triplets):
        return f"dict/maps.txt has {len(mapped)} triplets, dict/triplet.txt {len(vocabulary.triplets)}; the names count"
    index = next(i for i, (one, other) in enumerate(zip(mapped, vocabulary.triplets, strict=True)) if one != other)
    return (
        f"triplet {index} is {vocabulary.triplet_names[index]} = {vocabulary.triplets[index]} in dict/triplet.txt and "
        f"{mapped[index]} in dict/maps.txt; the names count"
    )


def _read_lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} cannot be read ({type(error).__name__}); this layout needs dict/instrument.txt, verb.txt, "
            "target.txt, and triplet.txt or maps.txt"
        ) from error


def _read_names(path: Path) -> list[str]:
    lines = [line.strip() for line in _read_lines(path)]
    matches = [(line, NAME_LINE.fullmatch(line)) for line in lines if line and not line.startswith("#")]
    names = {}
    for line, match in matches:
        if match is None or int(match[1]) in names:
            raise DataError(
                f"{path}: line {line!r} is no class, or its id is there twice; expected such as '0:grasper'"
            )
        names[int(match[1])] = match[2].strip()
    if sorted(names) != list(range(len(names))):
        raise DataError(f"{path}: the ids are not 0 to {len(names) - 1}")
    return [names[index] for index in range(len(names))]


def _read_maps(path: Path) -> tuple[tuple[int, int, int], ...]:
    rows = {}
    for line in _read_lines(path):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            index, instrument, verb, target = (int(word) for word in line.split(",")[:4])
        except ValueError:
            raise DataError(f"{path}: {line!r} is not 'triplet,instrument,verb,target,...' in integers") from None
        rows[index] = (instrument, verb, target)
    if sorted(rows) != list(range(len(rows))):
        raise DataError(f"{path}: the triplet ids are not 0 to {len(rows) - 1}")
    return tuple(rows[index] for index in range(len(rows)))


def _read_video(root: Path, name: str, vocabulary: Vocabulary, found: list[Problem]) -> Video | None:
    read = {head: _read_label_file(root / head / f"{name}.txt", vocabulary.size(head), found) for head in LABEL_HEADS}
    if not all(read.values()):
        return None
    numbers = sorted(set.intersection(*(set(rows) for rows in read.values())))
    for number in sorted(set.union(*(set(rows) for rows in read.values())) - set(numbers)):
        lacking = ", ".join(head for head, rows in read.items() if number not in rows)
        found.append(Problem(kinds.FRAME_NOT_EVERYWHERE, name, f"frame {number}: no usable line in {lacking}"))
    if not numbers:
        return None
    labels: dict[Head, NDArray[np.uint8]] = {
        head: np.stack([rows[number] for number in numbers]) for head, rows in read.items()
    }
    return Video(name, root / IMAGE_FOLDER / name, np.array(numbers, dtype=np.int64), labels)


def _read_label_file(path: Path, classes: int, found: list[Problem]) -> Rows:
    """Return the labels of each frame, empty where the file gives none; problems are added to `found`."""
    video, place = path.stem, f"{path.parent.name}/{path.name}"
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        found.append(Problem(kinds.FILE_MISSING, video, f"{place} is not there; this video is left out"))
        return {}
    except (OSError, UnicodeDecodeError) as error:
        found.append(Problem(kinds.FILE_UNREADABLE, video, f"{place}: {type(error).__name__}: {error}"))
        return {}
    rows: Rows = {}
    last = -1
    for position, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        frame, values, problem = _read_line(line, classes)
        if not problem and frame in rows:
            problem = (kinds.FRAME_TWICE, f"frame {frame} again; the first counts")
        if problem:
            found.append(Problem(problem[0], video, f"{place} line {position}: {problem[1]}"))
            continue
        if frame < last:
            detail = f"{place} line {position}: frame {frame} follows frame {last}"
            found.append(Problem(kinds.FRAMES_UNSORTED, video, detail))
        rows[frame], last = values, frame
    if not rows:
        found.append(Problem(kinds.FILE_UNREADABLE, video, f"{place} has no usable line; this video is left out"))
    return rows


def _read_line(line: str, classes: int) -> tuple[int, NDArray[np.uint8], tuple[str, str] | None]:
    """Return frame number, labels, and the problem that makes them worthless, if there is one."""
    nothing: NDArray[np.uint8] = np.zeros(0, dtype=np.uint8)
    number, *words = line.replace(" ", "").split(",")
    if not (number.isascii() and number.isdigit()):
        return -1, nothing, (kinds.LINE_UNREADABLE, f"{number!r} is not a frame number")
    if len(words) != classes:
        expected = f"expected {classes + 1} (the frame number and {classes} classes)"
        return -1, nothing, (kinds.COLUMN_COUNT, f"{len(words) + 1} columns, {expected}")
    wrong = next((word for word in words if word not in ("0", "1")), None)
    if wrong is not None:
        return -1, nothing, (kinds.NOT_BINARY, f"{wrong!r} at frame {number}")
    return int(number), np.frombuffer("".join(words).encode(), dtype=np.uint8) - ord("0"), None


def _add_phases(video: Video, folder: Path, vocabulary: Vocabulary, found: list[Problem]) -> Video:
    phases, problems = read_phases(folder, video.name, video.frames, vocabulary.phases)
    found += problems
    if phases is None:
        return video
    labels: dict[Head, NDArray[np.uint8]] = dict(video.labels)
    labels["phase"] = one_hot(phases, vocabulary.size("phase"))
    return Video(video.name, video.folder, video.frames, labels)
