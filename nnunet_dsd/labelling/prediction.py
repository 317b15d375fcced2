"""What several finished models say of one image on the student's voxels: their mean, and how far they are from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from numpy.typing import NDArray
from torch import Tensor

from nnunet_dsd.common.errors import DivergenceError, ShapeError
from nnunet_dsd.labelling.teachers import Teacher
from nnunet_dsd.trainers.finished import FinishedModel


@dataclass(frozen=True)
class PreparedCase:
    """A case as it is preprocessed for the student.

    Attributes:
        name: For messages.
        array: `(C, *S)`.
        files: Its image's files.
        spacing: Of the image in its file, in mm, in nnU-Net's order of the array's axes.
    """

    name: str
    array: NDArray[np.float32]
    files: tuple[Path, ...]
    spacing: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """What teachers say of a case.

    Attributes:
        probabilities: `(K, *S)`, float32, the mean over the teachers.
        disagreement: `(*S)`, mean divergence of a teacher from the mean, in nats.
        mean_disagreement: Over the voxels where any teacher sees a structure; 0 where none does.
        mean_everywhere: Over all voxels.
    """

    probabilities: Tensor
    disagreement: Tensor
    mean_disagreement: float
    mean_everywhere: float


class Panel:
    """Finished models that look at images one after the other; each is loaded when it is first needed.

    Args:
        teachers: The models.
        plans: The student's.
        manager: The student's configuration.
        mirroring: Let them look at mirrored images too, as they were trained.
        device: Where they run.
    """

    def __init__(
        self,
        teachers: Sequence[Teacher],
        *,
        plans: PlansManager,
        manager: ConfigurationManager,
        mirroring: bool,
        device: torch.device,
    ) -> None:
        self.teachers, self.plans, self.manager = teachers, plans, manager
        self.mirroring, self.device = mirroring, device
        self._loaded: dict[int, FinishedModel] = {}

    def load(self, positions: Iterable[int]) -> None:
        """Load the teachers at some positions, so that one that cannot be loaded is noticed before the first case.

        Raises:
            CheckpointError: if a checkpoint does not fit its plans.
        """
        for position in positions:
            self._model(position)

    def ask(self, case: PreparedCase, positions: Sequence[int]) -> Verdict:
        """Return what the teachers at some positions say of a case.

        Raises:
            DivergenceError: if one of them says something that is not a number.
        """
        regions = self._model(positions[0]).has_regions
        opinions = (self._opinion(position, case, regions=regions) for position in positions)
        return verdict(opinions, regions=regions)

    def _model(self, position: int) -> FinishedModel:
        if position not in self._loaded:
            teacher = self.teachers[position]
            self._loaded[position] = FinishedModel(
                teacher.model.folder,
                fold=teacher.record.fold,
                checkpoint=teacher.record.checkpoint,
                device=self.device,
                mirroring=self.mirroring,
            )
        return self._loaded[position]

    def _opinion(self, position: int, case: PreparedCase, *, regions: bool) -> Tensor:
        """Return a teacher's probabilities `(K, *S)` on the student's voxels."""
        model = self._model(position)
        if self.teachers[position].takes_these_images:
            logits = model.logits(case.array)
        else:
            prepared = model.preprocess(case.files)
            logits = self._on_the_students_voxels(position, model.logits(prepared.array), case)
        if not bool(torch.isfinite(logits.sum())):
            raise DivergenceError(
                f"{self.teachers[position].record.name} predicts numbers that are not finite for {case.name}: see "
                "whether that image holds any, or whether that training diverged"
            )
        return torch.sigmoid(logits) if regions else torch.softmax(logits, dim=0)

    def _on_the_students_voxels(self, position: int, logits: Tensor, case: PreparedCase) -> Tensor:
        """Resample logits `(K, *P)` as nnU-Net resamples a first stage's for its second, axes turned before."""
        teacher = self.teachers[position].model
        theirs, ours = teacher.plans_manager.transpose_forward, self.plans.transpose_forward
        turned = [list(theirs).index(axis) for axis in ours]
        current = _spacing(teacher.manager, [case.spacing[axis] for axis in theirs])
        logits = logits.permute(0, *(1 + axis for axis in turned))
        resampled: Any = teacher.manager.resampling_fn_probabilities(
            logits,
            list(case.array.shape[1:]),
            [current[axis] for axis in turned],
            _spacing(self.manager, [case.spacing[axis] for axis in ours]),
        )
        values: Tensor = torch.as_tensor(np.asarray(resampled)).float()
        return values


def _spacing(manager: ConfigurationManager, of_image: Sequence[float]) -> list[float]:
    """Return the voxel size of preprocessed images in mm; of slices a 2D configuration keeps the image's distance."""
    planned = [float(value) for value in manager.spacing]
    return planned if len(planned) == len(of_image) else [of_image[0], *planned]


def verdict(opinions: Any, *, regions: bool) -> Verdict:
    """Return the mean of several probabilities `(K, *S)`, and their mean divergence from it.

    The mean of KL(member || mean) over the members is the entropy of the mean minus the mean of the entropies, so that
    no member needs to be kept.

    Args:
        opinions: The members' probabilities, one by one.
        regions: Channels are independent regions.

    Raises:
        ShapeError: if there is no member, or their shapes differ.
    """
    total, negative_entropy, seen, count = None, None, None, 0
    for opinion in opinions:
        count += 1
        inner = negative_entropies(opinion, regions=regions)
        foreground = _foreground(opinion, regions=regions)
        if total is None or negative_entropy is None or seen is None:
            total, negative_entropy, seen = opinion.clone(), inner, foreground
        elif opinion.shape != total.shape:
            raise ShapeError(f"a teacher says something of {tuple(opinion.shape)}, another of {tuple(total.shape)}")
        else:
            total += opinion
            negative_entropy += inner
            seen |= foreground
        del opinion  # before the next is made: of many classes each takes gigabytes
    if total is None or negative_entropy is None or seen is None:
        raise ShapeError("there is no teacher to ask")
    mean = total.div_(count)
    disagreement = (negative_entropy / count - negative_entropies(mean, regions=regions)).clamp_min(0)
    where_seen = float(disagreement[seen].mean()) if bool(seen.any()) else 0.0
    return Verdict(mean, disagreement, where_seen, float(disagreement.mean()))


def negative_entropies(probabilities: Tensor, *, regions: bool) -> Tensor:
    """Return the sum of p log p over classes, or over both outcomes of each region: `(*S)` of `(K, *S)`, in nats."""
    total = torch.zeros_like(probabilities[0])
    for channel in probabilities:
        total += torch.special.xlogy(channel, channel)
        if regions:
            total += torch.special.xlogy(1 - channel, 1 - channel)
    return total


def _foreground(probabilities: Tensor, *, regions: bool) -> Tensor:
    return (probabilities > 0.5).any(0) if regions else probabilities.argmax(0) > 0
