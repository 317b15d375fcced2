"""What nnU-Net's preprocessing makes of an image by some plans, and how it is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from nnunetv2.training.dataloading.nnunet_dataset import comp_blosc2_params, nnUNetDatasetBlosc2
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray

from nnunet_dsd.soft_labels.folder import writing
from nnunet_dsd.trainers.teacher import PREPARATION

IMAGE, LABELS, PROPERTIES = ".b2nd", "_seg.b2nd", ".pkl"  # nnU-Net's files of a preprocessed case


def preparation_of(plans: PlansManager, manager: ConfigurationManager) -> dict[str, Any]:
    """Return everything in plans that decides what a preprocessed image looks like, as JSON holds it."""
    described = {name: manager.configuration.get(name) for name in PREPARATION}
    described |= {"spacing": manager.spacing, "transpose_forward": plans.transpose_forward}
    described["intensities"] = plans.foreground_intensity_properties_per_channel
    described["reader"] = plans.plans["image_reader_writer"]
    plain: dict[str, Any] = json.loads(json.dumps(described))
    return plain


def preprocess(
    images: Sequence[Path], plans: PlansManager, manager: ConfigurationManager, dataset_json: Mapping[str, Any]
) -> tuple[NDArray[np.float32], NDArray[Any], dict[str, Any]]:
    """Return an image without labels as nnU-Net preprocesses it.

    Args:
        images: Its files, a channel each, or one with all.
        plans: The plans.
        manager: One of their configurations.
        dataset_json: The data set's description.

    Returns:
        The image `(C, *S)`; labels `(1, *S)`, all 0 but for -1 where the image is 0 outside; nnU-Net's properties.
    """
    preprocessor: Any = manager.preprocessor_class(verbose=False)
    files = [str(path) for path in images]
    array, outside, properties = preprocessor.run_case(files, None, plans, manager, dict(dataset_json))
    return np.asarray(array, dtype=np.float32), np.asarray(outside), properties


def save_preprocessed(
    folder: Path,
    case: str,
    array: NDArray[np.float32],
    labels: NDArray[Any],
    properties: dict[str, Any],
    manager: ConfigurationManager,
) -> None:
    """Write a case as nnU-Net's preprocessing writes it, the properties last.

    Args:
        folder: Where to.
        case: Its name.
        array: The image `(C, *S)`.
        labels: `(1, *S)`.
        properties: nnU-Net's.
        manager: The configuration, whose patch size decides how the arrays are cut.

    Raises:
        SetupError: if it cannot be written, as on a full disk.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for ending in (IMAGE, LABELS, PROPERTIES):
        (folder / f"{case}{ending}").unlink(missing_ok=True)  # blosc2 writes over no file
    labels = labels.astype(np.int16, copy=False)
    blocks, chunks = stored_blocks(array.shape, manager, array.itemsize)
    label_blocks, label_chunks = stored_blocks(labels.shape, manager, labels.itemsize)
    with writing(folder / case):
        nnUNetDatasetBlosc2.save_case(
            array,
            labels,
            properties,
            str(folder / case),
            chunks=chunks,
            blocks=blocks,
            chunks_seg=label_chunks,
            blocks_seg=label_blocks,
        )


def stored_blocks(
    shape: Sequence[int], manager: ConfigurationManager, item_bytes: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return how nnU-Net cuts an array `(C, *S)` for storage by a configuration's patches: blocks and chunks."""
    blocks, chunks = comp_blosc2_params(shape, tuple(manager.patch_size), item_bytes)
    return tuple(blocks), tuple(chunks)
