"""Where the images of the drawn cases lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.evaluation.images import Reader


@dataclass(frozen=True)
class ImageFiles:
    """Where the images of the cases lie, and what their dataset.json says.

    Attributes:
        images: nnU-Net's folder of images; the first channel is drawn.
        references: folder of reference label images.
        file_ending: of images and label images.
        ignore_label: the label value for `ignore`, if the data set is known to have one.
        labels_are_known: whether a dataset.json told this.
        reader: nnU-Net's reader that the data set names; None: the one that nnU-Net chooses for a file.
    """

    images: Path
    references: Path
    file_ending: str
    ignore_label: int | None = None
    labels_are_known: bool = False
    reader: Reader | None = None
