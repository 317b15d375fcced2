"""What of a model may leave the house: its weights and how they were made, nothing of any case and no path."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.trainers.checkpoint import STOCK_KEYS, require_parts
from nnunet_dsd.trainers.path_patterns import last_part, text_without_paths
from nnunet_dsd.trainers.term_trainer import LOG_PREFIX

# What nnU-Net reads of a dataset.json, and what tells where the data come from; not its lists of cases and files.
DATASET_KEYS = (
    *("name", "description", "reference", "licence", "license", "release", "citation"),
    *("channel_names", "modality", "labels", "regions_class_order", "numTraining", "file_ending"),
    "overwrite_image_reader_writer",
)
INIT_ARGUMENTS = ("plans", "configuration", "fold", "dataset_json", "device")
SCRUBBED = ("logging", "init_args", "trainer_name", "inference_allowed_mirroring_axes")


def published_plans(plans: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of plans in which a teacher is named by its model folder's name, and no text holds a path."""
    copied: dict[str, Any] = without_paths(plans)
    for configuration in copied.get("configurations", {}).values():
        block = configuration.get(PLANS_KEY) or {}
        for table in (block, block.get("hlfd") or {}):  # those of earlier versions have no parts
            if table.get("feedback_teacher"):
                table["feedback_teacher"] = last_part(table["feedback_teacher"])
    return copied


def published_dataset(dataset_json: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a dataset.json without its lists of cases and files."""
    copied: dict[str, Any] = without_paths({key: dataset_json[key] for key in DATASET_KEYS if key in dataset_json})
    return copied


def published_checkpoint(checkpoint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a checkpoint with nothing but what stock nnU-Net reads, its weights untouched.

    Raises:
        CheckpointError: if it holds weights only.
    """
    require_parts(checkpoint, ("init_args", "logging"), source="the checkpoint")
    copied = {key: without_paths(value) if key in SCRUBBED else value for key, value in checkpoint.items()}
    copied = {key: value for key, value in copied.items() if key in STOCK_KEYS}
    arguments = {key: value for key, value in checkpoint["init_args"].items() if key in INIT_ARGUMENTS}
    copied["init_args"] = {
        **without_paths(arguments),
        "plans": published_plans(arguments.get("plans", {})),
        "dataset_json": published_dataset(arguments.get("dataset_json", {})),
    }
    copied["logging"] = {key: value for key, value in copied["logging"].items() if not key.startswith(LOG_PREFIX)}
    return copied


def without_paths(value: Any) -> Any:
    """Return a copy of nested tables and lists in which every path is only its last part; web addresses stay."""
    if isinstance(value, Mapping):
        return {key: without_paths(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(without_paths(entry) for entry in value)
    if isinstance(value, PurePath):
        return value.name
    return text_without_paths(value) if isinstance(value, str) else value
