"""The sliding window: patches through the graph, added up with nnU-Net's weights in nnU-Net's precision."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from nnunet_dsd.graphs.runtime.engines import Network
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

SIGMA, LARGEST_WEIGHT = 1 / 8, 10


def window_starts(size: int, patch: int, step: float) -> list[int]:
    """Return where patches begin along an axis: evenly, at most `step` patches apart, from end to end."""
    count = math.ceil((size - patch) / (patch * step)) + 1
    return [round((size - patch) / max(count - 1, 1) * index) for index in range(count)]


def windows(shape: Sequence[int], patch: Sequence[int], step: float) -> Iterator[tuple[slice | int, ...]]:
    """Yield the place of each patch in an image of a shape; flat patches go through it slice by slice."""
    flat = len(shape) - len(patch)
    starts = [window_starts(size, edge, step) for size, edge in zip(shape[flat:], patch, strict=True)]
    for lead in itertools.product(*(range(size) for size in shape[:flat])):
        for corner in itertools.product(*starts):
            yield (*lead, *(slice(start, start + edge) for start, edge in zip(corner, patch, strict=True)))


@lru_cache(maxsize=2)
def patch_weights(patch: tuple[int, ...]) -> NDArray[np.float16]:
    """Return how much each voxel of a patch counts: a Gaussian around its middle, nowhere 0."""
    point = np.zeros(patch)
    point[tuple(edge // 2 for edge in patch)] = 1
    weights = ndimage.gaussian_filter(point, [edge * SIGMA for edge in patch], mode="constant")
    half: NDArray[np.float16] = (weights / weights.max() * LARGEST_WEIGHT).astype(np.float16)
    half[half == 0] = half[half > 0].min()
    return half


def predict_logits(
    network: Network,
    image: NDArray[np.float32],
    *,
    patch: tuple[int, ...],
    outputs: int,
    step: float,
    mirror: Sequence[int],
) -> NDArray[np.float16]:
    """Return logits `(K, *S)` of a prepared image `(C, *S)`.

    Sums are kept in half precision, as nnU-Net keeps them: its label maps are the reference, ties included.

    Args:
        network: The graph.
        image: Smaller than a patch it is padded by zeros.
        patch: Voxels per axis.
        outputs: K.
        step: Of the window, as a part of the patch.
        mirror: Axes of the patch along which mirrored patches are averaged in.

    Raises:
        DeployedModelError: if the graph gives numbers that are not finite.
    """
    image, inner = padded_to_patch(image, patch)
    weights = patch_weights(patch)
    wide = weights.astype(np.float32)
    total = np.zeros((outputs, *image.shape[1:]), dtype=np.float16)
    counts = np.zeros(image.shape[1:], dtype=np.float16)
    for place in windows(image.shape[1:], patch, step):
        everywhere = (slice(None), *place)
        predicted = _mirrored_mean(network, np.ascontiguousarray(image[everywhere])[None], mirror)[0]
        if predicted.shape != (outputs, *patch):
            raise DeployedModelError(
                f"the graph gives {predicted.shape} for a patch, model.json says {(outputs, *patch)}; copy the folder "
                "again"
            )
        for sums, values in zip(total, predicted, strict=True):  # one by one: of many classes a copy takes gigabytes
            sums[place] = sums[place] + values * wide  # in float32, rounded to half where it is stored
        counts[place] += weights
    for sums in total:
        np.divide(sums, counts, out=sums)
        if not np.isfinite(sums).all():
            raise DeployedModelError(
                "the model gave numbers that are not finite; deploy it in f32, or repair the image"
            )
    unpadded = (slice(None), *inner)
    return total[unpadded]


def _mirrored_mean(network: Network, patch: NDArray[np.float32], mirror: Sequence[int]) -> NDArray[np.float32]:
    turns = [turn for count in range(len(mirror)) for turn in itertools.combinations(mirror, count + 1)]
    first = network(patch)
    if not turns:
        return first
    total: NDArray[np.float32] = first.copy()  # the first is the runtime's own memory, which the next patch takes
    for turn in turns:
        axes = tuple(axis + 2 for axis in turn)
        total += np.flip(network(np.ascontiguousarray(np.flip(patch, axes))), axes)
    total /= len(turns) + 1
    return total


def padded_to_patch(image: NDArray[np.float32], patch: Sequence[int]) -> tuple[NDArray[np.float32], tuple[slice, ...]]:
    """Return an image at least as large as a patch, and where in it the image is."""
    least = (*image.shape[: image.ndim - len(patch)], *patch)
    more = [max(low - size, 0) for size, low in zip(image.shape, least, strict=True)]
    padded = np.pad(image, [(count // 2, count - count // 2) for count in more]) if any(more) else image
    return padded, tuple(
        slice(count // 2, count // 2 + size) for count, size in zip(more[1:], image.shape[1:], strict=True)
    )
