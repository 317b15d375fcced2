"""`video-triplet predict`: triplets of the frames of a video file or a folder of images."""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import refuse_overwriting, require_writable, require_writable_file
from video_triplet.cli.outputs import add_overwrite_option

if TYPE_CHECKING:
    from video_triplet.models.model_file import TripletModel
    from video_triplet.predictions.file import Predictions

SUMMARY = "recognise triplets in a video file or a folder of frames"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the models, the input, what to write, and how to run."""
    parser.add_argument("model", type=Path, nargs="+", help="model.pt; the probabilities of several are averaged")
    parser.add_argument("-i", "--input", type=Path, required=True, help="video file, or folder of numbered images")
    parser.add_argument(
        "-o", "--output", type=Path, metavar="FOLDER", help="for predictions.npz, frames.csv and frames.json"
    )
    parser.add_argument("--video", type=Path, metavar="FILE", help="also write an annotated video (.mp4)")
    add_overwrite_option(parser)
    parser.add_argument("--name", help="name of the video in the results (default: that of the input)")
    parser.add_argument("--rate", type=float, default=1.0, help="frames per second taken from a video (%(default)s)")
    parser.add_argument("--top", type=int, default=5, help="triplets shown per frame (default: %(default)s)")
    parser.add_argument(
        "--stream", action="store_true", help="one frame at a time; print a JSON line for each as soon as it is known"
    )
    parser.add_argument("--batch-size", type=int, default=16, help="frames at once (default: %(default)s)")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ...; default: cuda where there is one")


def run(arguments: argparse.Namespace) -> int:
    """Predict every frame; write or print the results and say how fast it was."""
    from video_triplet.models.run_files import require_model_file

    if not (arguments.output or arguments.video or arguments.stream):
        raise DataError("nothing to do with the predictions: give at least one of -o, --video and --stream")
    refuse_impossible_numbers(arguments)
    refuse_impossible_outputs(arguments)
    for path in arguments.model:
        require_model_file(path)
    if not arguments.input.exists():
        raise DataError(f"there is no file or folder {arguments.input}")
    from video_triplet.models.model_file import load_model  # with torch, after the checks

    models = [load_model(path, device=arguments.device) for path in arguments.model]
    predictions = stream(models, arguments) if arguments.stream else in_batches(models, arguments)
    if arguments.output:
        from video_triplet.predictions.frame_results import write_results

        write_results(predictions, arguments.output, top=arguments.top)
        print(f"written: {arguments.output}")
    if arguments.video:
        from video_triplet.models.annotated_video import annotate_video

        annotate_video(arguments.video, arguments.input, predictions, top=arguments.top, rate=arguments.rate)
        print(f"written: {arguments.video}")
    return 0


def refuse_impossible_numbers(arguments: argparse.Namespace) -> None:
    """Refuse numbers that make no sense.

    Raises:
        SettingsError: with all of them.
    """
    numbers = {"--batch-size": arguments.batch_size, "--top": arguments.top, "--rate": arguments.rate}
    problems = [f"{name} is {value}, it must be above 0" for name, value in numbers.items() if not value > 0]
    if problems:
        raise SettingsError(problems, source="predict")


def refuse_impossible_outputs(arguments: argparse.Namespace) -> None:
    """Refuse to write where that is not possible, over the input, or over results unless asked, before predicting.

    Raises:
        SetupError: naming the file or folder.
        DataError: if the annotated video would replace the one that is read.
    """
    from video_triplet.predictions.frame_results import RESULT_FILES

    files = [arguments.output / name for name in RESULT_FILES] if arguments.output else []
    if arguments.output:
        require_writable(arguments.output)
    if arguments.video:
        require_writable_file(arguments.video)
        files.append(arguments.video)
        if arguments.video.resolve() == arguments.input.resolve():
            raise DataError(f"--video {arguments.video} is the input; give the annotated video another name")
    refuse_overwriting(files, overwrite=arguments.overwrite)


def in_batches(models: Sequence[TripletModel], arguments: argparse.Namespace) -> Predictions:
    """Predict several frames at once and print frames per second, decoding included."""
    from nnunet_dsd.common.progress import track
    from video_triplet.models.inference import predict_images

    start, numbers, found = time.perf_counter(), [], []
    batches = track(_batches(arguments), total=None, description="predict")
    for batch in batches:
        numbers += [number for number, _ in batch]
        found.append(predict_images(models, [image for _, image in batch]))
    seconds = time.perf_counter() - start
    print(f"{counted(len(numbers), 'frame')} in {seconds:.1f} s: {len(numbers) / seconds:.1f} frames per second")
    return _as_predictions(models, numbers, found, arguments)


def stream(models: Sequence[TripletModel], arguments: argparse.Namespace) -> Predictions:
    """Predict frame by frame, print a JSON line for each, and the time each took at the end."""
    import sys

    from video_triplet.data.video_files import read_frames
    from video_triplet.models.inference import predict_images
    from video_triplet.predictions.frame_results import likeliest

    numbers, found, times = [], [], []
    for number, image in read_frames(arguments.input, rate=arguments.rate):
        start = time.perf_counter()
        probabilities = predict_images(models, [image])
        times.append(time.perf_counter() - start)
        numbers.append(number)
        found.append(probabilities)
        row = {head: values[0] for head, values in probabilities.items()}
        print(json.dumps({"frame": number, **likeliest(row, models[0].vocabulary, top=arguments.top)}), flush=True)
    median = 1000 * statistics.median(times)
    print(
        f"{counted(len(times), 'frame')}: median {median:.1f} ms per frame ({1000 / median:.1f} frames per second), "
        f"slowest {1000 * max(times):.1f} ms, decoding not counted",
        file=sys.stderr,
    )
    return _as_predictions(models, numbers, found, arguments)


def _batches(arguments: argparse.Namespace) -> Iterator[list[tuple[int, Any]]]:
    from video_triplet.data.video_files import read_frames

    frames = read_frames(arguments.input, rate=arguments.rate)
    while batch := list(islice(frames, arguments.batch_size)):
        yield batch


def _as_predictions(
    models: Sequence[TripletModel], numbers: list[int], found: list[Any], arguments: argparse.Namespace
) -> Predictions:
    from video_triplet.data.video_files import title_of
    from video_triplet.models.inference import stack
    from video_triplet.predictions.file import of_one_video

    records = tuple(model.record for model in models)
    title = arguments.name or title_of(arguments.input)
    return of_one_video(models[0].vocabulary, title, numbers, stack(found), records)
