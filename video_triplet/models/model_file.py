"""A trained model as one file: weights, how to build the network, vocabulary, settings and provenance.

It holds tensors, numbers and text only, and is read with torch's safe loader.
"""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nnunet_dsd.common.errors import CheckpointError, SetupError
from nnunet_dsd.common.files import whole_file
from nnunet_dsd.common.hashes import weights_hash
from video_triplet.data.provenance import ModelRecord
from video_triplet.models.networks import TripletNetwork
from video_triplet.models.run_files import require_model_file
from video_triplet.settings import TripletSettings, read_triplet_settings
from video_triplet.vocabulary import Vocabulary

SCHEMA = 1
TRIPLETS = "triplets"  # the kind of files that name none


@dataclass(frozen=True)
class TripletModel:
    """A trained network with everything that is needed to use it and to know where it comes from."""

    network: TripletNetwork
    vocabulary: Vocabulary
    settings: TripletSettings
    record: ModelRecord

    def save(self, path: Path) -> None:
        """Write the file as a whole."""
        save_weights(path, self.network.state_dict(), self.vocabulary, self.settings, self.record)


def build_network(settings: TripletSettings, vocabulary: Vocabulary, *, weights: str | None = None) -> TripletNetwork:
    """Build the network that settings and a vocabulary ask for; `weights` replaces those of the settings."""
    return TripletNetwork(
        settings.backbone,
        {head: vocabulary.size(head) for head in settings.heads},
        image_size=settings.image_size,
        weights=settings.weights if weights is None else weights,
        options=settings.backbone_arguments,
    )


def save_weights(
    path: Path, state: Mapping[str, Tensor], vocabulary: Vocabulary, settings: TripletSettings, record: ModelRecord
) -> None:
    """Write a model file from weights that are not in a network."""
    write_content(path, state, settings, record, vocabulary=vocabulary.to_json())


def write_content(path: Path, state: Mapping[str, Tensor], settings: Any, record: ModelRecord, **more: Any) -> None:
    """Write a model file of any kind as a whole.

    Args:
        path: Of the file.
        state: The weights.
        settings: A dataclass.
        record: Of the weights.
        more: What else belongs to the kind: tensors, numbers and text only.
    """
    content = {
        "schema": SCHEMA,
        "weights": {name: values.detach().cpu() for name, values in state.items()},
        **more,
        "settings": dataclasses.asdict(settings),
        "record": record.to_json(),
    }
    with whole_file(path) as temporary:
        torch.save(content, temporary)


def read_record(path: Path) -> ModelRecord:
    """Return the provenance that a model file of any kind states, without building its network.

    Raises:
        CheckpointError: if the file is missing, cut off, or no model file.
    """
    content = read_content(path, made_by="video-triplet train", with_weights=False)
    try:
        return ModelRecord.from_json(content["record"])
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this version: {error}") from error


def find_device(name: str | None = None) -> torch.device:
    """Return a device that works: the one of that name, or CUDA where there is one, otherwise the CPU.

    Raises:
        SetupError: if there is no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise SetupError(f"the device {name!r} cannot be used ({reason}); give cpu, cuda or cuda:NUMBER") from error
    return device


def load_model(path: Path, *, device: str | None = "cpu") -> TripletModel:
    """Read a model file; the network comes in evaluation mode.

    Args:
        path: Of the file.
        device: As of `find_device`.

    Raises:
        SetupError: if there is no such device.
        CheckpointError: if the file is missing, cut off, not a model file, or its weights are not those of its record.
    """
    content, place = read_content(path, made_by="video-triplet train"), find_device(device)
    if content.get("kind", TRIPLETS) != TRIPLETS:
        raise CheckpointError(f"{path} is a model of {content['kind']}; use `video-triplet test-clips`")
    try:
        vocabulary = Vocabulary.from_json(content["vocabulary"])
        settings = read_triplet_settings(content["settings"], source=str(path))
        record = ModelRecord.from_json(content["record"])
        network = build_network(settings, vocabulary, weights="none")
        network.load_state_dict(content["weights"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise CheckpointError(f"{path} does not fit this version: {error}") from error
    refuse_changed_weights(path, content["weights"], record)
    return TripletModel(network.to(place).eval(), vocabulary, settings, record)


def refuse_changed_weights(path: Path, weights: Mapping[str, Tensor], record: ModelRecord) -> None:
    """Refuse weights that are not those of their record.

    Raises:
        CheckpointError: with both hashes.
    """
    found = weights_hash(weights)
    if found != record.checkpoint:
        raise CheckpointError(f"{path} has been changed: its weights have the hash {found}, not {record.checkpoint}")


def read_content(path: Path, *, made_by: str, with_weights: bool = True) -> dict[str, Any]:
    """Return what a model file of any kind holds.

    Args:
        path: Of the file.
        made_by: The command that writes such files, for the message.
        with_weights: Whether the values of the weights are read; without them they are on the meta device.

    Raises:
        CheckpointError: if the file is missing, cut off, or no model file.
    """
    require_model_file(path)
    try:
        content = torch.load(path, map_location="cpu" if with_weights else "meta", weights_only=True)
    except (OSError, EOFError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        raise CheckpointError(f"{path} is not a whole model file ({type(error).__name__}); copy it again") from error
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise CheckpointError(f"{path} is not a model file of schema {SCHEMA}, which `{made_by}` writes")
    return content
