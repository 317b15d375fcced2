"""The test of a clip classifier: evenly spaced clips of each video, logits averaged, Acc@1 and Acc@5."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import whole_file, write_json, write_rows
from nnunet_dsd.common.progress import track
from video_triplet.clips.accuracy import TOPS, ClassAccuracy, class_accuracies, reference_ranks, top_k
from video_triplet.clips.clips import TestClips
from video_triplet.clips.model_file import ClipModel
from video_triplet.clips.networks import mean_logits
from video_triplet.clips.sources import ClipSource
from video_triplet.clips.videos import ClipDataset, ClipVideo
from video_triplet.data.provenance import LeakError, ModelRecord, refuse_trained_on

TEST_FILES = ("test.json", "per_class.csv", "per_video.csv", "predictions.npz", "confusion.png")


@dataclass(frozen=True)
class VideoRow:
    """One video in `per_video.csv`; rank 1 is a right prediction, and a tie counts against the reference."""

    video: str
    reference: str
    predicted: str
    rank: int


@dataclass(frozen=True)
class ClipTest:
    """What a model says about videos.

    Attributes:
        model: Its record.
        layout: Of the data set.
        clips: Per video.
        classes: Names by number.
        videos: Names.
        labels: `(N,)` numbers of the reference classes.
        logits: `(N, classes)`, averaged over the clips.
    """

    model: ModelRecord
    layout: str
    clips: int
    classes: tuple[str, ...]
    videos: tuple[str, ...]
    labels: NDArray[np.int64]
    logits: NDArray[np.float32]

    @cached_property
    def ranks(self) -> NDArray[np.int64]:
        """As of `reference_ranks`."""
        return reference_ranks(self.logits, self.labels)

    @property
    def predicted(self) -> NDArray[np.int64]:
        """Number of the class with the highest logit, `(N,)`."""
        return np.asarray(self.logits.argmax(axis=1))

    @property
    def accuracies(self) -> dict[int, float]:
        """Acc@1 and Acc@5, fractions, by k."""
        return {k: top_k(self.ranks, k) for k in TOPS}

    @property
    def per_class(self) -> list[ClassAccuracy]:
        """A row per class."""
        return class_accuracies(self.ranks, self.labels, self.classes)

    @property
    def per_video(self) -> list[VideoRow]:
        """A row per video."""
        columns = (self.videos, self.labels.tolist(), self.predicted.tolist(), (self.ranks + 1).tolist())
        return [
            VideoRow(video, self.classes[label], self.classes[predicted], rank)
            for video, label, predicted, rank in zip(*columns, strict=True)
        ]

    @property
    def confusion(self) -> NDArray[np.int64]:
        """Counts of videos, `(classes, classes)`, reference by row and prediction by column."""
        counts = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)
        np.add.at(counts, (self.labels, self.predicted), 1)
        return counts

    def to_json(self) -> dict[str, Any]:
        """Return the summary; the videos are in the other files."""
        record = {name: value for name, value in asdict(self.model).items() if not isinstance(value, tuple)}
        return {
            **{f"acc{k}": value for k, value in self.accuracies.items()},
            "videos": len(self.videos),
            "clips_per_video": self.clips,
            "layout": self.layout,
            "classes": len(self.classes),
            "model": {**record, **{name: len(getattr(self.model, name)) for name in ("trained_on", "selected_on")}},
        }


def run_test(
    model: ClipModel,
    dataset: ClipDataset,
    videos: Sequence[ClipVideo],
    source: ClipSource,
    *,
    clips: int | None = None,
    batch_size: int = 2,
    workers: int = 0,
) -> ClipTest:
    """Test a model on videos that it has not seen.

    Args:
        model: Its network says on which device.
        dataset: Of the videos, for their classes.
        videos: To be tested on.
        source: Gives the frames.
        clips: Per video; None for the model's setting `test_clips`.
        batch_size: Videos at once.
        workers: Processes that read frames.

    Raises:
        LeakError: if the model was trained on one of the videos, or its epoch was chosen on one.
        DataError: if the data set has other classes than the model, or its frames another size, or a video cannot be
            read.
    """
    refuse_other_classes(model, dataset)
    refuse_other_frames(model, source)
    refuse_seen(model, videos)
    settings = model.settings
    count = settings.test_clips if clips is None else clips
    rows = TestClips(
        videos, source, frames=settings.frames, stride=settings.stride, clips=count, size=settings.clip_size
    )
    logits = predict_logits(model, rows, batch_size=batch_size, workers=workers)
    labels = np.array([video.label for video in videos], dtype=np.int64)
    names = tuple(video.name for video in videos)
    return ClipTest(model.record, model.layout, count, model.classes, names, labels, logits)


def refuse_other_frames(model: ClipModel, source: ClipSource) -> None:
    """Refuse frames that a model's clips were not cut from: what is cut would show another part of the picture.

    Raises:
        DataError: with both sizes, and the options that give the right ones.
    """
    found = (tuple(source.size), source.fit)
    if model.frames is not None and model.frames != found:
        (height, width), fit = model.frames
        raise DataError(
            f"the model was trained on frames of {height} x {width} pixels ({fit}), these have {found[0][0]} x "
            f"{found[0][1]} ({found[1]}); give --size {height} {width} --fit {fit}, or a --cache of that kind"
        )


def predict_logits(model: ClipModel, rows: TestClips, *, batch_size: int = 2, workers: int = 0) -> NDArray[np.float32]:
    """Return `(N, classes)` logits of videos, the mean over the clips of each.

    Raises:
        DataError: if a logit is not a finite number.
    """
    device = next(model.network.parameters()).device
    loader: DataLoader[Any] = DataLoader(rows, batch_size=batch_size, num_workers=workers)
    found = []
    with torch.inference_mode():
        for batch in track(loader, total=len(loader), description="test"):
            found.append(mean_logits(model.network, batch["clips"].to(device)).cpu().numpy())
    logits = np.concatenate(found)
    if not np.isfinite(logits).all():
        raise DataError("the model gives logits that are not finite: its training diverged; lower the learning rate")
    return np.asarray(logits, dtype=np.float32)


def refuse_other_classes(model: ClipModel, dataset: ClipDataset) -> None:
    """Refuse a data set whose classes are not the model's, in the same order.

    Raises:
        DataError: with the numbers of classes, or the first that differ.
    """
    if dataset.classes == model.classes:
        return
    pairs = zip(dataset.classes, model.classes, strict=False)
    first = next((f"{theirs!r} instead of {ours!r}" for theirs, ours in pairs if theirs != ours), "the first are alike")
    raise DataError(
        f"{dataset.root} has {len(dataset.classes)} classes and the model {len(model.classes)}, and they are not the "
        f"same ({first}); test on the data set that it was trained on"
    )


def refuse_seen(model: ClipModel, videos: Sequence[ClipVideo]) -> None:
    """Refuse videos that trained the model or chose its epoch.

    Raises:
        LeakError: with the videos.
    """
    names = {video.name for video in videos}
    refuse_trained_on([model.record], names, purpose="a test")
    chosen = sorted(names & set(model.record.selected_on))
    if chosen:
        raise LeakError(
            f"a test: {counted(len(chosen), 'video')} chose the epoch of this model, first: "
            f"{chosen[0]}; test on the official "
            "test list of its split"
        )


def write_test(folder: Path, test: ClipTest) -> None:
    """Write `TEST_FILES`, each whole."""
    write_json(folder / "test.json", test.to_json())
    write_rows(folder / "per_class.csv", ClassAccuracy, test.per_class)
    write_rows(folder / "per_video.csv", VideoRow, test.per_video)
    with whole_file(folder / "predictions.npz") as temporary:
        np.savez_compressed(
            temporary,
            videos=np.array(test.videos),
            classes=np.array(test.classes),
            labels=test.labels,
            logits=test.logits,
            description=np.frombuffer(json.dumps(test.to_json()).encode(), dtype=np.uint8),
        )
    draw_confusion(test, folder / "confusion.png")


def draw_confusion(test: ClipTest, path: Path) -> None:
    """Draw which classes are taken for which, as fractions of the videos of each reference class."""
    from nnunet_dsd.common.drawing import new_figure, save_png

    counts = test.confusion
    fractions = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    side = max(4.0, 0.13 * len(test.classes) + 2)
    figure = new_figure(side + 1, side)
    axis = figure.subplots()
    image = axis.imshow(fractions, vmin=0, vmax=1, cmap="Blues")
    places = range(len(test.classes))
    size = 9 if len(test.classes) <= 20 else 5
    axis.set_xticks(places, test.classes, rotation=90, fontsize=size)
    axis.set_yticks(places, test.classes, fontsize=size)
    axis.set_xlabel("predicted")
    axis.set_ylabel("reference")
    axis.set_title(f"Acc@1 {100 * test.accuracies[1]:.1f} %, {counted(len(test.videos), 'video')}")
    figure.colorbar(image, label="fraction of the reference class", shrink=0.8)
    save_png(figure, path)
