"""Makes a clip cache: videos in parallel, each whole or not at all, going on where a killed run stopped."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import write_json
from video_triplet.clips.cache import CachedClips, array_path, matches, open_array, record_path
from video_triplet.clips.decoding import USUAL_SIZE, Fit, Size, check_frame_size, read_video, stated_frames
from video_triplet.clips.sources import file_size
from video_triplet.clips.videos import ClipDataset, ClipVideo
from video_triplet.data.array_files import refusal_of_disk, write_array
from video_triplet.data.cache_work import Progress, refuse_without_space, results, sole_writer
from video_triplet.data.images import RESIZE_FILTER


@dataclass(frozen=True)
class ClipCachePlan:
    """What has to be done for a clip cache.

    Attributes:
        todo: For each video to be written how many frames its header states.
        whole: Names of the videos that are there already and fit the data set, those left out included.
        unreadable: Why videos cannot even be opened, by name; they are in `todo` with 0 frames.
        size: Height and width in pixels.
        fit: How frames of another shape are brought to this size.
    """

    todo: dict[str, int]
    whole: tuple[str, ...]
    unreadable: dict[str, str]
    size: Size
    fit: Fit

    @property
    def frames(self) -> int:
        """How many frames have to be written, by the headers."""
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


def plan_clip_cache(
    dataset: ClipDataset, folder: Path, *, size: Size = USUAL_SIZE, fit: Fit = "stretch", sound_only: bool = False
) -> ClipCachePlan:
    """Find out which videos are missing in a cache, or were made from other files; opens them, decodes none.

    Raises:
        DataError: if the folder holds frames of another size or fit.
        SettingsError: if size or fit is impossible.
    """
    check_frame_size(size, fit)
    todo, whole, unreadable = {}, [], {}
    for name, video in dataset.videos.items():
        if _is_whole(video, folder, size, fit, sound_only):
            whole.append(name)
            continue
        try:
            todo[name] = stated_frames(video.path, quick=True)
        except DataError as error:
            todo[name], unreadable[name] = 0, str(error)
    return ClipCachePlan(todo, tuple(whole), unreadable, size, fit)


def prepare_clip_cache(
    dataset: ClipDataset,
    folder: Path,
    *,
    size: Size = USUAL_SIZE,
    fit: Fit = "stretch",
    workers: int = 1,
    sound_only: bool = False,
    announce: Callable[[ClipCachePlan], None] = lambda plan: None,
    progress: Progress = lambda done, total: None,
) -> ClipCachePlan:
    """Write every frame of every video, resized, into a cache that `ClipCache.open` reads.

    Videos that are whole already and fit the data set are left as they are.

    Args:
        dataset: What to cache.
        folder: Made if it does not exist.
        size: Height and width in pixels.
        fit: See `read_video`.
        workers: Processes that decode, one video each; 1 decodes in this process.
        sound_only: Leave videos out that are empty or damaged and record why, instead of refusing.
        announce: Called with the plan, its disk use within, before anything is written.
        progress: Called after each video with the number of frames done and of all frames to be written.

    Returns:
        What was done: the plan that was carried out.

    Raises:
        DataError: if videos cannot be opened, all of them at once and before anything is written; at a damaged video;
            or as `plan_clip_cache` does.
        SettingsError: if size, fit or workers is impossible.
        SetupError: if the disk has no room, the folder cannot be written to, or another run is writing there.
    """
    if workers < 1:
        raise SettingsError([f"workers is {workers}, it must be at least 1"], source="the clip cache")
    check_frame_size(size, fit)
    with sole_writer(folder):
        plan = plan_clip_cache(dataset, folder, size=size, fit=fit, sound_only=sound_only)
        announce(plan)
        if plan.unreadable and not sound_only:
            listed = "".join(f"\n  - {reason}" for reason in plan.unreadable.values())
            raise DataError(
                f"{counted(len(plan.unreadable), 'video')} cannot be opened; copy again, or leave them out with "
                f"--sound-only:{listed}"
            )
        contents = f"{counted(plan.frames, 'frame')} at {size[0]} x {size[1]} pixels"
        refuse_without_space(plan.bytes_needed, folder, contents=contents)
        jobs = [(dataset.videos[name], folder, size, fit, sound_only) for name in plan.todo]
        done = 0
        for name in results(write_clips, jobs, workers):
            done += plan.todo[name]
            progress(done, plan.frames)
    return plan


def write_clips(video: ClipVideo, folder: Path, size: Size, fit: Fit, sound_only: bool) -> str:
    """Decode one video and write its frames, then its record; return its name.

    Raises:
        DataError: if it is damaged, unless such videos are left out.
        SetupError: if the disk is full or refuses; no part of the video is left.
    """
    path, source = record_path(folder, video.name), file_size(video.path)
    broken, frames, checksum = "", 0, ""
    with refusal_of_disk(video.name, folder):
        path.unlink(missing_ok=True)  # while the array changes there must be no record of the old one
        try:
            pixels = read_video(video.path, size=size, fit=fit)
            frames, checksum = write_array(array_path(folder, video.name), (*size, 3), pixels)
        except DataError as error:
            if not sound_only:
                raise DataError(f"{error}, or leave damaged videos out with --sound-only") from error
            array_path(folder, video.name).unlink(missing_ok=True)
            broken = str(error)
        record = CachedClips(video.name, frames, source, broken, size, fit, RESIZE_FILTER, checksum)
        write_json(path, record.to_json())
    return video.name


def _is_whole(video: ClipVideo, folder: Path, size: Size, fit: Fit, sound_only: bool) -> bool:
    try:
        record = CachedClips.load(record_path(folder, video.name))
    except DataError:
        return False
    if (record.size, record.fit) != (size, fit):
        raise DataError(
            f"{folder} holds frames of {record.size[0]} x {record.size[1]} pixels ({record.fit}), {size[0]} x "
            f"{size[1]} ({fit}) were asked for; choose another folder or delete it"
        )
    if not matches(record, file_size(video.path)):
        return False
    if record.broken:
        return sound_only
    try:
        open_array(folder, record)
    except DataError:
        return False
    return True
