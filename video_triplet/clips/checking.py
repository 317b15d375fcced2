"""Checks a whole data set of clips, lists and videos, and reports everything that is wrong at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.workers import as_done
from video_triplet.clips.decoding import read_video, stated_frames
from video_triplet.clips.groups import source_notes
from video_triplet.clips.sources import opening_problem
from video_triplet.clips.videos import ClipDataset, ClipVideo
from video_triplet.data import problems as kinds
from video_triplet.data.array_cache_writing import KILLED
from video_triplet.data.findings import Findings
from video_triplet.data.videos import Problem

CLIP_FRAMES = 16


@dataclass(frozen=True)
class VideoFacts:
    """What opening or decoding a video showed.

    Attributes:
        name: The video's name.
        frames: How many were decoded, or how many its header states where it was only opened.
        stated: How many its own tables let a player show; where it was only opened, those of the header.
        problem: Why it cannot be read, or None.
    """

    name: str
    frames: int
    stated: int
    problem: Problem | None = None


@dataclass(frozen=True)
class ClipReport(Findings):
    """Everything that is worth knowing before training on a data set of clips.

    Attributes:
        facts: By the video's name.
        decoded: Whether the videos were decoded; without it damage beyond their headers was not looked for.
    """

    facts: Mapping[str, VideoFacts]
    decoded: bool

    @property
    def frames(self) -> int:
        """Frames of all sound videos."""
        return sum(facts.frames for facts in self.facts.values() if facts.problem is None)


def check_clips(
    dataset: ClipDataset,
    *,
    decode: bool = True,
    workers: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> ClipReport:
    """Check lists and videos; decode every frame unless told otherwise.

    Args:
        dataset: As opened, with the problems that its reader found.
        decode: Whether to decode; without it the videos are only opened.
        workers: Processes; 0 for this one.
        progress: Called after each video with the number of videos done and of all.

    Raises:
        DataError: if `workers` is negative.
        SetupError: if a process was killed.
    """
    if workers < 0:
        raise DataError(f"{workers} workers, allowed are 0 (decode in this process) and more")
    videos = list(dataset.videos.values())
    facts: dict[str, VideoFacts] = {}
    for _, found in as_done(partial(examine_video, decode=decode), videos, processes=workers, killed=KILLED):
        facts[found.name] = found
        progress(len(facts), len(videos))
    ordered = {name: facts[name] for name in dataset.videos}
    problems = [*dataset.problems, *source_notes(dataset)]
    for found in ordered.values():
        problems += _problems_of(found)
    return ClipReport(tuple(problems), ordered, decode)


def examine_video(video: ClipVideo, *, decode: bool) -> VideoFacts:
    """Open a video, and decode all of it where that is wanted."""
    name, path = video.name, video.path
    problem = opening_problem(path)
    if problem is not None:
        return VideoFacts(name, 0, 0, replace(problem, video=name))
    stated = stated_frames(path, quick=not decode)
    if not decode:
        return VideoFacts(name, stated, stated)
    count = 0
    try:
        for _ in read_video(path):
            count += 1
    except DataError as error:
        return VideoFacts(name, count, stated, Problem(kinds.VIDEO_BROKEN, name, str(error)))
    return VideoFacts(name, count, stated)


def _problems_of(facts: VideoFacts) -> Iterator[Problem]:
    if facts.problem is not None:
        yield facts.problem
        return
    if facts.frames != facts.stated:
        detail = f"its tables state {counted(facts.stated, 'frame')}, {facts.frames} can be decoded"
        yield Problem(kinds.FRAME_COUNT, facts.name, detail)
    if facts.frames < CLIP_FRAMES:
        detail = f"{counted(facts.frames, 'frame')}, repeated in a loop where a clip needs {CLIP_FRAMES}"
        yield Problem(kinds.VIDEO_SHORT, facts.name, detail)
