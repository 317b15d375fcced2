"""Batches with soft labels: they pass through nnU-Net's own loader and augmentation beside image and labels.

A case's image and soft labels are handed to nnU-Net's loader as one stack of channels, of which it cuts a patch. Before
nnU-Net's transforms the stack is taken apart, and the soft labels go through them as a regression target, that is like
an image in space and untouched in intensity; then the stack is put together again. Soft labels of many classes stay as
they are stored: where each voxel came from goes through the transforms in their place, and tells which to take.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from nnunetv2.training.dataloading.data_loader import nnUNetDataLoader
from nnunetv2.training.nnUNetTrainer import nnUNetTrainer as trainer_module
from numpy.typing import NDArray
from torch import Tensor

from nnunet_dsd.soft_labels.codec import Layout
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.trainers.kd_loss import SoftLabels

UNLABELLED = "unlabelled/"  # before the names of images without labels, which no case of nnU-Net's can have
NOTHING_STORED = Layout(0)  # teachers that look at the batch themselves: it is known only where there is an image


class StackedCase:
    """The channels of an image, of its soft labels, and of where there are any; read where it is indexed.

    Of few classes these are probabilities, of many the planes as they are stored.

    Args:
        image: `(C, *S)`, an array or one on disk.
        planes: `(P, *S)` on disk; None: there are no soft labels.
        layout: What the planes mean.
    """

    def __init__(self, image: Any, planes: Any | None, layout: Layout) -> None:
        self.image, self.planes, self.layout = image, planes, layout
        self.shape = (image.shape[0] + layout.planes + 1, *image.shape[1:])
        self.ndim = len(self.shape)

    def __getitem__(self, place: tuple[slice, ...]) -> NDArray[np.float32]:
        """Return a patch of all channels; the first index is ignored, as nnU-Net takes all."""
        image = np.asarray(self.image[place], dtype=np.float32)
        soft = np.zeros((self.layout.planes + 1, *image.shape[1:]), dtype=np.float32)
        if self.planes is not None:
            planes = np.ascontiguousarray(self.planes[place])
            soft[:-1] = self.layout.decode(torch.from_numpy(planes)).numpy() if self.layout.is_dense else planes
            soft[-1] = 1.0
        return np.concatenate([image, soft])


class SoftLabelCases:
    """Labelled and unlabelled cases, in the form in which nnU-Net's loader reads a data set.

    Args:
        labelled: nnU-Net's data set of the training cases.
        unlabelled: nnU-Net's data set of the images without labels; None: there are none.
        soft_labels: Of both.
        layout: What is taken of them: all that is stored, or `NOTHING_STORED`.
    """

    def __init__(self, labelled: Any, unlabelled: Any, soft_labels: SoftLabelSet, layout: Layout) -> None:
        self.labelled, self.unlabelled = labelled, unlabelled
        self.soft_labels, self.layout = soft_labels, layout
        self.without_labels = [UNLABELLED + name for name in unlabelled.identifiers] if unlabelled else []
        self.identifiers = [*labelled.identifiers, *self.without_labels]

    def load_case(self, identifier: str) -> tuple[StackedCase, Any, Any, dict[str, Any]]:
        """Return a case as nnU-Net's data sets do, with the soft labels stacked onto the image."""
        is_unlabelled = identifier.startswith(UNLABELLED)
        name = identifier.removeprefix(UNLABELLED)
        image, labels, previous, properties = (self.unlabelled if is_unlabelled else self.labelled).load_case(name)
        known = is_unlabelled or name in self.soft_labels.manifest.labelled
        planes = self._planes(name, image) if known else None
        return StackedCase(image, planes, self.layout), labels, previous, properties

    def _planes(self, name: str, image: Any) -> Any:
        if self.layout == NOTHING_STORED:
            return np.empty((0, *image.shape[1:]), dtype=np.uint8)
        return self.soft_labels.planes(name)


class SoftLabelLoader(nnUNetDataLoader):
    """nnU-Net's loader with a fixed number of images without labels in every batch.

    Args:
        cases: What to draw from.
        unlabelled: How many of each batch have no labels.
        transforms: nnU-Net's.
        arguments: nnU-Net's own, by position and by name.
    """

    def __init__(self, cases: SoftLabelCases, *arguments: Any, unlabelled: int, transforms: Any, **named: Any) -> None:
        carried = CarriedSoftLabels(transforms, cases.layout)
        super().__init__(cases, *arguments, transforms=carried, **named)
        self.unlabelled = unlabelled

    def get_indices(self) -> list[str]:
        """Return the names of a batch's cases, in an order by chance: nnU-Net looks for structures in the last ones."""
        cases: SoftLabelCases = self._data
        drawn = [*np.random.choice(cases.labelled.identifiers, self.batch_size - self.unlabelled, replace=True)]
        if self.unlabelled:
            drawn += [*np.random.choice(cases.without_labels, self.unlabelled, replace=True)]
        return [str(drawn[position]) for position in np.random.permutation(len(drawn))]


class CarriedSoftLabels:
    """nnU-Net's transforms, with soft labels carried through them.

    Args:
        transforms: nnU-Net's, which take and return an image and its labels.
        layout: Of the soft labels.
    """

    def __init__(self, transforms: Any, layout: Layout) -> None:
        self.transforms, self.layout = transforms, layout

    def __call__(self, *, image: Tensor, segmentation: Tensor) -> dict[str, Any]:
        """Transform a stack `(C + P + 1, *S)` and labels; return a stack `(C + P + 1, *S')` and labels."""
        channels = image.shape[0] - self.layout.planes - 1
        image, soft, inside = image[:channels], image[channels:-1], image[-1:]
        carried = soft if self.layout.is_dense else coordinates(soft.shape[1:]) * inside
        done = self.transforms(image=image, segmentation=segmentation, regression_target=torch.cat([carried, inside]))
        moved, share = done["regression_target"][:-1], done["regression_target"][-1:]
        known = share > 0.5  # past the border of the image there are no soft labels
        moved = torch.where(known, moved / share.clamp_min(0.5), 0.0)
        handed = moved if self.layout.is_dense else nearest(soft, moved) * known
        return {**done, "image": torch.cat([done["image"], handed, known.float()])}


def coordinates(shape: Sequence[int]) -> Tensor:
    """Return where each voxel of a patch is: `(D, *S)`, numbered from 0 along each of the D axes."""
    return torch.stack(torch.meshgrid(*(torch.arange(float(size)) for size in shape), indexing="ij"))


def nearest(planes: Tensor, places: Tensor) -> Tensor:
    """Return the values `(P, *S')` of planes `(P, *S)` at the voxels nearest to places `(D, *S')`."""
    indices = [axis.round().long().clamp(0, size - 1) for axis, size in zip(places, planes.shape[1:], strict=True)]
    place: tuple[Any, ...] = (slice(None), *indices)
    return planes[place]


def unstack(batch: Tensor, names: Sequence[str], layout: Layout) -> tuple[Tensor, SoftLabels]:
    """Take a batch `(B, C + P + 1, *S)` of the loader apart: the images `(B, C, *S)`, and what teaches them.

    Args:
        batch: On the device where the soft labels are used.
        names: Of the batch's cases.
        layout: Of the soft labels.
    """
    images, handed, inside = batch.split([batch.shape[1] - layout.planes - 1, layout.planes, 1], dim=1)
    if not layout.is_dense:
        handed = torch.stack([layout.decode(row) for row in handed.to(layout.dtype)])
    labelled = tuple(not name.startswith(UNLABELLED) for name in names)
    return images.contiguous(), SoftLabels(handed, inside, labelled)


def unlabelled_rows(fraction: float, batch_size: int) -> int:
    """Return how many rows of a batch have no labels: the nearest number, at least one, and never all."""
    return min(max(math.floor(fraction * batch_size + 0.5), 1), batch_size - 1) if fraction > 0 else 0


@contextmanager
def loading_soft_labels(unlabelled: int) -> Iterator[None]:
    """Let nnU-Net's trainer build its training loader as a `SoftLabelLoader` while the block runs.

    `nnUNetTrainer.get_dataloaders` names the loader's class and offers no other way in; validation keeps nnU-Net's.
    """

    def loader(data: Any, *arguments: Any, **named: Any) -> nnUNetDataLoader:
        if isinstance(data, SoftLabelCases):
            return SoftLabelLoader(data, *arguments, unlabelled=unlabelled, **named)
        return nnUNetDataLoader(data, *arguments, **named)

    trainer_module.nnUNetDataLoader = loader
    try:
        yield
    finally:
        trainer_module.nnUNetDataLoader = nnUNetDataLoader
