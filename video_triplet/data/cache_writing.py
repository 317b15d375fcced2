"""Makes a frame cache: videos in parallel, each whole or not at all, going on where a killed run stopped."""

from __future__ import annotations

import hashlib
import io
import multiprocessing
import os
import shutil
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np

from nnunet_dsd.errors import DataError, SettingsError, SetupError
from nnunet_dsd.files import PARTIAL_PREFIX, exclusive, whole_file, write_json
from video_triplet.data.frame_cache import CachedVideo, image_sizes, map_array, matches, source_fingerprint
from video_triplet.data.images import RESIZE_FILTER, read_image
from video_triplet.data.videos import TripletDataset, Video

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CachePlan:
    """What has to be done for a cache.

    Attributes:
        todo: Image files of the videos to be written, by video and frame number.
        whole: Names of the videos that are there already and fit the data set.
        size: Height and width in pixels.
    """

    todo: dict[str, dict[int, Path]]
    whole: tuple[str, ...]
    size: int

    @property
    def frames(self) -> int:
        """How many frames have to be written."""
        return sum(len(paths) for paths in self.todo.values())

    @property
    def bytes_needed(self) -> int:
        """Disk space for them."""
        return self.frames * self.size * self.size * 3


def plan_cache(dataset: TripletDataset, folder: Path, *, size: int = 224, skip_broken: bool = False) -> CachePlan:
    """Find out which videos are missing in a cache, or were made from other images.

    Raises:
        DataError: if the data set has no labelled image, or the folder holds frames of another size.
        SettingsError: if `size` is not positive.
    """
    if size < 1:
        raise SettingsError([f"size is {size}, it must be at least 1 pixel"], source="the frame cache")
    todo, whole = {}, []
    for name, video in dataset.videos.items():
        if _is_whole(video, folder, size, skip_broken):
            whole.append(name)
        else:
            todo[name] = {frame: video.image_paths[frame] for frame in source_fingerprint(video)}
    plan = CachePlan(todo, tuple(whole), size)
    if not plan.frames and not whole:
        raise DataError(f"{dataset.root} has no labelled frame with an image; check its folder")
    return plan


def prepare_cache(
    dataset: TripletDataset,
    folder: Path,
    *,
    size: int = 224,
    workers: int = 1,
    skip_broken: bool = False,
    progress: Progress = lambda done, total: None,
) -> CachePlan:
    """Write every labelled frame that has an image, resized, into a cache that `FrameCache.open` reads.

    Videos that are whole already and fit the data set are left as they are.

    Args:
        dataset: What to cache.
        folder: Made if it does not exist.
        size: Height and width in pixels.
        workers: Processes that decode, one video each; 1 decodes in this process.
        skip_broken: Leave broken images out and record them, instead of stopping at the first.
        progress: Called after each video with the number of frames done and of all frames to be written.

    Returns:
        What was done: the plan that was carried out.

    Raises:
        DataError: at a broken image (see `skip_broken`), or for the reasons of `plan_cache`.
        SettingsError: if `size` or `workers` is not positive.
        SetupError: if the disk has no room, the folder cannot be written to, or another run is writing there.
    """
    if workers < 1:
        raise SettingsError([f"workers is {workers}, it must be at least 1"], source="the frame cache")
    with _sole_writer(folder):
        plan = plan_cache(dataset, folder, size=size, skip_broken=skip_broken)
        refuse_without_space(plan, folder)
        done = 0
        jobs = [(name, paths, folder, size, skip_broken) for name, paths in plan.todo.items()]
        for record in _in_pool(jobs, workers) if min(workers, len(jobs)) > 1 else (write_video(*job) for job in jobs):
            done += len(record.sources)
            progress(done, plan.frames)
    return plan


def refuse_without_space(plan: CachePlan, folder: Path) -> None:
    """Raise `SetupError` if the disk of an existing folder has less free space than the plan needs."""
    free = shutil.disk_usage(folder).free
    if plan.bytes_needed > free:
        raise SetupError(
            f"the cache needs {plan.bytes_needed / 1e9:.2f} GB for {plan.frames} frames at {plan.size} pixels, but the "
            f"disk of {folder} has {free / 1e9:.2f} GB free; choose another folder, make room, or use a smaller size"
        )


def write_video(name: str, paths: dict[int, Path], folder: Path, size: int, skip_broken: bool) -> CachedVideo:
    """Decode the images of one video and write its array, then its record.

    Raises:
        DataError: at a broken image, unless they are skipped.
        SetupError: if the disk is full or refuses; no part of the video is left.
    """
    record_path = folder / f"{name}.json"
    try:
        record_path.unlink(missing_ok=True)  # while the array changes there must be no record of the old one
        with whole_file(folder / f"{name}.npy") as temporary, temporary.open("wb") as file:
            record = _write_array(file, name, paths, size, skip_broken)
            file.flush()
            os.fsync(file.fileno())
        write_json(record_path, record.to_json())
    except OSError as error:
        raise SetupError(
            f"{name} could not be written to {folder} ({error.strerror or error}); videos that are whole are kept, "
            "make room and run the same command again"
        ) from error
    return record


def _write_array(
    file: io.BufferedWriter, name: str, paths: dict[int, Path], size: int, skip_broken: bool
) -> CachedVideo:
    """Write a NumPy file frame by frame: unlike a memory map, that fails with an error when the disk is full."""
    digest = hashlib.sha256()
    frames: list[int] = []
    broken: dict[int, str] = {}
    file.write(_npy_header(len(paths), size))
    for frame, path in paths.items():
        try:
            pixels = read_image(path, size=size).tobytes()
        except DataError as error:
            if not skip_broken:
                raise DataError(f"{error}, or leave broken images out with --skip-broken") from error
            broken[frame] = str(error)
            continue
        file.write(pixels)
        digest.update(pixels)
        frames.append(frame)
    file.seek(0)
    file.write(_npy_header(len(frames), size))
    return CachedVideo(name, tuple(frames), image_sizes(paths), broken, size, RESIZE_FILTER, digest.hexdigest())


def _npy_header(frames: int, size: int) -> bytes:
    """Return the start of a NumPy file; NumPy leaves room in it, so its length does not depend on `frames`."""
    buffer = io.BytesIO()
    description = {"descr": "|u1", "fortran_order": False, "shape": (frames, size, size, 3)}
    np.lib.format.write_array_header_1_0(buffer, description)
    return buffer.getvalue()


def _is_whole(video: Video, folder: Path, size: int, skip_broken: bool) -> bool:
    try:
        record = CachedVideo.load(folder / f"{video.name}.json")
    except DataError:
        return False
    if record.size != size:
        raise DataError(
            f"{folder} holds frames of {record.size} pixels, {size} were asked for; choose another folder or delete it"
        )
    try:
        map_array(folder, record)
    except DataError:
        return False
    return matches(record, source_fingerprint(video)) and (skip_broken or not record.broken)


def _in_pool(jobs: list[tuple[str, dict[int, Path], Path, int, bool]], workers: int) -> Iterator[CachedVideo]:
    context = multiprocessing.get_context("spawn")  # fork is unsafe once a library has started threads
    with ProcessPoolExecutor(min(workers, len(jobs)), mp_context=context, initializer=_set_up_worker) as pool:
        try:
            futures: list[Future[CachedVideo]] = [pool.submit(write_video, *job) for job in jobs]
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise SetupError(
                "a decoding process was killed, perhaps for want of memory; use fewer workers and run it again"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)


def _set_up_worker() -> None:
    """Make a worker end silently at Ctrl-C, and when its parent is killed, which would leave it waiting forever."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    parent = multiprocessing.parent_process()
    if parent is not None:
        sentinel = parent.sentinel
        threading.Thread(target=lambda: (wait([sentinel]), os._exit(1)), daemon=True).start()


@contextmanager
def _sole_writer(folder: Path) -> Iterator[None]:
    """Hold a lock on the folder, and clear away what a killed run or worker has left half written."""
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


def _clear_partial_files(folder: Path) -> None:
    for path in folder.glob(f"{PARTIAL_PREFIX}*"):
        path.unlink(missing_ok=True)
