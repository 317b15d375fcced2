"""Reader of HMDB51 as distributed: `CLASS/*.avi` and one split file per class and split, `CLASS_test_split1.txt`.

A line of a split file is `file.avi tag` with the tag 1 for training, 2 for test, and 0 for a video that the split does
not use. The data set does not number its classes; here they are in the order of their names.
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

LAYOUT = "hmdb51"
SPLIT_FILE = re.compile(r"(?P<class>.+)_test_split(?P<split>\d+)\.txt")
PARTS = {"0": "unused", "1": "training", "2": "test"}
# Attributes after the class: visible body part, camera motion, people, viewpoint, quality, number of the clip.
ATTRIBUTES = r"_[fulh]_(?:nm|cm)_np\d+_(?:fr|ri|le|ba)_(?:goo|med|bad)_\d+"


def read_hmdb51(root: Path, annotations: Path) -> ClipDataset:
    """Read a data set in the layout of HMDB51; no video is opened.

    Args:
        root: Holds the folders of classes, or the folder of these.
        annotations: Holds the split files.

    Raises:
        DataError: if there are no videos or no split files.
    """
    found: list[Problem] = []
    listed: dict[str, str] = {}
    paths = _split_files(annotations)
    classes = tuple(sorted({name for name, _ in paths}))
    splits = _read_splits(paths, classes, listed, found)

    def otherwise(video: Path) -> str | None:
        return "another class" if named_otherwise(video.stem, video.parent.name, classes) else None

    lists = AnnotatedLists(
        LAYOUT, classes, splits, listed, unknown_class="has no split file", named_otherwise=otherwise
    )
    return join_videos(root, lists, found)


def named_otherwise(stem: str, folder: str, classes: tuple[str, ...]) -> bool:
    """Return whether a file's name has another class than its folder before its attributes."""
    before = re.sub(ATTRIBUTES + "$", "", stem)
    return before != stem and not before.endswith(f"_{folder}") and any(before.endswith(f"_{c}") for c in classes)


def _split_files(annotations: Path) -> dict[tuple[str, int], Path]:
    matches = {path: SPLIT_FILE.fullmatch(path.name) for path in sorted(annotations.iterdir())}
    paths = {(match["class"], int(match["split"])): path for path, match in matches.items() if match}
    if not paths:
        raise DataError(f"{annotations} has no CLASS_test_split1.txt; give the folder with the split files")
    return paths


def _read_splits(
    paths: dict[tuple[str, int], Path], classes: tuple[str, ...], listed: dict[str, str], found: list[Problem]
) -> dict[int, SplitEntries]:
    splits: dict[int, SplitEntries] = {}
    for number in sorted({split for _, split in paths}):
        splits[number] = SplitEntries()
        for name in classes:
            if (name, number) in paths:
                _read_split_file(paths[name, number], name, splits[number], listed, found)
            else:
                detail = f"{name}_test_split{number}.txt; split {number} lacks this class"
                found.append(Problem(kinds.SPLIT_FILE_MISSING, "", detail))
    return splits


def _read_split_file(
    path: Path, name: str, entries: SplitEntries, listed: dict[str, str], found: list[Problem]
) -> None:
    for number, line in lines_of(path, found):
        file, _, tag = line.rpartition(" ")
        if not file.strip() or "/" in file or tag not in PARTS:
            found.append(damaged_line(path, number, line, "is not a file and a tag of 0, 1 or 2"))
            continue
        entry = f"{name}/{file.strip()}"
        listed.setdefault(entry_key(entry), entry)
        getattr(entries, PARTS[tag]).append(entry_key(entry))
