"""How every cache is made: one writer per folder, enough disk, videos in parallel, each whole or not at all.

A run that was killed is gone on with: videos that are whole and still fit their files are left as they are.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError, SetupError
from nnunet_dsd.common.files import PARTIAL_PREFIX, exclusive, write_json
from nnunet_dsd.common.workers import as_done
from video_triplet.data.array_cache import AnyRecord, CachedArray, record_path

KILLED = "a decoding process was killed, perhaps for want of memory; use fewer workers and run it again"
Progress = Callable[[int, int], None]
Job = TypeVar("Job")


@dataclass(frozen=True)
class CachePlan:
    """What has to be done for a cache.

    Attributes:
        todo: How many frames each video to be written has, as far as is known without decoding.
        whole: Names of the videos that are there already and fit the data set, those left out included.
        size: Height and width in pixels.
        unreadable: Why videos cannot even be opened, by name; they are in `todo` with 0 frames.
    """

    todo: Mapping[str, int]
    whole: tuple[str, ...]
    size: tuple[int, int]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        """How many frames have to be written."""
        return sum(self.todo.values())

    @property
    def bytes_needed(self) -> int:
        """Disk space for them."""
        return self.frames * self.size[0] * self.size[1] * 3

    def __str__(self) -> str:
        """Say what will be written."""
        return (
            f"{counted(self.frames, 'frame')} of {counted(len(self.todo), 'video')} at "
            f"{self.size[0]} x {self.size[1]} pixels, "
            f"{self.bytes_needed / 1e9:.2f} GB; {len(self.whole)} there before"
        )


def whole_record(record_kind: type[AnyRecord], folder: Path, name: str, *, kind: Any) -> AnyRecord | None:
    """Return the record of a video that is whole in a cache; None where there is none.

    Args:
        record_kind: Of the cache.
        folder: Of the cache, which may not exist.
        name: The video's.
        kind: What is to be written.

    Raises:
        DataError: if the video is there in another kind.
    """
    try:
        record = record_kind.load(record_path(folder, name))
    except DataError:
        return None
    if record.kind != kind:
        raise DataError(
            f"{folder} holds frames of {record.describe(record.kind, ' pixels')}, {record.describe(kind)} were asked "
            "for; choose another folder or delete it"
        )
    try:
        if record.has_array:
            record.array(folder)
    except DataError:
        return None
    return record


def fill_cache(
    folder: Path,
    make_plan: Callable[[], CachePlan],
    write: Callable[[Job], CachedArray],
    jobs: Callable[[CachePlan], Sequence[Job]],
    *,
    pixels: str,
    workers: int,
    progress: Progress,
) -> CachePlan:
    """Write what is missing in a cache, as its only writer.

    Args:
        folder: Made if it does not exist.
        make_plan: Looks what is missing, and refuses what cannot be done.
        write: Writes the array and the record of one video; goes to other processes.
        jobs: Gives what `write` takes, in the order of the plan's videos.
        pixels: Size of a frame in words, for messages.
        workers: Processes that decode, one video each; 1 decodes in this process.
        progress: Called after each video with the number of frames done and of all frames to be written.

    Returns:
        The plan that was carried out.

    Raises:
        SettingsError: if `workers` is not positive.
        SetupError: if the disk has no room, the folder cannot be written to, another run is writing there, or a process
            was killed.
    """
    if workers < 1:
        raise SettingsError([f"workers is {workers}, it must be at least 1"], source="the cache")
    with sole_writer(folder):
        plan = make_plan()
        refuse_without_space(plan.bytes_needed, folder, contents=f"{counted(plan.frames, 'frame')} at {pixels}")
        done = 0
        for _, record in as_done(write, jobs(plan), processes=workers, killed=KILLED):
            done += plan.todo[record.name]
            progress(done, plan.frames)
    return plan


@contextmanager
def new_record(folder: Path, name: str) -> Iterator[Callable[[CachedArray], None]]:
    """Give the function that writes a video's record, to be called when its array is whole; the old one is gone first.

    Raises:
        SetupError: if the disk is full or refuses.
    """
    path = record_path(folder, name)
    try:
        path.unlink(missing_ok=True)  # while the array changes there must be no record of the old one
        yield lambda record: write_json(path, record.to_json())
    except OSError as error:
        raise SetupError(
            f"{name} could not be written to {folder} ({error.strerror or error}); videos that are whole are kept, "
            "make room and run the same command again"
        ) from error


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, and clear away what a killed run or worker has left half written.

    Raises:
        SetupError: if the folder cannot be written to, or another run is writing there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    except OSError as error:
        raise SetupError(f"{folder} cannot be written to ({error.strerror}); choose another folder") from error
    busy = f"another run is writing to {folder}; wait for it, or choose another folder"
    with exclusive(folder / ".lock", busy=busy):
        _clear_partial_files(folder)
        try:
            yield
        finally:
            _clear_partial_files(folder)


def refuse_without_space(bytes_needed: int, folder: Path, *, contents: str) -> None:
    """Raise `SetupError` if the disk of an existing folder has less free space than `contents` need."""
    free = shutil.disk_usage(folder).free
    if bytes_needed > free:
        raise SetupError(
            f"the cache needs {bytes_needed / 1e9:.2f} GB for {contents}, but the "
            f"disk of {folder} has {free / 1e9:.2f} GB free; choose another folder, make room, or use a smaller size"
        )


def _clear_partial_files(folder: Path) -> None:
    for path in folder.rglob(f"{PARTIAL_PREFIX}*"):
        path.unlink(missing_ok=True)
