"""Where the frames of clips come from: one interface, and the source that decodes the video files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from video_triplet.clips.decoding import USUAL_SIZE, Fit, Size, check_frame_size, read_video, stated_frames
from video_triplet.clips.videos import ClipDataset, ClipVideo, refuse_classes_without
from video_triplet.data import problems as kinds
from video_triplet.data.frame_sources import sizes_hash
from video_triplet.data.videos import Problem


class ClipSource(Protocol):
    """Gives frames of videos, all at one size; can be pickled for the workers of a data loader."""

    @property
    def size(self) -> Size:
        """Height and width of a frame in pixels."""

    @property
    def fit(self) -> Fit:
        """How frames of another shape are brought to this size."""

    def has(self, name: str) -> bool:
        """Return whether `read` can give frames of this video, as far as can be said without decoding all of it."""

    def length(self, name: str) -> int:
        """Return how many frames a video has; raise `DataError` where it cannot be read."""

    def read(self, name: str, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return `(T, H, W, 3)` RGB, the frames with these numbers from 0, in this order, also more than once.

        Raises:
            DataError: where there is no such video or frame.
        """

    def fingerprint(self, names: Sequence[str]) -> str:
        """Return a hash over the sizes in bytes of these videos' files; the same with and without a cache."""


class VideoFiles:
    """Decodes a video when it is asked for: nothing to prepare, but a whole video is decoded for each clip.

    The video decoded last is kept in memory, so that its length and its clips cost one decoding.
    """

    def __init__(self, dataset: ClipDataset, size: Size = USUAL_SIZE, fit: Fit = "stretch") -> None:
        """Take the videos of a data set; none is opened.

        Raises:
            SettingsError: if size or fit is impossible.
        """
        check_frame_size(size, fit)
        self._size = size
        self.fit: Fit = fit
        self._paths: dict[str, Path] = {name: video.path for name, video in dataset.videos.items()}
        self._openable: dict[str, bool] = {}
        self._last: tuple[str, NDArray[np.uint8]] | None = None

    @property
    def size(self) -> Size:
        """Height and width of a frame in pixels."""
        return self._size

    def has(self, name: str) -> bool:
        """Return whether the file can be opened and holds a video; damage further on shows when it is read."""
        if name not in self._openable:
            self._openable[name] = name in self._paths and opening_problem(self._paths[name]) is None
        return self._openable[name]

    def length(self, name: str) -> int:
        """Return how many frames the video gives.

        Raises:
            DataError: if there is no such video, or it is damaged.
        """
        return len(self._frames(name))

    def read(self, name: str, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.uint8]:
        """Return `(T, H, W, 3)` RGB.

        Raises:
            DataError: if there is no such video or frame, or the video is damaged.
        """
        return pick(self._frames(name), indices, name)

    def fingerprint(self, names: Sequence[str]) -> str:
        """Return a hash over the sizes in bytes of these videos' files."""
        return fingerprint({name: file_size(self._paths[name]) for name in names})

    def __getstate__(self) -> dict[str, Any]:
        """Leave the decoded video behind."""
        return {**self.__dict__, "_last": None}

    def _frames(self, name: str) -> NDArray[np.uint8]:
        if self._last is None or self._last[0] != name:
            if name not in self._paths:
                raise DataError(f"there is no video {name} in the data set's folder")
            self._last = (name, np.stack(list(read_video(self._paths[name], size=self._size, fit=self.fit))))
        return self._last[1]


def opening_problem(path: Path) -> Problem | None:
    """Return what is wrong with a video as far as its header tells: it is empty, or cannot be opened; None if sound."""
    try:
        stated_frames(path, quick=True)
    except DataError as error:
        empty = path.is_file() and path.stat().st_size == 0
        return Problem(kinds.VIDEO_EMPTY if empty else kinds.VIDEO_BROKEN, "", str(error))
    return None


def pick(frames: NDArray[np.uint8], indices: Sequence[int] | NDArray[np.int64], name: str) -> NDArray[np.uint8]:
    """Return a copy of some frames of an array; raise `DataError` for a number that it does not have."""
    numbers = np.asarray(indices, dtype=np.int64)
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < len(frames)):
        raise DataError(f"{name} has frames 0 to {len(frames) - 1}, asked for {numbers.min()} to {numbers.max()}")
    return np.array(frames[numbers])


def file_size(path: Path) -> int:
    """Return the size of a video's file in bytes; raise `DataError` if it is gone."""
    try:
        return path.stat().st_size
    except OSError as error:
        raise DataError(f"a video cannot be looked at ({error}); check the data set's folder") from error


def fingerprint(sizes: Mapping[str, int]) -> str:
    """Return a hash over files' sizes in bytes by video."""
    return sizes_hash({name: {0: size} for name, size in sizes.items()})


def readable_clips(dataset: ClipDataset, source: ClipSource, *, sound_only: bool) -> ClipDataset:
    """Return the data set without the videos that the source cannot give, which are named in its `problems`.

    Args:
        dataset: As opened.
        source: Gives the frames.
        sound_only: Whether problems in lists and videos may be passed over.

    Raises:
        DataError: if there are problems and they may not be passed over, with counts; or if nothing is left, or
            nothing of a class.
    """
    lost = [
        Problem(kinds.VIDEO_BROKEN, name, "it is empty, damaged or not in the cache")
        for name in dataset.videos
        if not source.has(name)
    ]
    errors = errors_by_kind((*dataset.problems, *lost))
    if errors and not sound_only:
        listed = "".join(f"\n  - {line}" for line in errors)
        raise DataError(
            f"{dataset.root} has problems, which `video-triplet check-clips` shows; mend them, or go on with what is "
            f"sound by --sound-only:{listed}"
        )
    kept = dataset.without({problem.video for problem in lost})
    if not kept.videos:
        raise DataError(f"no video of {dataset.root} can be read")
    refuse_classes_without(kept, kept.videos, where="that is sound")
    return replace(kept, problems=(*dataset.problems, *lost))


def errors_by_kind(problems: Sequence[Problem]) -> list[str]:
    """Return a line for each kind of error among problems, with the count and the first."""
    found: dict[str, list[str]] = {}
    for problem in problems:
        if kinds.is_error(problem.kind):
            found.setdefault(problem.kind, []).append(f"{problem.video} {problem.detail}".strip())
    return [f"{kind} ({len(where)}), first: {where[0]}" for kind, where in found.items()]


def refuse_missing(videos: Sequence[ClipVideo], source: ClipSource) -> None:
    """Refuse videos to make clips of: none, one twice, or some that the source does not have.

    Raises:
        DataError: with the count and the first.
    """
    if not videos:
        raise DataError("there is no video to take clips from; choose a part of the split that has videos")
    names = [video.name for video in videos]
    if len(set(names)) < len(names):
        raise DataError(
            f"{counted(len(names) - len(set(names)), 'video is', 'videos are')} there twice; give each video once"
        )
    missing = [name for name in names if not source.has(name)]
    if missing:
        raise DataError(
            f"{len(missing)} of {len(names)} videos cannot be read, first: {missing[0]}; `video-triplet check-clips` "
            "shows why, `readable_clips` leaves them out"
        )
