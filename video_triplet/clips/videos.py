"""What every reader of clip data sets returns: videos with one label each, the classes, and the official lists."""

from __future__ import annotations

import hashlib
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.data.videos import Problem


@dataclass(frozen=True)
class ClipVideo:
    """One video with its label.

    Attributes:
        name: As the data set's own lists write it, class folder first; the list's ending even where the file has
            another one.
        path: The file.
        label: Number of its class, from 0.
    """

    name: str
    path: Path
    label: int


@dataclass(frozen=True)
class OfficialLists:
    """The videos of one official split that are there; names in the order of the official files."""

    training: tuple[str, ...]
    test: tuple[str, ...]


@dataclass(frozen=True)
class ClipDataset:
    """A data set as read.

    Attributes:
        root: The folder given by the user.
        layout: `"ucf101"` or `"hmdb51"`.
        classes: Names by number.
        videos: By name, ascending, those in no list included.
        problems: Everything the reader found wrong; what it concerns is left out of `videos` or `official`.
        official: The official splits that were found, by number.
    """

    root: Path
    layout: str
    classes: tuple[str, ...]
    videos: Mapping[str, ClipVideo]
    problems: tuple[Problem, ...] = ()
    official: Mapping[int, OfficialLists] = field(default_factory=dict)

    def subset(self, names: Sequence[str]) -> list[ClipVideo]:
        """Return some videos, in the order asked for.

        Raises:
            DataError: with the names that the data set does not have.
        """
        missing = [name for name in names if name not in self.videos]
        if missing:
            listed = f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}"
            raise DataError(f"{self.root} lacks {len(missing)} of the videos asked for: {listed}; check the data set")
        return [self.videos[name] for name in names]

    def without(self, names: Container[str]) -> ClipDataset:
        """Return the data set without some videos, in its official lists as well."""
        official = {
            number: OfficialLists(*(tuple(n for n in part if n not in names) for part in (lists.training, lists.test)))
            for number, lists in self.official.items()
        }
        videos = {name: video for name, video in self.videos.items() if name not in names}
        return replace(self, videos=videos, official=official)


def refuse_classes_without(dataset: ClipDataset, names: Iterable[str], *, where: str) -> None:
    """Refuse videos that leave whole classes without any, as where every file of a class is damaged or gone.

    Args:
        dataset: Whose classes they are.
        names: Of the videos.
        where: What the videos have in common, such as "in the training list".

    Raises:
        DataError: naming the classes.
    """
    there = {dataset.videos[name].label for name in names}
    lost = [name for label, name in enumerate(dataset.classes) if label not in there]
    if lost:
        listed = f"{', '.join(lost[:5])}{', ...' if len(lost) > 5 else ''}"
        raise DataError(
            f"{len(lost)} of {len(dataset.classes)} classes of {dataset.root} have no video {where}: {listed}. "
            "`video-triplet check-clips` shows why; copy or mend their videos, and make a cache of them again"
        )


def labels_hash(videos: Sequence[ClipVideo]) -> str:
    """Return SHA-256, in hexadecimal, over names and labels of videos, in their order."""
    digest = hashlib.sha256()
    for video in videos:
        digest.update(f"{video.label} {video.name}\n".encode())
    return digest.hexdigest()
