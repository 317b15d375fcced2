"""What every reader returns: videos with their frames and labels, and the vocabulary they share."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from os.path import isfile  # False, not an error, for a path that is too long
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from video_triplet.vocabulary import HEADS, Head, Vocabulary

FRAME_NAME = re.compile(r"(\d+)\.png", re.IGNORECASE)


@dataclass(frozen=True)
class ImageFile:
    """Where a frame's image is said to be.

    Attributes:
        path: Of the file, which may not exist.
        source: What says so, such as `"frames.csv line 7"`.
    """

    path: Path
    source: str


@dataclass(frozen=True)
class Video:
    """One video's labels, and where its frames are.

    Attributes:
        name: As the data set writes it, for example `VID01`.
        folder: Holds one image per frame, `%06d.png` after the frame's number; or, with `images`, the data set's.
        frames: `(N,)` ascending frame numbers with labels; at one frame per second, seconds.
        labels: For each head `(N, classes)` of 0 and 1. A video without phase annotation has no `"phase"`.
        images: Where the layout says for each frame which file it is, these by frame number; None where the file's name
            is the frame's number.
    """

    name: str
    folder: Path
    frames: NDArray[np.int64]
    labels: Mapping[Head, NDArray[np.uint8]]
    images: Mapping[int, ImageFile] | None = None

    def __len__(self) -> int:
        return len(self.frames)

    def image_path(self, frame: int) -> Path:
        """Return where the image of a frame number is expected."""
        if self.images is not None and int(frame) in self.images:
            return self.images[int(frame)].path
        return self.image_paths.get(int(frame), self.folder / f"{int(frame):06d}.png")

    @cached_property
    def image_paths(self) -> dict[int, Path]:
        """The images that are there, by frame number, ascending; other files are left out."""
        if self.images is not None:
            return {frame: image.path for frame, image in sorted(self.images.items()) if isfile(image.path)}
        found = {}
        if self.folder.is_dir():
            for path in self.folder.iterdir():
                match = FRAME_NAME.fullmatch(path.name)
                if match:
                    found[int(match[1])] = path
        return dict(sorted(found.items()))

    @property
    def missing_images(self) -> list[int]:
        """Frame numbers with labels and without image."""
        return sorted(set(self.frames.tolist()) - set(self.image_paths))

    @property
    def unlabelled_images(self) -> list[int]:
        """Frame numbers with image and without labels."""
        return sorted(set(self.image_paths) - set(self.frames.tolist()))

    def select(self, keep: NDArray[np.bool_]) -> Video:
        """Return the video with some of its labelled frames."""
        labels: dict[Head, NDArray[np.uint8]] = {head: values[keep] for head, values in self.labels.items()}
        return replace(self, frames=self.frames[keep], labels=labels)


@dataclass(frozen=True)
class Problem:
    """Something wrong in a data set, to be counted and shown.

    Attributes:
        kind: One of a few short sentences, the same for all problems of a kind, such as "label without image".
        video: The video's name, or "" where it concerns the whole data set.
        detail: What and where: a file, a line, a frame number.
    """

    kind: str
    video: str
    detail: str


@dataclass(frozen=True)
class TripletDataset:
    """A data set as read: its vocabulary, its videos in the order of their names, and what could not be read.

    Attributes:
        root: The folder given by the user.
        layout: `"cholect50"`, `"cholect45"`, `"csv"`, or another reader's name.
        vocabulary: Shared by all videos.
        videos: By name.
        problems: Everything the reader found wrong; what it concerns is left out of `videos`.
    """

    root: Path
    layout: str
    vocabulary: Vocabulary
    videos: Mapping[str, Video]
    problems: tuple[Problem, ...] = field(default=())

    def subset(self, names: Sequence[str]) -> list[Video]:
        """Return some videos, in the order asked for.

        Raises:
            DataError: with every name that the data set does not have.
        """
        missing = [name for name in names if name not in self.videos]
        if missing:
            raise DataError(
                f"{self.root} has no video {', '.join(missing)}; it has {', '.join(self.videos) or 'none at all'}"
            )
        return [self.videos[name] for name in names]

    @property
    def classes_seen(self) -> tuple[str, ...]:
        """The triplets, or classes, that at least one frame has, in the order of their ids."""
        names = self.vocabulary.names("triplet")
        seen = np.zeros(len(names), dtype=bool)
        for video in self.videos.values():
            seen |= video.labels["triplet"].any(axis=0)
        return tuple(names[row] for row in np.flatnonzero(seen))

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads for which every video has labels."""
        return tuple(head for head in HEADS if all(head in video.labels for video in self.videos.values()))


def one_hot(ids: Sequence[int] | NDArray[np.int64], size: int) -> NDArray[np.uint8]:
    """Return `(N, size)` with a single 1 per row; a negative id gives a row of zeros.

    Raises:
        DataError: if an id is `size` or more.
    """
    numbers = np.asarray(ids, dtype=np.int64)
    if numbers.size and numbers.max() >= size:
        raise DataError(f"class id {numbers.max()} is beyond the {size} classes")
    rows = np.zeros((len(numbers), size), dtype=np.uint8)
    known = np.flatnonzero(numbers >= 0)
    rows[known, numbers[known]] = 1
    return rows


def multi_hot(rows: Sequence[Collection[int]], size: int) -> NDArray[np.uint8]:
    """Return `(N, size)` with a 1 for each id of a row."""
    labels = np.zeros((len(rows), size), dtype=np.uint8)
    for row, ids in enumerate(rows):
        labels[row, list(ids)] = 1
    return labels


def video_name(number: int | str) -> str:
    """Return the official name of a video: `VID01` for 1; a text is returned as it is."""
    return number if isinstance(number, str) else f"VID{number:02d}"


def video_order(name: str) -> tuple[int, str]:
    """Return a key that sorts videos by their number, `VID12` before `VID103`; names without a number come first."""
    digits = re.search(r"\d+", name)
    return (int(digits[0]) if digits else -1, name)


def labels_hash(videos: Sequence[Video]) -> str:
    """Return SHA-256, in hexadecimal, over names, frame numbers and labels of videos."""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.name} {sorted(video.labels)}".encode() + np.ascontiguousarray(video.frames).tobytes())
        for head in sorted(video.labels):
            digest.update(np.ascontiguousarray(video.labels[head]).tobytes())
    return digest.hexdigest()
