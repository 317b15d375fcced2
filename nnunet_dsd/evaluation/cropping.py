"""Where structures lie in label images, so that only that part is looked at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import find_objects

from nnunet_dsd.evaluation.structures import Structure

Box = tuple[slice, ...]


def label_boxes(labels: NDArray[np.integer[Any]]) -> dict[int, Box]:
    """Find the smallest box around every value above 0 of a label image (any shape), in one pass."""
    return {value: box for value, box in enumerate(find_objects(labels), start=1) if box is not None}


def common_box(structure: Structure, images: Sequence[Mapping[int, Box]], axes: int) -> Box:
    """Find the smallest box that holds a structure in all of the images; empty where none has it.

    Nothing of the structure lies outside, and the outside of an image is no structure either, so surfaces and
    distances are the same in the box as in the whole images.

    Args:
        structure: one label or several.
        images: the boxes of each image's labels.
        axes: dimensions of the images.
    """
    boxes = [image[label] for image in images for label in structure.labels if label in image]
    if not boxes:
        return (slice(0, 0),) * axes
    return tuple(
        slice(min(side.start for side in sides), max(side.stop for side in sides)) for sides in zip(*boxes, strict=True)
    )
