"""A deployed model as a Python object."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.deploy.runtime.description import read_description
from nnunet_dsd.deploy.runtime.labels import label_map
from nnunet_dsd.deploy.runtime.preparing import Prepared, prepare
from nnunet_dsd.deploy.runtime.windows import predict_logits
from nnunet_dsd.graphs.runtime.engines import load_network
from nnunet_dsd.graphs.runtime.folders import DeployedModelError


class Predictor:
    """A deployed model, loaded once for any number of images.

    Args:
        folder: What `nnunet-dsd deploy` wrote.
        step: Of the sliding window, as a part of the patch.
        mirror: Average over mirrored patches, as the training mirrored them: better by little, slower by far.
        device: Where to compute.
        threads: Of the processor; None: the runtime's choice.

    Raises:
        DeployedModelError: if the folder is damaged, or its runtime is missing.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        step: float = 0.5,
        mirror: bool = False,
        device: str = "cpu",
        threads: int | None = None,
    ) -> None:
        if not 0 < step <= 1:
            raise DeployedModelError(f"a step of the window is above 0 and at most 1, got {step}")
        self.description = read_description(Path(folder))
        self.step, self.mirror_axes = step, self.description.mirror_axes if mirror else ()
        self.network = load_network(Path(folder), self.description, device=device, threads=threads)

    def __call__(self, image: NDArray[Any], spacing: Sequence[float]) -> NDArray[Any]:
        """Return the label map `(*S)` of an image.

        Args:
            image: `(C, *S)`, or `(*S)` of one channel; S are three axes, in SimpleITK's order z, y, x.
            spacing: In mm, in the order of S.

        Raises:
            DeployedModelError: if the image is not of the model's channels, or its spacing is none.
        """
        image = np.asarray(image, dtype=np.float32)
        image = image[None] if image.ndim == 3 else image
        channels = len(self.description.channels)
        if image.ndim != 4 or len(image) != channels or not _is_spacing(spacing):
            raise DeployedModelError(
                f"an image ({channels}, z, y, x) and three edges of a voxel in mm are needed, got {image.shape} and "
                f"{spacing}"
            )
        prepared = prepare(image, tuple(float(edge) for edge in spacing), self.description)
        return label_map(self.logits(prepared), prepared, self.description)

    def logits(self, prepared: Prepared) -> NDArray[np.float16]:
        """Return the logits `(K, *P)` of a prepared image."""
        return self.array_logits(prepared.array)

    def array_logits(self, array: NDArray[np.float32]) -> NDArray[np.float16]:
        """Return the logits `(K, *P)` of a prepared image's array `(C, *P)`."""
        return predict_logits(
            self.network,
            array,
            patch=self.description.patch_size,
            outputs=self.description.outputs,
            step=self.step,
            mirror=self.mirror_axes,
        )


def _is_spacing(spacing: Any) -> bool:
    edges = np.asarray(spacing, dtype=np.float64)
    return edges.shape == (3,) and bool(np.all(np.isfinite(edges) & (edges > 0)))
