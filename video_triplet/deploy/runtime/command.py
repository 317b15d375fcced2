"""The command: frames of a video file or a folder to tables and an annotated video."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DistillationError, SettingsError
from nnunet_dsd.common.files import refuse_overwriting, require_writable
from video_triplet.data.video_files import NumberedFrame, read_frames, title_of
from video_triplet.deploy.runtime.predictor import Predictor
from video_triplet.models.annotated_video import MOST_TRIPLETS, annotate_video
from video_triplet.predictions.file import Predictions, of_one_video
from video_triplet.predictions.frame_results import RESULT_FILES, write_results
from video_triplet.vocabulary import Head

ANNOTATED = "annotated.mp4"
SHOWN_EVERY = 10  # frames, on a terminal


def predict_input(
    predictor: Predictor, source: Path, *, rate: float = 1.0, title: str | None = None
) -> tuple[Predictions, str]:
    """Return the predictions for every frame of a video file or of a folder, and how fast it was in words.

    A frame is decoded while the graph computes the one before it.

    Args:
        predictor: The model.
        source: The video file, or the folder of numbered images.
        rate: Frames per second taken from a video file.
        title: Of the video in the results; None: that of the file or folder.

    Raises:
        DataError: if the video or an image cannot be read, or there is none.
        DeployedModelError: if the graph gives numbers that are not finite.
    """
    numbers: list[int] = []
    rows: list[dict[Head, NDArray[np.float32]]] = []
    start = time.perf_counter()
    for number, frame in _one_ahead(read_frames(source, rate=rate)):
        rows.append(predictor(frame))
        numbers.append(number)
        if sys.stderr.isatty() and len(rows) % SHOWN_EVERY == 0:
            sys.stderr.write(f"\r\x1b[K{_speed(len(rows), start)}")
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[K")
    speed = _speed(len(rows), start)
    probabilities = {head: np.stack([row[head] for row in rows]) for head in rows[0]}
    of_model = predictor.description
    name = title or title_of(source)
    return of_one_video(of_model.vocabulary, name, numbers, probabilities, (of_model.record,)), speed


def _speed(frames: int, start: float) -> str:
    seconds = time.perf_counter() - start
    return f"{counted(frames, 'frame')} in {seconds:.1f} s: {frames / seconds:.1f} frames per second"


def _one_ahead(frames: Iterator[NumberedFrame]) -> Iterator[NumberedFrame]:
    with ThreadPoolExecutor(1) as reader:
        coming = reader.submit(next, frames, None)
        while (frame := coming.result()) is not None:
            coming = reader.submit(next, frames, None)
            yield frame


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the status is 1 if something is wrong, 130 if it was interrupted."""
    given = _parser().parse_args(arguments)
    try:
        _refuse_impossible(given)
        predictor = Predictor(given.model, device=given.device, threads=given.threads)
        predictions, speed = predict_input(predictor, given.input, rate=given.rate, title=given.name)
        write_results(predictions, given.output, top=given.top)
        if given.video:
            annotate_video(given.output / ANNOTATED, given.input, predictions, top=given.top, rate=given.rate)
    except (DistillationError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    print(f"{speed}\nwritten: {given.output}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Recognise triplets in a video with the model in this folder.")
    add: Any = parser.add_argument
    add("-i", "--input", type=Path, required=True, help="video file, or folder of numbered images")
    add("-o", "--output", type=Path, required=True, help="folder for tables and the annotated video")
    add("--model", type=Path, default=Path(__file__).resolve().parent, help=argparse.SUPPRESS)
    add("--no-video", dest="video", action="store_false", help="write no annotated video")
    add("--name", help="name of the video in the results (default: that of the input)")
    add("--rate", type=float, default=1.0, help="frames per second taken from a video (default: %(default)s)")
    add("--top", type=int, default=5, help="triplets shown per frame (default: %(default)s)")
    add("--threads", type=int, help="of the processor (default: the runtime's choice)")
    add("--device", default="cpu", help="cpu; ONNX Runtime: cuda, tensorrt too (default: cpu)")
    add("--overwrite", action="store_true", help="replace results that are there already")
    return parser


def _refuse_impossible(given: argparse.Namespace) -> None:
    """Refuse numbers that make no sense, and an output that cannot be, before predicting."""
    problems = [] if given.rate > 0 else [f"--rate is {given.rate}, it must be above 0"]
    if not 1 <= given.top <= MOST_TRIPLETS:
        problems.append(f"--top is {given.top}, it must be from 1 to {MOST_TRIPLETS}")
    if given.threads is not None and given.threads < 1:
        problems.append(f"--threads is {given.threads}, it must be above 0")
    if problems:
        raise SettingsError(problems, source="predict.py")
    require_writable(given.output)
    written = [*RESULT_FILES, *([ANNOTATED] if given.video else [])]
    refuse_overwriting((given.output / name for name in written), overwrite=given.overwrite)


if __name__ == "__main__":
    sys.exit(main())
