"""From official lists and folders of videos to a data set of those that are there, with everything that is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from video_triplet.clips.folders import find_class_root, find_videos, names_of_videos
from video_triplet.clips.videos import ClipDataset, ClipVideo, OfficialLists
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem


@dataclass
class SplitEntries:
    """Entries of one official split as the files write them, by part; grows while the files are read.

    Attributes:
        training: Keys (class folder and name without ending) in the order of the files.
        test: The same.
        unused: Those that the files name and leave out of both parts.
    """

    training: list[str] = field(default_factory=list)
    test: list[str] = field(default_factory=list)
    unused: list[str] = field(default_factory=list)

    @property
    def everything(self) -> list[str]:
        """All entries."""
        return [*self.training, *self.test, *self.unused]


@dataclass(frozen=True)
class AnnotatedLists:
    """What the annotation files of one data set say.

    Attributes:
        layout: Name of the layout.
        classes: In the order of their labels.
        splits: Entries by the split's number.
        listed: Name of each entry of a list, by key.
        unknown_class: What to say of a folder that is none of the classes, after its name.
        named_otherwise: Returns the class after which a file is named where that is not its folder, else None.
    """

    layout: str
    classes: tuple[str, ...]
    splits: Mapping[int, SplitEntries]
    listed: Mapping[str, str]
    unknown_class: str
    named_otherwise: Callable[[Path], str | None]


def join_videos(root: Path, lists: AnnotatedLists, found: list[Problem]) -> ClipDataset:
    """Return the data set of the videos below `root` that have a class; `found` grows.

    Raises:
        DataError: if there are no videos.
    """
    numbers = {name: number for number, name in enumerate(lists.classes)}
    files = find_videos(find_class_root(root), found)
    names = names_of_videos(files, lists.listed)
    videos = {}
    for key, path in files.items():
        folder = path.parent.name
        if folder not in numbers:
            detail = f"{folder} {lists.unknown_class}; its videos are left out"
            found.append(Problem(kinds.CLASS_FOLDER_UNKNOWN, names[key], detail))
            continue
        other = lists.named_otherwise(path)
        if other is not None:
            detail = f"it lies in the folder {folder} and is named after {other}; the folder counts"
            found.append(Problem(kinds.NAMED_OTHERWISE, names[key], detail))
        videos[names[key]] = ClipVideo(names[key], path, numbers[folder])
    known = {key: name for key, name in names.items() if name in videos}
    official = official_lists(lists.splits, known, lists.listed, found)
    found += unlisted(lists.splits.values(), known)
    return ClipDataset(root, lists.layout, lists.classes, dict(sorted(videos.items())), tuple(found), official)


def official_lists(
    splits: Mapping[int, SplitEntries], names: Mapping[str, str], listed: Mapping[str, str], found: list[Problem]
) -> dict[int, OfficialLists]:
    """Return the lists of videos that are there; report the other entries, repeated ones and those in both parts.

    Args:
        splits: By number.
        names: Name of each video that is there, by key.
        listed: Name of each entry of a list, by key.
        found: Grows.
    """
    for number, entries in splits.items():
        for part in ("training", "test"):
            found += _entry_problems(getattr(entries, part), f"split {number}, {part}", names, listed)
        both = set(entries.training) & set(entries.test)
        found += [
            Problem(kinds.VIDEO_IN_BOTH_PARTS, listed[key], f"split {number} has it in both") for key in sorted(both)
        ]
    return {number: OfficialLists(_there(s.training, names), _there(s.test, names)) for number, s in splits.items()}


def unlisted(splits: Iterable[SplitEntries], names: Mapping[str, str]) -> list[Problem]:
    """Return a note for each video that no list names."""
    listed = {key for entries in splits for key in entries.everything}
    return [
        Problem(kinds.VIDEO_IN_NO_LIST, name, "no official list names it; it is not used")
        for key, name in names.items()
        if key not in listed
    ]


def _entry_problems(
    keys: Sequence[str], place: str, names: Mapping[str, str], listed: Mapping[str, str]
) -> list[Problem]:
    seen: set[str] = set()
    problems = []
    for key in keys:
        if key in seen:
            problems.append(Problem(kinds.ENTRY_TWICE, listed[key], f"{place}: it counts once"))
        elif key not in names:
            problems.append(Problem(kinds.ENTRY_WITHOUT_VIDEO, listed[key], f"{place}: there is no such file"))
        seen.add(key)
    return problems


def _there(keys: Sequence[str], names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(names[key] for key in dict.fromkeys(keys) if key in names)
