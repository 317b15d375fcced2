"""Where the images of the drawn cases lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.evaluation.images import Volume, read_labels
from nnunet_dsd.evaluation.structures import LabelSet


@dataclass(frozen=True)
class ImageFiles:
    """Where the images of the cases lie, and how they are read.

    Attributes:
        images: nnU-Net's folder of images; the first channel is drawn.
        references: folder of reference label images.
        labels: how images and label images end and are read, and which label is `ignore`.
        labels_are_known: whether a dataset.json told this.
    """

    images: Path
    references: Path
    labels: LabelSet
    labels_are_known: bool = False

    def read(self, folder: Path, case: str) -> Volume:
        """Read a case's label image, the reference's or a prediction's.

        Raises:
            DataError: if it is not there, or cannot be read.
        """
        return read_labels(self.labels.label_path(folder, case), self.labels.reader)
