"""Reader of UCF101 as distributed: `UCF-101/CLASS/v_CLASS_g01_c01.avi` and the lists of `ucfTrainTestlist`.

`classInd.txt` has lines `1 ApplyEyeMakeup`, `trainlist01.txt` lines `ApplyEyeMakeup/v_ApplyEyeMakeup_g08_c01.avi 1`,
and `testlist01.txt` the same without the number. The folder decides on the class; one class writes its name with other
capitals in its file names than in its folder, so those are compared without regard to case.
"""

from __future__ import annotations

import re
from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.clips.folders import damaged_line, entry_key
from video_triplet.clips.folders import numbered_lines as lines_of
from video_triplet.clips.lists import AnnotatedLists, SplitEntries, join_videos
from video_triplet.clips.videos import ClipDataset
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem

LAYOUT = "ucf101"
CLASS_FILE = "classInd.txt"
LIST_FILE = re.compile(r"(train|test)list(\d+)\.txt")
FILE_NAME = re.compile(r"v_(?P<class>.+)_g(?P<group>\d+)_c\d+")


def read_ucf101(root: Path, annotations: Path) -> ClipDataset:
    """Read a data set in the layout of UCF101; no video is opened.

    Args:
        root: Holds the folders of classes, or the folder of these.
        annotations: Holds `classInd.txt` and the lists.

    Raises:
        DataError: if the classes cannot be read, or there are no videos or no lists.
    """
    found: list[Problem] = []
    classes = read_classes(annotations / CLASS_FILE)
    numbers = {name: number for number, name in enumerate(classes)}
    listed: dict[str, str] = {}
    splits = _read_splits(annotations, numbers, listed, found)
    lists = AnnotatedLists(
        LAYOUT, classes, splits, listed, unknown_class=f"is not in {CLASS_FILE}", named_otherwise=named_otherwise
    )
    return join_videos(root, lists, found)


def named_otherwise(video: Path) -> str | None:
    """Return the class in a file's name where it is not that of its folder; capitals do not count."""
    match = FILE_NAME.fullmatch(video.stem)
    return match["class"] if match and match["class"].lower() != video.parent.name.lower() else None


def read_classes(path: Path) -> tuple[str, ...]:
    """Return the classes of `classInd.txt` in their order.

    Raises:
        DataError: with every line that is damaged, if the numbers are not 1 to N, or if a name is there twice.
    """
    damaged: list[Problem] = []
    names: dict[int, str] = {}
    for number, line in lines_of(path, damaged):
        words = line.split()
        if len(words) != 2 or not (words[0].isascii() and words[0].isdigit()):
            damaged.append(damaged_line(path, number, line, "is not a number and a class"))
        elif int(words[0]) in names or words[1] in names.values():
            damaged.append(damaged_line(path, number, line, "repeats a number or a class"))
        else:
            names[int(words[0])] = words[1]
    problems = [problem.detail for problem in damaged]
    if sorted(names) != list(range(1, len(names) + 1)) or not names:
        problems.append(f"its numbers are not 1 to {max(1, len(names))}")
    if problems:
        listed = "".join(f"\n  - {problem}" for problem in problems)
        raise DataError(f"{path} does not name the classes; copy it again:{listed}")
    return tuple(names[number] for number in sorted(names))


def _read_splits(
    annotations: Path, numbers: dict[str, int], listed: dict[str, str], found: list[Problem]
) -> dict[int, SplitEntries]:
    paths: dict[int, dict[str, Path]] = {}
    for path in sorted(annotations.iterdir()):
        match = LIST_FILE.fullmatch(path.name)
        if match:
            paths.setdefault(int(match[2]), {})[match[1]] = path
    splits = {}
    for number, parts in sorted(paths.items()):
        missing = [f"{part}list{number:02d}.txt" for part in ("train", "test") if part not in parts]
        if missing:
            found.append(Problem(kinds.SPLIT_FILE_MISSING, "", f"{missing[0]}; split {number} is left out"))
            continue
        splits[number] = SplitEntries(
            training=_read_list(parts["train"], numbers, listed, found, numbered=True),
            test=_read_list(parts["test"], numbers, listed, found, numbered=False),
        )
    if not splits:
        raise DataError(f"{annotations} has no trainlist01.txt with testlist01.txt; give the folder with the lists")
    return splits


def _read_list(
    path: Path, numbers: dict[str, int], listed: dict[str, str], found: list[Problem], *, numbered: bool
) -> list[str]:
    keys = []
    for number, line in lines_of(path, found):
        words = line.split()
        entry = words[0]
        label = words[1] if len(words) == 2 else None
        if len(words) > 2 or entry.count("/") != 1 or (numbered and (label is None or not label.isdigit())):
            found.append(damaged_line(path, number, line, "is not CLASS/VIDEO" + (" and a number" if numbered else "")))
            continue
        folder = entry.partition("/")[0]
        expected = numbers.get(folder)
        if expected is None or (label is not None and label != str(expected + 1)):
            says = (
                f"{folder} is not in {CLASS_FILE}" if expected is None else f"{folder} is {expected + 1}, not {label}"
            )
            found.append(Problem(kinds.CLASS_MISMATCH, entry, f"{path.name} line {number}: {says}; it is left out"))
            continue
        listed.setdefault(entry_key(entry), entry)
        keys.append(entry_key(entry))
    return keys
