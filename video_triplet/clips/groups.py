"""Which videos are cuts of one source, by their names: those must not be in two parts of a split.

UCF101: the group `g01` to `g25` within a class; numbers of different classes have nothing to do with each other.
HMDB51: what stands before `_CLASS_` and the attributes, without a number that ends it, so that `Film_1` and `Film_2`
are both of `Film`. One film counts as one source over all classes. This may join more than comes from one film.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from video_triplet.clips import hmdb51, ucf101
from video_triplet.clips.videos import ClipDataset
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem


def source_of(layout: str, name: str) -> str | None:
    """Return the source of a video by its name, or None where the name does not say it."""
    path = PurePosixPath(name)
    folder, stem = path.parent.name, path.stem
    if layout == ucf101.LAYOUT:
        match = ucf101.FILE_NAME.fullmatch(stem)
        return f"{folder}/g{int(match['group'])}" if match else None
    match = re.fullmatch(rf"(.+)_{re.escape(folder)}{hmdb51.ATTRIBUTES}", stem)
    return (re.sub(r"_\d+$", "", match[1]) or match[1]) if match else None


def sources(layout: str, names: Iterable[str]) -> dict[str, str]:
    """Return the source of each video; one whose name does not say it is a source of its own."""
    return {name: source_of(layout, name) or name for name in names}


def source_notes(dataset: ClipDataset) -> list[Problem]:
    """Return notes: names that do not say their source, and sources that an official split has in both parts."""
    found = [
        Problem(kinds.SOURCE_UNKNOWN, name, "it is taken as a source of its own")
        for name in dataset.videos
        if source_of(dataset.layout, name) is None
    ]
    for number, lists in dataset.official.items():
        training = set(sources(dataset.layout, lists.training).values())
        shared = sorted(training & set(sources(dataset.layout, lists.test).values()))
        found += [Problem(kinds.SOURCE_SHARED, "", f"split {number}: {source}") for source in shared]
    return found
