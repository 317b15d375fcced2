"""A deployed model of triplets as a Python object."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.graphs.runtime.engines import load_network
from nnunet_dsd.graphs.runtime.folders import DeployedModelError
from video_triplet.data.images import resize
from video_triplet.deploy.runtime.description import Description, read_description
from video_triplet.vocabulary import Head


class Predictor:
    """A deployed model, loaded once for any number of frames.

    Args:
        folder: What `video-triplet deploy` wrote.
        device: Where to compute.
        threads: Of the processor; None: the runtime's choice.

    Raises:
        DeployedModelError: if the folder is damaged, or its runtime is missing.
    """

    def __init__(self, folder: str | Path, *, device: str = "cpu", threads: int | None = None) -> None:
        self.description = read_description(Path(folder))
        self.network = load_network(Path(folder), self.description, device=device, threads=threads)

    def __call__(self, frame: NDArray[np.uint8]) -> dict[Head, NDArray[np.float32]]:
        """Return the probabilities of a frame, `(classes,)` by head.

        Args:
            frame: `(H, W, 3)` uint8 RGB, of any size.

        Raises:
            DeployedModelError: if it is no such frame, or the graph gives numbers that are not finite.
        """
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] != 3 or not frame.size:
            raise DeployedModelError(f"a frame is (H, W, 3) uint8, red, green, blue; got {frame.shape} {frame.dtype}")
        logits = self.network(network_input(frame, self.description)).reshape(-1)
        if len(logits) != self.description.outputs or not np.isfinite(logits).all():
            raise DeployedModelError(
                f"the graph gave {len(logits)} numbers, {self.description.outputs} that are finite were expected; "
                "deploy the model again, in f32"
            )
        probabilities = 0.5 + 0.5 * np.tanh(0.5 * logits)  # the sigmoid, which never overflows so
        sizes = [self.description.vocabulary.size(head) for head in self.description.heads]
        return dict(zip(self.description.heads, np.split(probabilities, np.cumsum(sizes)[:-1]), strict=True))


def network_input(frame: NDArray[np.uint8], description: Description) -> NDArray[np.float32]:
    """Return a frame `(H, W, 3)` as the graph takes it: `(1, 3, S, S)`, stretched and normalised as in training."""
    pixels = resize(frame, description.image_size).astype(np.float32)
    pixels -= np.array(description.mean, dtype=np.float32)
    pixels /= np.array(description.std, dtype=np.float32)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]
