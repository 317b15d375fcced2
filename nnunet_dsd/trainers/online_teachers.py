"""Teachers that look at the augmented patches of a batch themselves, each at the rows that it may teach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import TeacherError
from nnunet_dsd.common.hashes import weights_hash
from nnunet_dsd.distillation.hierarchical import Place
from nnunet_dsd.distillation.kd import Shown
from nnunet_dsd.networks.backbones import describe_network
from nnunet_dsd.networks.feedback import FeedbackLevels, TeacherNetwork, bottleneck_of
from nnunet_dsd.soft_labels.manifest import Manifest, TeacherRecord
from nnunet_dsd.trainers.soft_label_data import UNLABELLED
from nnunet_dsd.trainers.teacher import TeacherModel, find_model, load_networks, teacher_problems
from nnunet_dsd.trainers.teacher_patch import check_on_a_patch

BOTTLENECK = Place("feature")


class Look(NamedTuple):
    """What teachers say of a batch: mean probabilities `(B, C, *S)`, 0 in rows without a teacher; their bottlenecks."""

    probabilities: Tensor
    shown: tuple[Shown, ...]


class OnlineTeachers:
    """Frozen networks that look at batches.

    Args:
        networks: In the order of the manifest.
        manifest: Which of them may teach which case.
        features: Whether they show their bottlenecks.
    """

    def __init__(self, networks: Sequence[TeacherNetwork], manifest: Manifest, *, features: bool) -> None:
        self.networks, self.manifest, self.features = tuple(networks), manifest, features
        for network in self.networks:
            network.ask([BOTTLENECK] if features else [])

    def may_teach(self, name: str) -> tuple[int, ...]:
        """Return the positions of the teachers of a case as the loader calls it; of an image without labels all are."""
        everybody = tuple(range(len(self.networks)))
        return everybody if name.startswith(UNLABELLED) else tuple(self.manifest.labelled.get(name, ()))

    def look(self, images: Tensor, names: Sequence[str]) -> Look:
        """Let each teacher look at the rows of images `(B, C, *S)` that it may teach."""
        allowed = [self.may_teach(name) for name in names]
        total = images.new_zeros((len(names), self.manifest.classes, *images.shape[2:]), dtype=torch.float32)
        shown = []
        for position, network in enumerate(self.networks):
            rows = [row for row, teachers in enumerate(allowed) if position in teachers]
            if not rows:
                continue
            views = network(images if len(rows) == len(names) else images[rows])
            logits = views.output.float()
            total[rows] += logits.sigmoid() if self.manifest.regions else logits.softmax(1)
            if self.features:
                shown.append(Shown(tuple(rows), BOTTLENECK.of(views)))
        counts = torch.tensor([max(len(teachers), 1) for teachers in allowed], device=images.device)
        return Look(total / counts.view(-1, *[1] * (total.ndim - 1)), tuple(shown))


def load_online_teachers(manifest: Manifest, trainer: Any, *, features: bool) -> OnlineTeachers:
    """Find, check and load the models that made soft labels.

    Args:
        manifest: Of the soft labels.
        trainer: The student's, whose patches they are to look at.
        features: Whether they show their bottlenecks.

    Raises:
        TeacherError: if they are gone, changed, or cannot look at the student's patches; all reasons at once.
    """
    empty = torch.zeros(1, trainer.num_input_channels, *trainer.configuration_manager.patch_size)
    models, problems = [], []
    for record in manifest.teachers:
        try:
            models.append(_found(record, trainer))
        except TeacherError as error:
            problems.append(str(error))
    if problems:
        raise TeacherError.listing("teachers that look at the patches (--teacher-online)", problems)
    networks = []
    for model, record in zip(models, manifest.teachers, strict=True):
        network = _loaded(model, record).to(trainer.device)
        teacher = TeacherNetwork(network, _levels(network, features=features))
        check_on_a_patch(teacher, empty.to(trainer.device), classes=manifest.classes, model=model)
        networks.append(teacher)
    return OnlineTeachers(networks, manifest, features=features)


def _found(record: TeacherRecord, trainer: Any) -> TeacherModel:
    dataset = trainer.plans_manager.dataset_name
    model = find_model(record.model, dataset=dataset, folds=[record.fold], checkpoint=record.checkpoint)
    problems = teacher_problems(
        model,
        dataset_json=trainer.dataset_json,
        plans=trainer.plans_manager,
        manager=trainer.configuration_manager,
    )
    if problems:
        raise TeacherError.listing(record.name, problems)
    return model


def _loaded(model: TeacherModel, record: TeacherRecord) -> nn.Module:
    (network,) = load_networks(model)
    weights: Mapping[str, Tensor] = network.state_dict()
    if weights_hash(weights) != record.weights:
        raise TeacherError(
            f"{record.name} has other weights now than when it made the soft labels: put them back, or make the soft "
            "labels anew under another name"
        )
    return network


def _levels(network: nn.Module, *, features: bool) -> FeedbackLevels:
    return FeedbackLevels((bottleneck_of(describe_network(network)),) if features else (), ())
