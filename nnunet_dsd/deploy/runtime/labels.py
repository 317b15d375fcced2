"""From logits back to a label map of the image, one output channel at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.deploy.runtime.preparing import Prepared
from nnunet_dsd.deploy.runtime.resampling import resample, separate_axis


def label_map(logits: NDArray[np.float16], prepared: Prepared, description: Description) -> NDArray[Any]:
    """Return the label map `(*S)` of a whole image in its file's order of axes.

    Of all classes no more than one is ever held at the image's resolution.

    Args:
        logits: `(K, *P)`, on the voxels of the prepared image.
        prepared: That image.
        description: The model's.
    """
    shape = tuple(one.stop - one.start for one in prepared.crop)
    how = description.logits_resampling
    axis = separate_axis(prepared.model_spacing, prepared.spacing, how.separate_z)
    labels = np.zeros(shape, dtype=np.uint16 if description.wide_labels else np.uint8)
    likeliest: NDArray[Any] | None = None
    for channel, values in enumerate(logits):
        values = resample(values, shape, how, axis).astype(np.float16)
        if description.region_labels is not None:
            labels[values.astype(np.float32) > 0] = description.region_labels[channel]
        elif likeliest is None:
            likeliest = values.astype(np.float32)
        else:
            better = values > likeliest
            labels[better] = channel
            likeliest[better] = values[better]
    whole: NDArray[Any] = np.zeros(prepared.shape, dtype=labels.dtype)
    whole[prepared.crop] = labels
    turned_back = [description.transpose.index(axis) for axis in range(whole.ndim)]
    turned: NDArray[Any] = whole.transpose(turned_back)
    return turned
