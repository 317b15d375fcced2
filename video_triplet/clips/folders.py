"""What both layouts share: the folder of classes, the video files in it, and where the official lists lie."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem

VIDEO_ENDINGS = (".avi", ".mp4")  # in the order of preference where a video is there twice


def find_class_root(root: Path) -> Path:
    """Return the folder whose folders hold the videos: `root` or one in it.

    Raises:
        DataError: if there is none, or more than one.
    """
    found = [folder for folder in (root, *subfolders(root)) if any(_has_videos(part) for part in subfolders(folder))]
    if len(found) > 1:
        listed = ", ".join(str(folder) for folder in found)
        raise DataError(f"{root} has several folders of classes: {listed}; keep one data set per folder")
    if not found:
        there = ", ".join(sorted(entry.name for entry in root.iterdir())[:10]) or "nothing"
        raise DataError(
            f"there is no CLASS/*.avi or CLASS/*.mp4 in {root} or a folder in it; it has {there}. Give the folder that "
            "holds the folders of classes, and unpack every archive first"
        )
    return found[0]


def find_videos(class_root: Path, found: list[Problem]) -> dict[str, Path]:
    """Return every video file by its class folder and name without ending; report those that are there twice."""
    videos: dict[str, Path] = {}
    for ending in VIDEO_ENDINGS:
        for folder in subfolders(class_root):
            for path in sorted(path for path in folder.iterdir() if path.suffix.lower() == ending):
                key = f"{folder.name}/{path.stem}"
                if key in videos:
                    detail = f"{path.name} and {videos[key].name} in {folder.name}; {videos[key].name} counts"
                    found.append(Problem(kinds.VIDEO_TWICE, key, detail))
                else:
                    videos[key] = path
    return videos


def names_of_videos(videos: Mapping[str, Path], listed: Mapping[str, str]) -> dict[str, str]:
    """Return each video's name by key: as the official lists write it, or class folder and file name."""
    return {key: listed.get(key, f"{path.parent.name}/{path.name}") for key, path in videos.items()}


def entry_key(entry: str) -> str:
    """Return class folder and name without ending of an entry such as `Class/video.avi`."""
    return str(PurePosixPath(entry).with_suffix(""))


def numbered_lines(path: Path, found: list[Problem]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a text file that are not empty, with their number from 1; report a file that is no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found.append(Problem(kinds.FILE_UNREADABLE, "", f"{path.name}: {error}"))
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.strip()


def damaged_line(path: Path, number: int, line: str, reason: str) -> Problem:
    """Return the problem of a line that cannot be used."""
    return Problem(kinds.LINE_UNREADABLE, "", f"{path.name} line {number}: {line[:80]!r} {reason}")


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, ascending, hidden ones left out."""
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _has_videos(folder: Path) -> bool:
    return any(path.suffix.lower() in VIDEO_ENDINGS and path.is_file() for path in folder.iterdir())
