"""The command: a folder of images to a folder of label maps, reading and writing while the graph computes."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.files import write_json
from nnunet_dsd.deploy.runtime.images import (
    Case,
    Geometry,
    find_cases,
    missing_outputs,
    read_image,
    write_labels,
)
from nnunet_dsd.deploy.runtime.labels import label_map
from nnunet_dsd.deploy.runtime.predictor import Predictor
from nnunet_dsd.deploy.runtime.preparing import Prepared, prepare
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

FAILED, SETTINGS = "failed.json", "predicted_by.json"
BAR = 30


class Progress:
    """A bar on a terminal, a line for each case elsewhere."""

    def __init__(self, total: int, stream: TextIO) -> None:
        self.total, self.stream, self.done, self.start = total, stream, 0, time.monotonic()

    def step(self, name: str) -> None:
        """Count a case."""
        self.done += 1
        rate = (time.monotonic() - self.start) / self.done
        told = f"{self.done}/{self.total} {name}, {rate:.1f} s a case"
        if self.stream.isatty():
            filled = BAR * self.done // self.total
            end = "\n" if self.done == self.total else ""
            self.stream.write(f"\r\x1b[K[{'#' * filled}{' ' * (BAR - filled)}] {told}{end}")
        elif "CI" not in os.environ:
            self.stream.write(f"{told}\n")
        self.stream.flush()


def predict_folder(predictor: Predictor, cases: Sequence[Case], output: Path, stream: TextIO) -> dict[str, str]:
    """Predict cases into a folder; a case that fails does not keep the others from it.

    One case is read and prepared, and one written, while the graph computes a third; no more is held.

    Args:
        predictor: The model.
        cases: Which.
        output: The folder, which is there.
        stream: Where progress is shown.

    Returns:
        Why each failed case failed, by name.
    """
    failed: dict[str, str] = {}
    progress = Progress(len(cases), stream)
    with ThreadPoolExecutor(1) as reader, ThreadPoolExecutor(1) as writer:
        coming = [reader.submit(_load, case, predictor) for case in cases[:1]]
        going: Future[None] | None = None
        for index, case in enumerate(cases):
            future = coming.pop()
            coming = [reader.submit(_load, one, predictor) for one in cases[index + 1 : index + 2]]
            try:
                prepared, geometry = future.result()
                logits = predictor.logits(prepared)
                _settle(going)
                path = output / f"{case.name}{predictor.description.file_ending}"
                going = writer.submit(_save, predictor, logits, prepared, geometry, path, case, failed)
            except Exception as error:  # whatever it is, the other cases go on
                failed[case.name] = told_reason(error)
            progress.step(case.name)
        _settle(going)
    return failed


def _settle(going: Future[None] | None) -> None:
    if going is not None:
        going.result()


def _load(case: Case, predictor: Predictor) -> tuple[Prepared, Geometry]:
    image, spacing, geometry = read_image(case, predictor.description)
    return prepare(image, spacing, predictor.description), geometry


def _save(
    predictor: Predictor,
    logits: NDArray[np.float16],
    prepared: Prepared,
    geometry: Geometry,
    path: Path,
    case: Case,
    failed: dict[str, str],
) -> None:
    try:
        write_labels(label_map(logits, prepared, predictor.description), geometry, path)
    except Exception as error:  # whatever it is, the other cases go on
        failed[case.name] = told_reason(error)


def told_reason(error: Exception) -> str:
    """Return why a case failed: our own sentence, or what kind of error it was."""
    return str(error) if isinstance(error, DeployedModelError) else f"{type(error).__name__}: {error}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; the status is 1 if a case failed, 2 if none could begin."""
    parser = argparse.ArgumentParser(description="Predict label maps of images with the model in this folder.")
    parser.add_argument("-i", "--images", type=Path, required=True, help="folder of CASE_0000 files, or one file")
    parser.add_argument("-o", "--output", type=Path, required=True, help="folder of the label maps")
    parser.add_argument("--model", type=Path, default=Path(__file__).resolve().parent, help=argparse.SUPPRESS)
    parser.add_argument("--step", type=float, default=0.5, help="of the window, part of a patch (default: %(default)s)")
    parser.add_argument("--mirror", action="store_true", help="average over mirrored patches: better by little, slower")
    parser.add_argument("--threads", type=int, help="of the processor (default: the runtime's choice)")
    parser.add_argument("--device", default="cpu", help="cpu; ONNX Runtime: cuda, tensorrt too (default: cpu)")
    parser.add_argument("--overwrite", action="store_true", help="predict cases anew that have a label map")
    given = parser.parse_args(arguments)
    try:
        return _predict(given)
    except (DeployedModelError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("stopped; the same command goes on with what is missing", file=sys.stderr)
        return 130


def _predict(given: argparse.Namespace) -> int:
    if given.threads is not None and given.threads < 1:
        raise DeployedModelError(f"--threads takes a number of 1 or more, got {given.threads}")
    predictor = Predictor(given.model, step=given.step, mirror=given.mirror, device=given.device, threads=given.threads)
    ending = predictor.description.file_ending
    cases = find_cases(given.images, ending)
    folder = given.images if given.images.is_dir() else given.images.parent
    if given.output.resolve() == folder.resolve():
        raise DeployedModelError(f"{given.output} holds the images; give another folder for the label maps")
    given.output.mkdir(parents=True, exist_ok=True)
    _require_same_settings(predictor, given.output, overwrite=given.overwrite)
    open_cases = cases if given.overwrite else missing_outputs(cases, given.output, ending)
    if len(open_cases) < len(cases):
        print(f"{len(cases) - len(open_cases)} of {len(cases)} cases are there already", file=sys.stderr)
    return _report(predict_folder(predictor, open_cases, given.output, sys.stderr), given.output)


def _require_same_settings(predictor: Predictor, output: Path, *, overwrite: bool) -> None:
    """Note by which model and how a folder's label maps are made; refuse to mix them with others.

    Raises:
        DeployedModelError: if the folder has label maps of another model, window or mirroring.
    """
    path = output / SETTINGS
    now = {
        "model": predictor.description.name,
        "files": predictor.description.files,
        "step": predictor.step,
        "mirror_axes": list(predictor.mirror_axes),
    }
    try:
        before = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not overwrite else now
    except ValueError:
        before = None
    if before != now:
        raise DeployedModelError(
            f"{output} holds label maps of another model, --step or --mirror ({SETTINGS} says which); give another "
            "folder, or --overwrite"
        )
    write_json(path, now)


def _report(failed: dict[str, str], output: Path) -> int:
    for name, reason in failed.items():
        print(f"error: {name}: {reason}", file=sys.stderr)
    try:
        if failed:
            write_json(output / FAILED, failed)
        else:
            (output / FAILED).unlink(missing_ok=True)
    except OSError as error:  # the disk is full; all was said above
        print(f"error: {output / FAILED} cannot be written ({error})", file=sys.stderr)
        return 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
