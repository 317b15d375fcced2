"""Makes a clip cache."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from video_triplet.clips.cache import CachedClips
from video_triplet.clips.decoding import USUAL_SIZE, Fit, Size, check_frame_size, read_video, stated_frames
from video_triplet.clips.sources import file_size
from video_triplet.clips.videos import ClipDataset, ClipVideo
from video_triplet.data.array_cache import array_path
from video_triplet.data.array_cache_writing import CachePlan, Progress, fill_cache, new_record, whole_record
from video_triplet.data.array_files import write_array


def plan_clip_cache(
    dataset: ClipDataset, folder: Path, *, size: Size = USUAL_SIZE, fit: Fit = "stretch", sound_only: bool = False
) -> CachePlan:
    """Find out which videos are missing in a cache, or were made from other files; opens them, decodes none.

    Raises:
        DataError: if the folder holds frames of another size or fit.
        SettingsError: if size or fit is impossible.
    """
    check_frame_size(size, fit)
    todo, whole, unreadable = {}, [], {}
    for name, video in dataset.videos.items():
        record = whole_record(CachedClips, folder, name, kind=(size, fit))
        if record is not None and record.matches(file_size(video.path)) and (sound_only or not record.broken):
            whole.append(name)
            continue
        try:
            todo[name] = stated_frames(video.path, quick=True)
        except DataError as error:
            todo[name], unreadable[name] = 0, str(error)
    return CachePlan(todo, tuple(whole), size, unreadable)


def prepare_clip_cache(
    dataset: ClipDataset,
    folder: Path,
    *,
    size: Size = USUAL_SIZE,
    fit: Fit = "stretch",
    workers: int = 1,
    sound_only: bool = False,
    announce: Callable[[CachePlan], None] = lambda plan: None,
    progress: Progress = lambda done, total: None,
) -> CachePlan:
    """Write every frame of every video, resized, into a cache that `ClipCache.open` reads.

    Args:
        dataset: What to cache.
        folder: Made if it does not exist.
        size: Height and width in pixels.
        fit: See `read_video`.
        workers: As of `fill_cache`.
        sound_only: Leave videos out that are empty or damaged and record why, instead of refusing.
        announce: Called with the plan, its disk use within, before anything is written.
        progress: As of `fill_cache`.

    Returns:
        What was done: the plan that was carried out.

    Raises:
        DataError: if videos cannot be opened, all of them at once and before anything is written; at a damaged video;
            or as `plan_clip_cache` does.
        SettingsError: if size, fit or workers is impossible.
        SetupError: as `fill_cache`.
    """
    check_frame_size(size, fit)

    def announced_plan() -> CachePlan:
        plan = plan_clip_cache(dataset, folder, size=size, fit=fit, sound_only=sound_only)
        announce(plan)
        if not sound_only:
            _refuse_unreadable(plan)
        return plan

    return fill_cache(
        folder,
        announced_plan,
        partial(write_clips, folder=folder, size=size, fit=fit, sound_only=sound_only),
        lambda plan: [dataset.videos[name] for name in plan.todo],
        pixels=f"{size[0]} x {size[1]} pixels",
        workers=workers,
        progress=progress,
    )


def _refuse_unreadable(plan: CachePlan) -> None:
    if plan.unreadable:
        listed = "".join(f"\n  - {reason}" for reason in plan.unreadable.values())
        raise DataError(
            f"{counted(len(plan.unreadable), 'video')} cannot be opened; copy again, or leave them out with "
            f"--sound-only:{listed}"
        )


def write_clips(video: ClipVideo, *, folder: Path, size: Size, fit: Fit, sound_only: bool) -> CachedClips:
    """Decode one video and write its frames, then its record.

    Raises:
        DataError: if it is damaged, unless such videos are left out.
        SetupError: if the disk is full or refuses; no part of the video is left.
    """
    path, source = array_path(folder, video.name), file_size(video.path)
    broken, frames, checksum = "", 0, ""
    with new_record(folder, video.name) as write_record:
        try:
            frames, checksum = write_array(path, (*size, 3), read_video(video.path, size=size, fit=fit))
        except DataError as error:
            if not sound_only:
                raise DataError(f"{error}, or leave damaged videos out with --sound-only") from error
            path.unlink(missing_ok=True)
            broken = str(error)
        record = CachedClips(
            name=video.name, frames=frames, source=source, broken=broken, size=size, fit=fit, checksum=checksum
        )
        write_record(record)
    return record
