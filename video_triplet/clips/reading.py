"""Opens a data set of clips in either official layout, recognised by its official lists."""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.clips import hmdb51, ucf101
from video_triplet.clips.folders import subfolders
from video_triplet.clips.videos import ClipDataset

LAYOUTS = (
    "UCF101: UCF-101/CLASS/v_*.avi with ucfTrainTestlist/classInd.txt, trainlist01.txt and testlist01.txt",
    "HMDB51: CLASS/*.avi with CLASS_test_split1.txt for each class",
)


def open_clips(root: Path, *, annotations: Path | None = None) -> ClipDataset:
    """Read the official lists of a data set and find its videos; no video is opened.

    What could not be read is in the data set's `problems`; `video_triplet.clips.checking` reports it with everything
    that is wrong with the videos.

    Args:
        root: Holds the folders of classes, or a folder of these.
        annotations: Folder with the official lists, or one that holds it; None looks for them in `root`, in its folders
            and in theirs.

    Raises:
        DataError: if there are no lists or those of both layouts, if the classes cannot be read, or if no video of a
            known class is there.
    """
    for folder in (root, annotations):
        if folder is not None and not folder.is_dir():
            raise DataError(f"{folder} is not a folder; give the folder of a data set")
    layout, lists = recognise(root if annotations is None else annotations)
    dataset = ucf101.read_ucf101(root, lists) if layout == ucf101.LAYOUT else hmdb51.read_hmdb51(root, lists)
    if not dataset.videos:
        details = "".join(f"\n  - {problem.kind}: {problem.detail}" for problem in dataset.problems[:5])
        raise DataError(f"no video in {root} is of a class of {lists}:{details}")
    return dataset


def recognise(folder: Path) -> tuple[str, Path]:
    """Return the layout, `"ucf101"` or `"hmdb51"`, and the folder that holds its lists: `folder` or one below.

    Raises:
        DataError: if there are no lists, or more than one set of them.
    """
    children = subfolders(folder)
    below = [part for child in children for part in subfolders(child)]
    found = [(layout, part) for part in (folder, *children, *below) if (layout := _layout_of(part)) is not None]
    if len(found) > 1:
        listed = ", ".join(f"{part} ({layout})" for layout, part in found)
        raise DataError(f"{folder} has several sets of official lists: {listed}; name one with --annotations")
    if not found:
        there = ", ".join(sorted(entry.name for entry in folder.iterdir())[:10]) or "nothing"
        expected = "".join(f"\n  - {layout}" for layout in LAYOUTS)
        raise DataError(
            f"there are no official lists in {folder}; it has {there}. Give their folder with --annotations; the "
            f"layouts are:{expected}"
        )
    return found[0]


def _layout_of(folder: Path) -> str | None:
    if (folder / ucf101.CLASS_FILE).is_file():
        return ucf101.LAYOUT
    if any(hmdb51.SPLIT_FILE.fullmatch(path.name) for path in folder.glob("*.txt")):
        return hmdb51.LAYOUT
    return None
