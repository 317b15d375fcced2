"""`video-triplet analyse`: figures and numbers of the MICCAI 2023 paper from soft labels and predictions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import refuse_overwriting, require_writable
from video_triplet.cli.data_options import add_data_options, read_labels
from video_triplet.cli.outputs import add_overwrite_option

if TYPE_CHECKING:
    from video_triplet.analysis.inputs import LabelledFrames
    from video_triplet.data.videos import TripletDataset

RESULT_FILES = ("analysis.json", "per_video.png", "label_distribution.png")
SUMMARY = "draw mAP per video, label distribution, similarity and examples of soft labels"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of `analyse`."""
    parser.add_argument(
        "--soft-labels", nargs="+", type=Path, default=[], metavar="FILE", help="a frame in several files: their mean"
    )
    parser.add_argument(
        "--predictions",
        nargs="+",
        default=[],
        metavar="NAME=FILE",
        help="predictions of a configuration; the same NAME again for further folds",
    )
    parser.add_argument(
        "--predicted-only", action="store_true", help="leave out labelled frames that have no predictions"
    )
    parser.add_argument("--sort-by", metavar="NAME", help="configuration to sort videos by (default: the last)")
    parser.add_argument("--examples", type=int, default=3, help="frames to draw (default: %(default)s)")
    parser.add_argument("--draws", type=int, default=10, help="random triplet sets per frame (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of draws, bootstrap and examples (default: %(default)s)")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FOLDER", help="where to write")
    add_overwrite_option(parser)
    add_data_options(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the figures that the inputs allow, and `analysis.json`."""
    from nnunet_dsd.common.files import write_json

    configurations = group_predictions(arguments.predictions)
    if not configurations and not arguments.soft_labels:
        raise DataError("nothing to analyse: give --soft-labels, --predictions or both")
    require_writable(arguments.output)
    refuse_overwriting((arguments.output / name for name in RESULT_FILES), overwrite=arguments.overwrite)
    dataset = read_labels(arguments)
    content: dict[str, Any] = {}
    if configurations:
        content["per_video"] = _per_video(configurations, dataset, arguments)
    if arguments.soft_labels:
        content.update(_soft_labels(dataset, arguments))
    write_json(arguments.output / "analysis.json", content)
    print(f"written to {arguments.output}")
    return 0


def group_predictions(pairs: Sequence[str]) -> dict[str, list[Path]]:
    """Return the files of each configuration from texts `NAME=FILE`.

    Raises:
        DataError: if a text is not of this form.
    """
    grouped: dict[str, list[Path]] = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not (name and equals and file):
            raise DataError(f"--predictions {pair}: write NAME=FILE, for example teacher=teacher.npz")
        grouped.setdefault(name, []).append(Path(file))
    return grouped


def _per_video(
    configurations: dict[str, list[Path]], dataset: TripletDataset, arguments: argparse.Namespace
) -> dict[str, Any]:
    from video_triplet.analysis.per_video import compare_videos, draw_per_video, per_video_maps
    from video_triplet.predictions.file import load_predictions
    from video_triplet.predictions.metrics import evaluate_dataset

    maps = {
        name: per_video_maps(
            [
                evaluate_dataset(load_predictions(file), dataset, predicted_only=arguments.predicted_only)
                for file in files
            ]
        )
        for name, files in configurations.items()
    }
    table = compare_videos(maps, arguments.sort_by)
    what = "triplets" if dataset.vocabulary.has_components else "classes"
    draw_per_video(table, arguments.output / "per_video.png", what=what)
    return {
        "sorted_by": table.reference,
        "map": {
            name: {video: None if value != value else value for video, value in maps[name].items()} for name in maps
        },
    }


def _soft_labels(dataset: TripletDataset, arguments: argparse.Namespace) -> dict[str, Any]:
    from video_triplet.analysis.inputs import labelled_frames
    from video_triplet.analysis.label_distribution import draw_label_distribution, label_distribution
    from video_triplet.analysis.similarity import similarity
    from video_triplet.predictions.file import load_predictions

    frames = labelled_frames([load_predictions(file) for file in arguments.soft_labels], dataset)
    masses = label_distribution(frames.hard, frames.soft, dataset.vocabulary.triplet_names)
    result = None
    if dataset.vocabulary.has_components:
        result = asdict(
            similarity(frames.hard, frames.soft, dataset.vocabulary, draws=arguments.draws, seed=arguments.seed)
        )
    else:
        print("The classes are no triplets and share no components, so similarity is left out (null in analysis.json).")
    draw_label_distribution(masses, arguments.output / "label_distribution.png")
    rows = zip(masses.classes, masses.hard.tolist(), masses.soft.tolist(), strict=True)
    return {
        "label_distribution": {name: {"hard": hard, "soft": soft} for name, hard, soft in rows},
        "similarity": result,
        "examples": _examples(frames, dataset, arguments),
    }


def _examples(frames: LabelledFrames, dataset: TripletDataset, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Draw frames with a single label, chosen at random among those whose image is there."""
    import numpy as np

    from video_triplet.analysis.soft_label_examples import draw_soft_label_example, soft_label_example
    from video_triplet.data.images import read_image

    single = np.random.default_rng(arguments.seed).permutation(np.flatnonzero(frames.hard.sum(axis=1) == 1))
    drawn: list[dict[str, Any]] = []
    for row in single:
        video, frame = frames.keys[row]
        image_path = dataset.videos[video].image_path(frame)
        if len(drawn) >= arguments.examples:
            break
        if not image_path.is_file():
            continue
        example = soft_label_example(frames.soft[row], int(frames.hard[row].argmax()), dataset.vocabulary)
        pixels = read_image(image_path)
        file = f"soft_labels_{video}_{frame:06d}.png"
        draw_soft_label_example(example, pixels, f"{video}, frame {frame}", arguments.output / file)
        drawn.append({"file": file, "video": video, "frame": frame, **asdict(example)})
    return drawn
