"""The one file between steps: probabilities of every head per video and frame, with vocabulary and provenance inside.

A file is NumPy's `.npz` without pickled objects: `frames` (N,), `video_ids` (N,), `probabilities_HEAD` (N, classes) in
float32, and `description`, a JSON text. It is written whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_file
from video_triplet.data.provenance import ModelRecord
from video_triplet.predictions.pooling import Mean, pool
from video_triplet.vocabulary import HEADS, Head, Vocabulary

SCHEMA = 1
Kind = Literal["predictions", "soft labels"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True)
class Predictions:
    """Probabilities for frames of one or more videos.

    Attributes:
        vocabulary: Names of the columns.
        videos: Names that `video_ids` points into.
        video_ids: `(N,)` index into `videos` for each row.
        frames: `(N,)` frame number for each row; a pair of video and frame appears once.
        probabilities: For each head `(N, classes)` float32 in [0, 1].
        models: Every model that took part; several for an ensemble, none for labels.
        kind: `"predictions"`, or `"soft labels"` for a student to learn from.
    """

    vocabulary: Vocabulary
    videos: tuple[str, ...]
    video_ids: NDArray[np.int64]
    frames: NDArray[np.int64]
    probabilities: Mapping[Head, NDArray[np.float32]]
    models: tuple[ModelRecord, ...] = ()
    kind: Kind = "predictions"

    def __post_init__(self) -> None:
        problems = _contradictions(self)
        if problems:
            raise DataError(
                "these predictions contradict themselves:\n" + "\n".join(f"  - {text}" for text in problems)
            )

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def heads(self) -> tuple[Head, ...]:
        """The heads that are there, in the usual order."""
        return tuple(head for head in HEADS if head in self.probabilities)

    @property
    def keys(self) -> list[tuple[str, int]]:
        """Video and frame of each row."""
        return [(self.videos[video], int(frame)) for video, frame in zip(self.video_ids, self.frames, strict=True)]

    @property
    def content_hash(self) -> str:
        """SHA-256 over everything in the file, in hexadecimal; independent of when and how it was written."""
        digest = hashlib.sha256(json.dumps(_description(self), sort_keys=True).encode())
        for array in (self.video_ids, self.frames, *(self.probabilities[head] for head in self.heads)):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def select(self, rows: NDArray[Any]) -> Predictions:
        """Return some rows, by index or by a Boolean mask, in that order."""
        probabilities = {head: values[rows] for head, values in self.probabilities.items()}
        return replace(self, video_ids=self.video_ids[rows], frames=self.frames[rows], probabilities=probabilities)

    def aligned_to(self, keys: Sequence[tuple[str, int]]) -> Predictions:
        """Return the rows of the given videos and frames, in that order.

        Raises:
            DataError: naming pairs for which there is no row.
        """
        position = {key: row for row, key in enumerate(self.keys)}
        missing = [key for key in keys if key not in position]
        if missing:
            shown = ", ".join(f"{video} frame {frame}" for video, frame in missing[:3])
            raise DataError(f"predictions are missing for {len(missing)} of {len(keys)} frames, first: {shown}")
        return self.select(np.array([position[key] for key in keys], dtype=np.int64))

    def save(self, path: Path) -> None:
        """Write the file as a whole."""
        arrays = {f"probabilities_{head}": self.probabilities[head] for head in self.heads}
        text = json.dumps({**_description(self), "content_hash": self.content_hash})
        description = np.frombuffer(text.encode(), dtype=np.uint8)
        with whole_file(path) as temporary, temporary.open("wb") as file:
            np.savez(file, description=description, frames=self.frames, video_ids=self.video_ids, **arrays)  # type: ignore[arg-type]


def load_predictions(path: Path) -> Predictions:
    """Read a file that `Predictions.save` wrote.

    Raises:
        DataError: if it is missing, cut off, of another schema, or contradicts itself.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in file.files}
        description = json.loads(content["description"].tobytes())
    except FileNotFoundError:
        raise DataError(f"there is no file {path}") from None
    except KeyError as error:
        raise DataError(f"{path} holds no predictions ({error} is missing); give a file such as test.npz") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path} is not a whole predictions file ({type(error).__name__}: {error}); make it again"
        ) from error
    if not isinstance(description, dict) or description.get("schema") != SCHEMA:
        raise DataError(f"{path} is of another schema than {SCHEMA}, which this version reads; make it again")
    try:
        found = _from_content(content, description)
        if found.content_hash != description["content_hash"]:
            raise DataError("the content is not that of its hash; it was changed, make it again")
        return found
    except (DataError, KeyError, TypeError) as error:
        raise DataError(f"{path}: {error}") from error


def of_one_video(
    vocabulary: Vocabulary,
    title: str,
    frames: Sequence[int],
    probabilities: Mapping[Head, NDArray[np.float32]],
    models: tuple[ModelRecord, ...],
) -> Predictions:
    """Return predictions for frames of one video; other arguments as the attributes of `Predictions`.

    Args:
        vocabulary: Names of the columns.
        title: The video's name.
        frames: Their numbers.
        probabilities: For each head `(N, classes)`.
        models: That took part.
    """
    video_ids = np.zeros(len(frames), dtype=np.int64)
    return Predictions(vocabulary, (title,), video_ids, np.array(frames, dtype=np.int64), probabilities, models)


def average(files: Sequence[Predictions], mean: Mean = "arithmetic") -> Predictions:
    """Return the mean probabilities of several models, aligned by video and frame.

    Only heads that all of them have are kept. The order of rows is that of the first.

    Args:
        files: At least one.
        mean: Which mean, as of `video_triplet.predictions.pooling`.

    Raises:
        DataError: if there is none, the vocabularies differ, or they do not cover the same frames.
    """
    if not files:
        raise DataError("nothing to average: give at least one predictions file")
    first = files[0]
    for number, other in enumerate(files[1:], start=2):
        if other.kind != first.kind:
            raise DataError(f"file 1 holds {first.kind}, file {number} {other.kind}; average files of one kind")
        if other.vocabulary != first.vocabulary:
            raise DataError(f"predictions 1 and {number} have different vocabularies; average models of one data set")
        different = set(first.keys) ^ set(other.keys)
        if different:
            video, frame = min(different)
            raise DataError(
                f"predictions 1 and {number} differ in {counted(len(different), 'frame')}, first: "
                f"{video} frame {frame}; "
                "predict the same videos with every model"
            )
    aligned = [first, *(other.aligned_to(first.keys) for other in files[1:])]
    heads = [head for head in first.heads if all(head in other.heads for other in aligned)]
    pooled: dict[Head, NDArray[np.float32]] = {
        head: pool([other.probabilities[head] for other in aligned], mean) for head in heads
    }
    models = tuple(dict.fromkeys(model for other in aligned for model in other.models))
    return replace(first, probabilities=pooled, models=models)


def concatenate(files: Sequence[Predictions]) -> Predictions:
    """Return the rows of several files one after another, for example those of all folds.

    Raises:
        DataError: if there is none, the vocabularies or heads differ, or a frame appears twice.
    """
    if not files:
        raise DataError("nothing to join: give at least one predictions file")
    first = files[0]
    alike = (first.vocabulary, first.heads, first.kind)
    if any((other.vocabulary, other.heads, other.kind) != alike for other in files):
        raise DataError("these predictions have different vocabularies, heads or kinds and cannot be joined")
    videos = tuple(dict.fromkeys(video for other in files for video in other.videos))
    video_ids = np.concatenate(
        [np.array([videos.index(video) for video in other.videos], dtype=np.int64)[other.video_ids] for other in files]
    )
    return Predictions(
        files[0].vocabulary,
        videos,
        video_ids,
        np.concatenate([other.frames for other in files]),
        {head: np.concatenate([other.probabilities[head] for other in files]) for head in files[0].heads},
        tuple(dict.fromkeys(model for other in files for model in other.models)),
        files[0].kind,
    )


def _description(predictions: Predictions) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "kind": predictions.kind,
        "vocabulary": predictions.vocabulary.to_json(),
        "videos": list(predictions.videos),
        "models": [model.to_json() for model in predictions.models],
    }


def _from_content(content: Mapping[str, NDArray[Any]], description: Mapping[str, Any]) -> Predictions:
    heads: list[Head] = [head for head in HEADS if f"probabilities_{head}" in content]
    return Predictions(
        Vocabulary.from_json(description["vocabulary"]),
        tuple(description["videos"]),
        content["video_ids"],
        content["frames"],
        {head: content[f"probabilities_{head}"] for head in heads},
        tuple(ModelRecord.from_json(record) for record in description["models"]),
        description["kind"],
    )


def _contradictions(predictions: Predictions) -> list[str]:
    rows = len(predictions.frames)
    problems = []
    if predictions.kind not in KINDS:
        problems.append(f"kind {predictions.kind!r}, allowed are {', '.join(KINDS)}")
    if len(predictions.video_ids) != rows:
        problems.append(f"{rows} frame numbers and {len(predictions.video_ids)} video ids")
    elif rows and not 0 <= predictions.video_ids.min() <= predictions.video_ids.max() < len(predictions.videos):
        problems.append(f"a video id beyond the {len(predictions.videos)} videos")
    elif len(set(zip(predictions.video_ids.tolist(), predictions.frames.tolist(), strict=True))) < rows:
        problems.append("a frame of a video appears twice")
    if not predictions.probabilities:
        problems.append("no head")
    for head, values in predictions.probabilities.items():
        expected = (rows, predictions.vocabulary.size(head))
        if values.shape != expected:
            problems.append(f"{head}: shape {values.shape}, expected {expected}")
        elif not np.all((values >= 0) & (values <= 1)):
            problems.append(f"{head}: values outside [0, 1] or not a number")
    return problems
