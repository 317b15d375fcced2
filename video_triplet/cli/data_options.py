"""Options that several subcommands share: the data set, its pixels, its split, and the machine."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.machine import processes_for
from nnunet_dsd.common.paths import require_paths

if TYPE_CHECKING:
    from video_triplet.clips.videos import ClipDataset
    from video_triplet.data.frame_sources import FrameSource
    from video_triplet.data.split import Split
    from video_triplet.data.videos import TripletDataset
    from video_triplet.trainers.run import Machine

# What some 5 s of decoding are; a process that starts takes about 2 s on a busy machine.
IMAGES_PER_PROCESS, CLIPS_PER_PROCESS = 500, 30
MOST_WORKERS = 64
WORTH = f"(default: as many as they are worth, at most one per core and {MOST_WORKERS})"
DEFAULT_FOLDER = Path("triplet-runs")


def add_data_options(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add what says where labels and pixels are; `required` False lets the data set be left out."""
    group = parser.add_argument_group("data")
    group.add_argument("--data", type=Path, required=required, metavar="FOLDER", help="data set in its own layout")
    group.add_argument("--phases", type=Path, metavar="FOLDER", help="Cholec80's phase annotations, for CholecT45")
    group.add_argument(
        "--cache",
        type=Path,
        metavar="FOLDER",
        help="frames made by `video-triplet prepare`; without it, images are read",
    )
    group.add_argument(
        "--sound-only", action="store_true", help="go on with what is sound where labels or images have problems"
    )


class _OptionalWord(argparse.Action):
    """A word that, where it is left out, does not replace what an option of the same name gave."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if values is not None:
            setattr(namespace, self.dest, values)


def add_data_folder(parser: argparse.ArgumentParser) -> None:
    """Add the data set as the one thing a command is about: a word, or `--data` as other commands take it."""
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument(
        "data", action=_OptionalWord, nargs="?", type=Path, metavar="PATH", help="folder of the data set"
    )
    given.add_argument("--data", type=Path, metavar="FOLDER", help="the same, as other commands take it")


def add_split_options(parser: argparse.ArgumentParser) -> None:
    """Add what says which videos are for what."""
    group = parser.add_argument_group("split")
    group.add_argument("--split", default="cholect45-crossval", help="name or JSON file (default: %(default)s)")
    group.add_argument("--protocol", help="where validation videos come from: inner (default), test-fold, ...")
    group.add_argument("--folds", type=int, help="how many, for --split k-fold")
    group.add_argument("--validation-videos", type=int, help="how many, for the protocol inner")
    group.add_argument("--split-seed", type=int, default=0, help="of k-fold and inner (default: %(default)s)")


def add_machine_options(parser: argparse.ArgumentParser) -> None:
    """Add what says what to run on."""
    group = parser.add_argument_group("machine")
    group.add_argument("--accelerator", default="auto", help="as Lightning's: auto, cpu, gpu (default: %(default)s)")
    group.add_argument("--devices", type=int, default=1, help="per node (default: %(default)s)")
    group.add_argument("--nodes", type=int, default=1, help="how many machines (default: %(default)s)")
    group.add_argument("--precision", default="auto", help="as Lightning's; auto: 16-mixed on CUDA, else 32-true")
    group.add_argument("--workers", type=int, default=2, help="processes per device that read frames (%(default)s)")


def read_dataset(arguments: argparse.Namespace, image_size: int | None) -> tuple[TripletDataset, FrameSource]:
    """Open the data set and what gives its pixels; leave out what cannot be read if that is allowed.

    Args:
        arguments: With what `add_data_options` adds.
        image_size: That a cache must have, and to which images are resized; None where no pixels are needed.
    """
    from video_triplet.data.checking import readable
    from video_triplet.data.frame_cache import FrameCache
    from video_triplet.data.frame_sources import FolderFrames
    from video_triplet.data.reading import open_dataset

    dataset = open_dataset(arguments.data, phases=arguments.phases)
    source: FrameSource
    if arguments.cache is None:
        source = FolderFrames(dataset, image_size or 224)
    else:
        source = FrameCache.open(arguments.cache)
        source.check(dataset, size=image_size)
    kept = readable(dataset, source, sound_only=arguments.sound_only)
    for line in left_out(dataset, kept):
        print(f"passed over: {line}; `video-triplet check` shows why", file=sys.stderr)
    return kept, source


def left_out(dataset: TripletDataset, kept: TripletDataset) -> list[str]:
    """Return what going on with sound frames leaves out: how many frames, which whole videos, which whole classes."""
    frames = sum(map(len, dataset.videos.values())) - sum(map(len, kept.videos.values()))
    if not frames:
        return []
    lines = [f"frames without a sound image: {frames}"]
    if videos := [name for name in dataset.videos if name not in kept.videos]:
        lines.append(f"every frame of whole videos: {', '.join(videos)}")
    there = set(kept.classes_seen)
    if classes := [name for name in dataset.classes_seen if name not in there]:
        lines.append(f"every frame of whole classes: {', '.join(classes)}")
    return lines


def read_labels(arguments: argparse.Namespace) -> TripletDataset:
    """Open the data set for its labels; frames that cannot be read are left out where the training left them out.

    Args:
        arguments: With what `add_data_options` adds. Without `--sound-only` and `--cache` no image is looked for.
    """
    from video_triplet.data.reading import open_dataset

    if arguments.sound_only or arguments.cache is not None:
        return read_dataset(arguments, None)[0]
    return open_dataset(arguments.data, phases=arguments.phases)


def workers_for(dataset: TripletDataset, asked: int | None) -> int:
    """Return how many processes decode the images of a data set: as many as were asked for, or as it is worth."""
    images = sum(len(video.image_paths) for video in dataset.videos.values())
    return processes_for(images, each=IMAGES_PER_PROCESS, most=MOST_WORKERS) if asked is None else asked


def workers_for_clips(dataset: ClipDataset, asked: int | None) -> int:
    """Return how many processes decode videos of clips: as many as were asked for, or as they are worth."""
    return processes_for(len(dataset.videos), each=CLIPS_PER_PROCESS, most=MOST_WORKERS) if asked is None else asked


def refuse_missing_data(arguments: argparse.Namespace, **files: Path | None) -> None:
    """Refuse folders of data that are not there, before the libraries of a training are loaded.

    Args:
        arguments: With data, and whatever else of phases, annotations and cache there is.
        files: Options that name files, with what they name.

    Raises:
        DataError: with all of them.
    """
    names = [name for name in ("data", "phases", "annotations", "cache") if name in arguments]
    require_paths(
        folders={f"--{name}": getattr(arguments, name) for name in names},
        files={f"--{name.replace('_', '-')}": path for name, path in files.items()},
    )


def read_splits(arguments: argparse.Namespace, dataset: TripletDataset) -> list[Split]:
    """Return every fold of the split that was asked for."""
    from video_triplet.data.splits import make_splits

    return make_splits(
        dataset,
        arguments.split,
        protocol=arguments.protocol,
        validation_videos=arguments.validation_videos,
        seed=arguments.split_seed,
        folds=arguments.folds,
    )


def find_fold(splits: list[Split], fold: int) -> Split:
    """Return one fold.

    Raises:
        DataError: if there is no such fold.
    """
    for split in splits:
        if split.fold == fold:
            return split
    raise DataError(f"there is no fold {fold}; there are {', '.join(str(split.fold) for split in splits)}")


def read_machine(arguments: argparse.Namespace) -> Machine:
    """Return what to run on."""
    from video_triplet.trainers.run import Machine

    return Machine(
        accelerator=arguments.accelerator,
        devices=arguments.devices,
        nodes=arguments.nodes,
        precision=arguments.precision,
        workers=arguments.workers,
    )
