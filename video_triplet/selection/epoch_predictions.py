"""What a teacher's kept epochs say about its own training frames and its inner-validation videos, written once."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from nnunet_dsd.common.errors import DataError
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.provenance import LeakError, ModelRecord
from video_triplet.data.videos import TripletDataset
from video_triplet.models.inference import predict_videos
from video_triplet.models.kept_epochs import epoch_file
from video_triplet.models.model_file import load_model, read_record
from video_triplet.models.soft_labels import refuse_another_vocabulary
from video_triplet.predictions.file import Kind, Predictions, load_predictions
from video_triplet.predictions.matching import matched
from video_triplet.selection.evidence import EpochEvidence
from video_triplet.selection.teachers import TeacherRun

Part = Literal["training", "validation"]
PART_KINDS: dict[Part, Kind] = {"training": "soft labels", "validation": "predictions"}


@dataclass(frozen=True)
class Reading:
    """Where frames and labels come from, and how they are predicted.

    Attributes:
        dataset: Of the teachers.
        source: Gives the pixels.
        device: As of `find_device`.
        batch_size: Frames at once.
        workers: Processes that read frames.
    """

    dataset: TripletDataset
    source: FrameSource
    device: str | None = None
    batch_size: int = 64
    workers: int = 0


def predictions_path(run: Path, epoch: int, part: Part) -> Path:
    """Return where the predictions of an epoch are, beside its weights."""
    return epoch_file(run, epoch).with_name(f"epoch_{epoch:03d}_{part}.npz")


def epoch_predictions(run: TeacherRun, epoch: int, part: Part, reading: Reading) -> Predictions:
    """Return what one epoch predicts for one part of its split.

    A file of these very weights is read; one of other weights is made again.

    Raises:
        LeakError: if the epoch's weights or a file know other videos than the run's split allows.
        CheckpointError: if the weights cannot be read.
        DataError: if the data set is another one, or the weights are not of this run and epoch.
    """
    path, weights = predictions_path(run.folder, epoch, part), epoch_file(run.folder, epoch)
    record = read_record(weights)
    refuse_weights_of_another_run(record, run, epoch, weights)
    there = load_predictions(path) if path.is_file() else None
    if there is not None and (there.models, there.kind) == ((record,), PART_KINDS[part]):
        found = there
    else:
        model = load_model(weights, device=reading.device)
        refuse_another_vocabulary(model, reading.dataset)
        videos = reading.dataset.subset(run.videos(part))
        found = predict_videos(
            model,
            videos,
            reading.source,
            batch_size=reading.batch_size,
            workers=reading.workers,
            kind=PART_KINDS[part],
        )
        found.save(path)
    refuse_other_videos(found, run, part, path)
    return found


def refuse_weights_of_another_run(record: ModelRecord, run: TeacherRun, epoch: int, path: Path) -> None:
    """Refuse weights that lie in a run's folder and are not its own.

    Raises:
        LeakError: if they were trained on validation or test videos of the run.
        DataError: if they are of another epoch, seed or fold, or not trained on the run's training videos.
    """
    apart = sorted({*record.trained_on} & {*run.videos("validation"), *run.videos("test")})
    if apart:
        raise LeakError(
            f"{path} was trained on {', '.join(apart)}, which {run.folder} sets apart; it is of another run, and a "
            "choice by it would leak"
        )
    stated = (record.epoch, record.seed, record.fold, set(run.videos("training")) <= {*record.trained_on})
    if stated != (epoch, run.seed, run.split["fold"], True):
        raise DataError(
            f"{path} is of epoch {record.epoch}, seed {record.seed}, fold {record.fold}, not of epoch {epoch} of "
            f"{run.folder}; copy the run's own epochs again"
        )


def refuse_other_videos(found: Predictions, run: TeacherRun, part: Part, path: Path) -> None:
    """Refuse predictions that would let a choice see more than training and inner-validation frames.

    Raises:
        LeakError: if they are of other videos than that part of the split, or their model knows others.
    """
    record: ModelRecord = found.models[0]
    strange = set(found.videos) - set(run.videos(part))
    knows = {*record.trained_on, *record.selected_on} & set(run.videos("test"))
    if strange or knows:
        listed = ", ".join(sorted(strange | knows))
        raise LeakError(
            f"{path}: {listed} {'is' if len(strange | knows) == 1 else 'are'} not of the {part} videos of "
            f"{run.folder}; a choice that looked at them would leak"
        )


def epoch_evidence(run: TeacherRun, epoch: int, reading: Reading) -> EpochEvidence:
    """Return what the criteria look at; arguments and errors as of `epoch_predictions`."""
    tables = {}
    for part in PART_KINDS:
        videos = reading.dataset.subset(run.videos(part))
        found = epoch_predictions(run, epoch, part, reading)
        tables[part] = matched(found, videos)[0]["triplet"]
    (training_labels, training), (validation_labels, validation) = tables["training"], tables["validation"]
    return EpochEvidence(
        reading.dataset.vocabulary,
        epoch,
        np.concatenate(training),
        np.concatenate(training_labels),
        tuple(validation),
        tuple(validation_labels),
        run.losses,
    )
