"""Checks a whole data set, labels and images, and reports everything that is wrong at once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from nnunet_dsd.common.errors import DataError
from video_triplet.data import problems as kinds
from video_triplet.data.findings import Findings
from video_triplet.data.frame_sources import FrameSource, only_frames_of
from video_triplet.data.image_checking import ImageFacts, check_images
from video_triplet.data.videos import Problem, TripletDataset, Video
from video_triplet.vocabulary import Head

COMPONENT_HEADS: tuple[Head, ...] = ("instrument", "verb", "target")


@dataclass(frozen=True)
class Report(Findings):
    """Everything that is worth knowing before training on a data set.

    Attributes:
        broken: For each video the frame numbers whose image cannot be decoded.
        images_read: Whether the images were decoded; without it `broken` is empty because nobody looked.
    """

    broken: Mapping[str, frozenset[int]]
    images_read: bool


def check_dataset(dataset: TripletDataset, *, read_images: bool = True, workers: int = 0) -> Report:
    """Check every label and, unless told otherwise, decode every image that a label has.

    Args:
        dataset: As read, with the problems that its reader found.
        read_images: Whether to decode the images; without it only their presence is checked.
        workers: Processes that decode; 0 decodes in this one.

    Raises:
        DataError: if `workers` is negative.
    """
    if workers < 0:
        raise DataError(f"{workers} workers, allowed are 0 (decode in this process) and more")
    found = list(dataset.problems)
    for video in dataset.videos.values():
        found += _check_frames(video)
        found += _check_labels(dataset, video)
    found += _folders_without_labels(dataset)
    facts = check_images(list(dataset.videos.values()), workers=workers) if read_images else {}
    for name, images in facts.items():
        found += _check_facts(name, images)
    broken = {
        name: frozenset(frame for frame, image in images.items() if image.error)
        for name, images in facts.items()
        if any(image.error for image in images.values())
    }
    return Report(tuple(found), broken, read_images)


def sound(dataset: TripletDataset, report: Report) -> TripletDataset:
    """Return the data set with only the frames that have labels and an image that is not broken.

    Frames with other problems stay: their labels are what the files say. Videos of which nothing is left are left out.

    Raises:
        DataError: if nothing is left at all.
    """
    videos = {}
    for name, video in dataset.videos.items():
        usable = set(video.image_paths) - report.broken.get(name, frozenset())
        keep = np.array([frame in usable for frame in video.frames.tolist()], dtype=np.bool_)
        if keep.any():
            videos[name] = video.select(keep)
    if not videos:
        raise DataError(f"no frame of {dataset.root} has both labels and a sound image")
    return replace(dataset, videos=videos)


def label_problems(dataset: TripletDataset) -> list[Problem]:
    """Return contradictions within the labels of each frame, without looking at any image."""
    return [problem for video in dataset.videos.values() for problem in _check_labels(dataset, video)]


def _check_frames(video: Video) -> Iterator[Problem]:
    """Compare the frame numbers of labels and images."""
    if not video.image_paths:
        yield Problem(kinds.NO_IMAGES, video.name, f"there is no image in {video.folder}")
        if video.images is None:
            return
    for frame in video.missing_images:
        yield Problem(kinds.LABEL_WITHOUT_IMAGE, video.name, _missing_image(video, frame))
    if video.images is not None:
        return  # a table names images one by one and may leave out any frame
    for frame in video.unlabelled_images:
        yield Problem(kinds.IMAGE_WITHOUT_LABEL, video.name, f"{video.image_paths[frame].name} has no label")
    for frame, following in pairwise(sorted({*video.frames.tolist(), *video.image_paths})):
        if following > frame + 1:
            detail = f"frames {frame + 1} to {following - 1} have neither label nor image"
            yield Problem(kinds.FRAMES_SKIPPED, video.name, detail)


def _missing_image(video: Video, frame: int) -> str:
    if video.images is None:
        return f"frame {frame}: there is no {frame:06d}.png"
    image = video.images[frame]
    return f"{image.source}: frame {frame}: there is no {image.path.relative_to(video.folder)}"


def _check_labels(dataset: TripletDataset, video: Video) -> Iterator[Problem]:
    """Compare the triplets of each frame with its components and see whether it has a phase."""
    for head in COMPONENT_HEADS if dataset.vocabulary.has_components else ():
        implied = dataset.vocabulary.component_labels(video.labels["triplet"], head)
        for row, component in np.argwhere(implied > video.labels[head]).tolist():
            name = dataset.vocabulary.names(head)[component]
            detail = f"frame {video.frames[row]}: a triplet with {head} {name}, which is not labelled"
            yield Problem(kinds.COMPONENTS, video.name, detail)
    if "phase" in video.labels:
        for row in np.flatnonzero(~video.labels["phase"].any(axis=1)).tolist():
            yield Problem(kinds.PHASE_MISSING, video.name, f"frame {video.frames[row]} has no phase")


def _folders_without_labels(dataset: TripletDataset) -> Iterator[Problem]:
    """Note folders of images beside those of the videos that have no labels at all."""
    parents = {video.folder.parent for video in dataset.videos.values() if video.images is None}
    reported = {problem.video for problem in dataset.problems}
    for parent in sorted(path for path in parents if path.is_dir()):
        for folder in sorted(path for path in parent.iterdir() if path.is_dir()):
            if folder.name not in dataset.videos and folder.name not in reported:
                yield Problem(kinds.IMAGES_WITHOUT_LABELS, folder.name, f"{folder} belongs to no label file")


def _check_facts(name: str, images: Mapping[int, ImageFacts]) -> Iterator[Problem]:
    sizes = Counter(image.size for image in images.values() if not image.error)
    usual = sizes.most_common(1)[0][0] if sizes else None
    for frame, image in images.items():
        if image.error:
            yield Problem(kinds.IMAGE_BROKEN, name, f"frame {frame}: {image.error}")
        elif image.size != usual:
            detail = f"frame {frame} has {image.size[0]} x {image.size[1]} pixels, most have "
            yield Problem(kinds.IMAGE_SIZE, name, detail + " x ".join(map(str, usual or ())))
        if image.black:
            yield Problem(kinds.IMAGE_BLACK, name, f"frame {frame}")


def readable(dataset: TripletDataset, source: FrameSource, *, sound_only: bool) -> TripletDataset:
    """Return the data set without frames that cannot be read.

    Args:
        dataset: As opened.
        source: Gives the pixels; what it does not have is left out.
        sound_only: Whether problems in labels and images may be passed over.

    Raises:
        DataError: if there are problems and they may not be passed over, with counts; or if nothing is left.
    """
    problems = [*dataset.problems, *label_problems(dataset)]
    counts = Counter(problem.kind for problem in problems if kinds.is_error(problem.kind))
    kept = only_frames_of(dataset.videos.values(), source)
    for whole, part in zip(dataset.videos.values(), kept, strict=True):
        lost = set(whole.frames.tolist()) - set(part.frames.tolist())
        broken = len(lost & set(whole.image_paths))
        counts += Counter({kinds.IMAGE_BROKEN: broken, kinds.LABEL_WITHOUT_IMAGE: len(lost) - broken})
    if counts and not sound_only:
        listed = ", ".join(f"{kind} ({number})" for kind, number in counts.items())
        raise DataError(
            f"{dataset.root} has problems: {listed}. `video-triplet check` shows them; mend them, or go on with "
            "what is sound by --sound-only"
        )
    videos = {video.name: video for video in kept if len(video)}
    if not videos:
        raise DataError(f"no labelled frame of {dataset.root} has an image that can be read")
    return replace(dataset, videos=videos)
