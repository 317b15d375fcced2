"""A trained clip classifier as one file: weights, how to build the network, classes, settings and provenance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from nnunet_dsd.common.errors import CheckpointError
from video_triplet.clips.decoding import Fit, Size
from video_triplet.clips.networks import ClipNetwork
from video_triplet.clips.settings import ClipSettings, read_clip_settings
from video_triplet.data.provenance import ModelRecord
from video_triplet.models.model_file import find_device, read_content, refuse_changed_weights, write_content

CLIPS = "clips"
FrameKind = tuple[Size, Fit]


@dataclass(frozen=True)
class ClipModel:
    """A trained network with everything that is needed to use it and to know where it comes from.

    Attributes:
        network: In evaluation mode.
        classes: Names by number.
        layout: Of the data set it was trained on, `"ucf101"` or `"hmdb51"`.
        settings: Of its training.
        frames: Height and width in pixels of the frames that clips were cut from, and how they were brought to it; None
            in files of versions that did not keep it.
        record: Which videos it has seen; its fold is the number of the official split.
    """

    network: ClipNetwork
    classes: tuple[str, ...]
    layout: str
    settings: ClipSettings
    record: ModelRecord
    frames: FrameKind | None = None


def build_clip_network(settings: ClipSettings, classes: int, *, weights: str | None = None) -> ClipNetwork:
    """Build the network that settings ask for; `weights` replaces those of the settings."""
    return ClipNetwork(
        settings.encoder,
        classes,
        frames=settings.frames,
        size=settings.clip_size,
        weights=settings.weights if weights is None else weights,
        options=settings.encoder_arguments,
        least_loaded=settings.least_loaded,
    )


def save_clip_weights(
    path: Path,
    state: Mapping[str, Tensor],
    *,
    classes: tuple[str, ...],
    layout: str,
    settings: ClipSettings,
    record: ModelRecord,
    frames: FrameKind,
) -> None:
    """Write a model file from weights that are not in a network."""
    size, fit = frames
    shown = {"size": list(size), "fit": fit}
    write_content(path, state, settings, record, kind=CLIPS, classes=list(classes), layout=layout, frames=shown)


def load_clip_model(path: Path, *, device: str | None = "cpu") -> ClipModel:
    """Read a model file; the network comes in evaluation mode.

    Args:
        path: Of the file.
        device: As of `video_triplet.models.model_file.find_device`.

    Raises:
        SetupError: if there is no such device.
        CheckpointError: if the file is missing, cut off, not that of a clip classifier, or its weights are not those of
            its record.
    """
    content, place = read_content(path, made_by="video-triplet train-clips"), find_device(device)
    if content.get("kind") != CLIPS:
        raise CheckpointError(f"{path} is not a model of clips; `video-triplet train-clips` makes such")
    try:
        classes, layout = tuple(content["classes"]), str(content["layout"])
        settings = read_clip_settings(content["settings"], source=str(path))
        record = ModelRecord.from_json(content["record"])
        frames = _frame_kind(content.get("frames"))
        network = build_clip_network(settings, len(classes), weights="none")
        network.load_state_dict(content["weights"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this version: {error}") from error
    refuse_changed_weights(path, content["weights"], record)
    return ClipModel(network.to(place).eval(), classes, layout, settings, record, frames)


def _frame_kind(content: Mapping[str, Any] | None) -> FrameKind | None:
    if content is None:
        return None
    height, width = content["size"]
    return (int(height), int(width)), content["fit"]
