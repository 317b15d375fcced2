"""Probabilities of a trained model, for labelled frames of a data set or for any images, without augmentation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.progress import track
from video_triplet.data.frame_sources import FrameSource
from video_triplet.data.frames import TripletFrames
from video_triplet.data.images import resize
from video_triplet.data.videos import Video
from video_triplet.models.model_file import TripletModel
from video_triplet.predictions.file import Kind, Predictions
from video_triplet.vocabulary import Head

Probabilities = dict[Head, NDArray[np.float32]]


def predict_videos(
    model: TripletModel,
    videos: Sequence[Video],
    source: FrameSource,
    *,
    batch_size: int = 64,
    workers: int = 0,
    kind: Kind = "predictions",
) -> Predictions:
    """Return the model's probabilities for every labelled frame of some videos.

    Args:
        model: Its network says on which device.
        videos: All their frames must be in `source`.
        source: Gives the pixels, at the model's image size.
        batch_size: Frames at once.
        workers: Processes that read frames.
        kind: What the file is for.

    Raises:
        DataError: if the source has another image size, or frames are missing.
    """
    check_image_size(model, source.size)
    frames = TripletFrames(videos, source, heads=())
    loader: DataLoader[Any] = DataLoader(frames, batch_size=batch_size, num_workers=workers)
    batches = (batch["image"] for batch in loader)
    progress = track(predict_batches(model, batches), total=len(loader), description="predict")
    probabilities = stack(list(progress))
    names = tuple(video.name for video in videos)
    video_ids = np.array([names.index(name) for name, _ in frames.rows], dtype=np.int64)
    frame_numbers = np.array([frame for _, frame in frames.rows], dtype=np.int64)
    return Predictions(model.vocabulary, names, video_ids, frame_numbers, probabilities, (model.record,), kind)


def predict_batches(model: TripletModel, batches: Iterable[torch.Tensor]) -> Iterator[Probabilities]:
    """Yield probabilities `(B, classes)` by head for each batch of images, uint8 `(B, 3, S, S)`."""
    device = next(model.network.parameters()).device
    model.network.eval()
    for images in batches:
        with torch.inference_mode():
            found = model.network.probabilities(images.to(device))
        yield {head: values.cpu().numpy() for head, values in found.items()}


def predict_images(models: Sequence[TripletModel], images: Sequence[NDArray[np.uint8]]) -> Probabilities:
    """Return the mean probabilities of several models for images of any size, `(B, classes)` by head.

    Args:
        models: At least one; only heads that all of them have are returned.
        images: B of them, each `(H, W, 3)` RGB.

    Raises:
        DataError: if there is no model, or they do not share a vocabulary.
    """
    if not models or any(model.vocabulary != models[0].vocabulary for model in models):
        raise DataError("give at least one model, and models of one vocabulary")
    found: list[Probabilities] = []
    for model in models:
        resized = np.stack([resize(image, model.settings.image_size) for image in images])
        found += predict_batches(model, [torch.from_numpy(resized).permute(0, 3, 1, 2)])
    heads = [head for head in found[0] if all(head in other for other in found)]
    return {head: np.asarray(np.mean([other[head] for other in found], axis=0), dtype=np.float32) for head in heads}


def stack(parts: Sequence[Probabilities]) -> Probabilities:
    """Return the rows of several batches together."""
    return {head: np.concatenate([part[head] for part in parts]) for head in parts[0]}


def check_image_size(model: TripletModel, size: int) -> None:
    """Refuse frames of another size than the model was trained with.

    Raises:
        DataError: with both sizes.
    """
    if size != model.settings.image_size:
        raise DataError(
            f"the frames are {size} pixels wide, the model was trained with {model.settings.image_size}; make a cache "
            "of that size with `video-triplet prepare --size`"
        )
