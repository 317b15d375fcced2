"""Patches of real images, from which ranges of activations are taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.deploy.runtime.images import Case, read_image
from nnunet_dsd.deploy.runtime.preparing import prepare
from nnunet_dsd.deploy.runtime.windows import padded_to_patch, windows
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

PATCHES = 64  # that ranges are taken from; more changed nothing on Hippocampus
STEP = 0.5


def calibration_patches(cases: Sequence[Case], description: Description) -> list[NDArray[np.float32]]:
    """Return patches `(1, C, *patch)` of prepared images, as many of each image, spread through it evenly.

    Raises:
        DataError: if an image cannot be read.
    """
    share = max(PATCHES // len(cases), 1)
    return [patch for case in cases[:PATCHES] for patch in _patches(case, description, share)]


def _patches(case: Case, description: Description, count: int) -> Iterator[NDArray[np.float32]]:
    try:
        image, spacing, _ = read_image(case, description)
        array = prepare(image, spacing, description).array
    except DeployedModelError as error:
        raise DataError(f"{error}; --calibration takes images as they are predicted") from error
    array, _ = padded_to_patch(array, description.patch_size)
    places = list(windows(array.shape[1:], description.patch_size, STEP))
    for index in np.unique(np.linspace(0, len(places) - 1, min(count, len(places))).round().astype(int)):
        place = (slice(None), *places[index])
        yield np.ascontiguousarray(array[place])[None]
