"""Soft labels: a teacher's probabilities for the frames it was trained on, not augmented."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.common.errors import DataError
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.provenance import LeakError
from video_triplet.data.videos import TripletDataset
from video_triplet.models.inference import predict_videos
from video_triplet.models.model_file import TripletModel, load_model
from video_triplet.predictions.file import Predictions


def load_teachers(paths: Sequence[Path], *, device: str | None = None) -> list[TripletModel]:
    """Load several teachers that may be averaged.

    Raises:
        CheckpointError: if a file is not a model file.
        LeakError: if they were trained on different videos: one would label what another has not seen.
        DataError: if their image sizes differ.
    """
    teachers = [load_model(path, device=device) for path in paths]
    first = teachers[0]
    for path, teacher in zip(paths, teachers, strict=True):
        if teacher.record.trained_on != first.record.trained_on:
            raise LeakError(
                f"{path} was not trained on the same videos as {paths[0]}; average teachers of one fold and protocol"
            )
        if teacher.settings.image_size != first.settings.image_size:
            raise DataError(f"{path} has another image size than {paths[0]}; average teachers of one size")
    return teachers


def label_training_frames(
    teacher: TripletModel, dataset: TripletDataset, source: FrameSource, *, batch_size: int = 64, workers: int = 0
) -> Predictions:
    """Return the teacher's probabilities for every labelled frame of the videos it was trained on, and of no other.

    Raises:
        DataError: if the data set lacks one of these videos, has another vocabulary, or another image size.
    """
    refuse_another_vocabulary(teacher, dataset)
    videos = dataset.subset(teacher.record.trained_on)
    return predict_videos(teacher, videos, source, batch_size=batch_size, workers=workers, kind="soft labels")


def refuse_another_vocabulary(teacher: TripletModel, dataset: TripletDataset) -> None:
    """Refuse a data set that the teacher was not trained on.

    Raises:
        DataError: if the vocabularies differ.
    """
    if teacher.vocabulary != dataset.vocabulary:
        raise DataError(
            f"the teacher was trained with {teacher.vocabulary.size('triplet')} triplets and other names than "
            f"{dataset.root} has; use the data set it was trained on"
        )
