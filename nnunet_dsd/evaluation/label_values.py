"""Whether a label image holds the label values of its data set."""

from __future__ import annotations

import numpy as np

from nnunet_dsd.common.errors import MisfitError
from nnunet_dsd.evaluation.images import Volume


def require_known_values(volume: Volume, known: frozenset[int] | None) -> None:
    """Check that a label image holds no value the data set does not have; None accepts all.

    Raises:
        MisfitError: with the values and how many voxels have them.
    """
    if known is None:
        return
    foreign = volume.array[np.isin(volume.array, list(known), invert=True)]
    if foreign.size:
        values, counts = np.unique(foreign, return_counts=True)
        listed = ", ".join(f"{value} ({count} voxels)" for value, count in zip(values, counts, strict=True))
        raise MisfitError(
            f"{volume.path} holds label values that the data set does not have: {listed}; it has {sorted(known)}. "
            "Perhaps the image is of another data set, or this is the dataset.json of another."
        )
