"""HLFD inside nnU-Net: a finished model teaches the network that is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from nnunetv2.utilities.helpers import dummy_context
from torch import Tensor, nn

from nnunet_dsd.config import Settings
from nnunet_dsd.distillation.focal_dice import focal_dice
from nnunet_dsd.distillation.hierarchical import Feedback, feedback_of, feedback_value, feedback_weights
from nnunet_dsd.errors import TeacherError
from nnunet_dsd.networks.backbones import describe_network
from nnunet_dsd.networks.feedback import (
    FeedbackHeads,
    FeedbackLevels,
    FeedbackOutput,
    TeacherNetwork,
    feedback_levels,
)
from nnunet_dsd.networks.ushape import NetworkLevels
from nnunet_dsd.trainers.headed import HeadedTrainer
from nnunet_dsd.trainers.loss import LossOfTerms, counting_voxels
from nnunet_dsd.trainers.teacher import (
    TeacherModel,
    find_teacher,
    known_validation_cases,
    load_networks,
    teacher_problems,
)


class FeedbackLoss(LossOfTerms):
    """The labels' loss of the student's output plus what it learns from its teachers.

    With several teachers each term is its mean over them.

    Args:
        supervised: nnU-Net's loss, with its deep supervision where the student has that.
        settings: Weights and temperature.
        feedback: The terms.
        regions: Channels are independent regions.
        ignore_label: As for `DualDistillationLoss`.
    """

    def __init__(
        self,
        supervised: nn.Module,
        settings: Settings,
        *,
        feedback: tuple[Feedback, ...],
        regions: bool,
        ignore_label: int | None,
    ) -> None:
        self.feedback, self.regions, self.ignore_label = feedback, regions, ignore_label
        super().__init__(supervised, settings)

    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weight of each term, the same throughout the training."""
        weights = feedback_weights(
            self.feedback, beta=self.settings.feedback_beta, lambda_=self.settings.feedback_lambda
        )
        return {"labels": 1.0, **weights}

    def terms(self, output: FeedbackOutput, target: Any) -> dict[str, Tensor]:
        """Return the terms by name; `target` is a list where the student has deep supervision."""
        full = target[0] if isinstance(target, list) else target
        mask = counting_voxels(full, regions=self.regions, ignore_label=self.ignore_label)
        terms = {"labels": self.supervised(output.main, target)}
        for term in self.feedback:
            values = [
                feedback_value(
                    term,
                    output.student,
                    guide,
                    temperature=self.settings.temperature,
                    projected=made.get(term.name),
                    mask=mask,
                    regions=self.regions,
                )
                for guide, made in zip(output.guides, output.projected, strict=True)
            ]
            terms[term.name] = torch.stack(values).mean()
        return terms


class FocalDice(nn.Module):
    """`focal_dice` in the form in which nnU-Net calls a loss; an ignored voxel does not count.

    Args:
        regions: Channels are independent regions.
        ignore_label: As for `DualDistillationLoss`.
    """

    def __init__(self, *, regions: bool, ignore_label: int | None) -> None:
        super().__init__()
        self.regions, self.ignore_label = regions, ignore_label

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Return the loss of logits `(B, C, *S)` against labels `(B, 1, *S)` or regions `(B, R, *S)`."""
        mask = counting_voxels(target, regions=self.regions, ignore_label=self.ignore_label)
        return focal_dice(logits, target, mask=mask, regions=self.regions)


class nnUNetTrainerHLFD(HeadedTrainer):
    """Hierarchical layer-selective feedback distillation: a finished nnU-Net model teaches this one."""

    nnunet_deep_supervision = True
    defaults = {"temperature": 4.0}

    def build_heads(self, shape: NetworkLevels, classes: int) -> FeedbackHeads:
        """Find, check and load the teacher, and return the student's taps and projections.

        Raises:
            TeacherError: if the teacher is missing, unfinished, or does not fit; all reasons at once.
        """
        student = feedback_levels(shape)
        self.teachers = self._load_teachers(classes)
        teacher: FeedbackLevels = self.teachers[0].levels
        self.feedback = feedback_of(self.settings.feedback, student=student.counts, teacher=teacher.counts)
        self._print_who_teaches_what(student, teacher)
        return FeedbackHeads(self.feedback, student, teacher, classes)

    def _load_teachers(self, classes: int) -> list[TeacherNetwork]:
        model = find_teacher(self.settings, dataset=self.plans_manager.dataset_name, fold=self.fold)
        problems = teacher_problems(
            model, dataset_json=self.dataset_json, plans=self.plans_manager, manager=self.configuration_manager
        )
        problems += [] if self.settings.feedback_known_cases else self._leaks(model)
        if problems:
            raise TeacherError.listing(str(model.folder), problems)
        patch = tuple(self.configuration_manager.patch_size)
        teachers = [
            TeacherNetwork(network, feedback_levels(describe_network(network))) for network in load_networks(model)
        ]
        for teacher in teachers:
            _check_on_a_patch(teacher, channels=self.num_input_channels, patch=patch, classes=classes)
            teacher.to(self.device)
        self.print_to_log_file(f"teacher: {model.folder.name}, fold {', '.join(model.folds)} ({model.checkpoint})")
        return teachers

    def _leaks(self, model: TeacherModel) -> list[str]:
        """Say which of this training's validation cases the teacher has seen."""
        training, validation = self.do_split()
        held_out = [case for case in validation if case not in training]
        known = known_validation_cases(
            model, held_out, Path(self.preprocessed_dataset_folder_base) / "splits_final.json"
        )
        return [
            f"its fold {fold} was trained on {len(cases)} of the {len(held_out)} validation cases of this training "
            f"({', '.join(cases[:3])}{', ...' if len(cases) > 3 else ''}): take the same fold, or pass "
            "--feedback-known-cases if the validation scores do not matter"
            for fold, cases in known.items()
        ]

    def _print_who_teaches_what(self, student: FeedbackLevels, teacher: FeedbackLevels) -> None:
        for term in self.feedback:
            guides = ", ".join(teacher.name(place) for place in term.teachers)
            self.print_to_log_file(f"{term.name}: the student's {student.name(term.student)} follows {guides}")

    def build_distillation_loss(self, supervised: nn.Module) -> FeedbackLoss:
        """Return the loss with the settings' weights."""
        regions, ignore = self.label_manager.has_regions, self.label_manager.ignore_label
        if self.settings.supervised_loss == "focal_dice":
            focal: nn.Module = FocalDice(regions=regions, ignore_label=ignore)
            if isinstance(supervised, DeepSupervisionWrapper):
                focal = DeepSupervisionWrapper(focal, supervised.weight_factors)
            supervised = focal
        return FeedbackLoss(supervised, self.settings, feedback=self.feedback, regions=regions, ignore_label=ignore)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Let the teachers look at the batch, then do the student's step."""
        data = batch["data"].to(self.device, non_blocking=True)
        on_gpu = self.device.type == "cuda"
        with torch.autocast(self.device.type, enabled=True) if on_gpu else dummy_context():
            guides = [teacher(data) for teacher in self.teachers]
        heads: Any = self.heads()
        heads.teach(guides)
        return super().train_step({**batch, "data": data})


def _check_on_a_patch(teacher: TeacherNetwork, *, channels: int, patch: tuple[int, ...], classes: int) -> None:
    """Let a teacher see one empty patch of the student's, to find what cannot work before training starts.

    Raises:
        TeacherError: if it fails, or its levels do not lie on the patch (a network that pads inside).
    """
    cure = "plan the student with a patch size that fits the teacher (`nnunet-dsd plan --patch-size`)"
    try:
        views = teacher(torch.zeros(1, channels, *patch))
    except (RuntimeError, ValueError) as error:
        raise TeacherError(f"the teacher cannot take the student's patches of {patch}: {error}; {cure}") from error
    if views.output.shape[1:] != (classes, *patch):
        raise TeacherError(
            f"the teacher gives {tuple(views.output.shape[1:])} for a patch, expected {(classes, *patch)}"
        )
    levels, tensors = (*teacher.levels.features, *teacher.levels.maps), (*views.features, *views.maps)
    for level, features in zip(levels, tensors, strict=True):
        expected = tuple(size // scale for size, scale in zip(patch, level.scale, strict=True))
        if tuple(features.shape[2:]) != expected:
            raise TeacherError(
                f"the teacher's {level.name} has {tuple(features.shape[2:])} voxels for a patch of {patch}, expected "
                f"{expected}: it pads inside, so its levels do not lie on the student's; {cure}"
            )
