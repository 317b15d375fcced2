"""HLFD inside nnU-Net: a finished model teaches the network that is trained."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from nnunetv2.training.loss.deep_supervision import DeepSupervisionWrapper
from torch import Tensor, nn

from nnunet_dsd.common.errors import CheckpointError, NetworkStructureError, TeacherError
from nnunet_dsd.common.hashes import weights_hash
from nnunet_dsd.distillation.hierarchical import Feedback, feedback_of
from nnunet_dsd.networks.backbones import describe_network
from nnunet_dsd.networks.feedback import (
    FeedbackHeads,
    FeedbackLevels,
    TeacherNetwork,
    choose_levels,
    feedback_levels,
)
from nnunet_dsd.networks.feedback_cache import RememberingTeacher
from nnunet_dsd.networks.ushape import NetworkLevels
from nnunet_dsd.trainers.checkpoint import TEACHERS_KEY
from nnunet_dsd.trainers.feedback_loss import FeedbackLoss, FocalDice
from nnunet_dsd.trainers.headed import HeadedTrainer
from nnunet_dsd.trainers.teacher import (
    TeacherModel,
    find_teacher,
    known_validation_cases,
    load_networks,
    teacher_problems,
)
from nnunet_dsd.trainers.teacher_patch import check_on_a_patch


class nnUNetTrainerHLFD(HeadedTrainer):
    """Hierarchical layer-selective feedback distillation: a finished nnU-Net model teaches this one."""

    nnunet_deep_supervision = True
    is_taught = True
    defaults = {"temperature": 4.0}

    def build_heads(self, network: nn.Module, shape: NetworkLevels, classes: int) -> FeedbackHeads:
        """Find, check and load the teacher, and return the student's taps and projections.

        Raises:
            TeacherError: if the teacher is missing, unfinished, or does not fit; all reasons at once.
            NetworkStructureError: if levels named in the settings are not there.
        """
        student = choose_levels(
            network,
            lambda _: feedback_levels(shape),
            features=_paths(self.settings.hlfd.feedback_features),
            maps=_paths(self.settings.hlfd.feedback_maps),
            example=self._empty_patch(),
        )
        self.teachers: list[TeacherNetwork] = []
        self.teacher_hashes: dict[str, str] = {}
        self.guides: list[TeacherNetwork | RememberingTeacher] = []
        self.feedback: tuple[Feedback, ...] = ()
        if self.settings.hlfd.feedback == "none":
            return FeedbackHeads((), student, student, classes)
        self.teachers = self._load_teachers(classes)
        teacher: FeedbackLevels = self.teachers[0].levels
        self.feedback = feedback_of(self.settings.hlfd.feedback, student=student.counts, teacher=teacher.counts)
        self._print_who_teaches_what(student, teacher)
        for one in self.teachers:
            one.ask(place for term in self.feedback for place in term.teachers)
        self.guides = [*self.teachers]
        if self.settings.hlfd.feedback_cache:
            share = self.settings.hlfd.feedback_cache / len(self.teachers)
            self.guides = [RememberingTeacher(one, gibibytes=share) for one in self.teachers]
        return FeedbackHeads(self.feedback, student, teacher, classes)

    def _load_teachers(self, classes: int) -> list[TeacherNetwork]:
        model = find_teacher(self.settings.hlfd, dataset=self.plans_manager.dataset_name, fold=self.fold)
        problems = teacher_problems(
            model, dataset_json=self.dataset_json, plans=self.plans_manager, manager=self.configuration_manager
        )
        problems += [] if self.settings.hlfd.feedback_known_cases else self._leaks(model)
        if problems:
            raise TeacherError.listing(str(model.folder), problems)
        networks = [network.to(self.device) for network in load_networks(model)]
        self.teacher_hashes = {
            fold: weights_hash(one.state_dict(), short=True) for fold, one in zip(model.folds, networks, strict=True)
        }
        levels = self._teacher_levels(networks[0])  # all folds have one architecture
        teachers = [TeacherNetwork(network, levels) for network in networks]
        check_on_a_patch(teachers[0], self._empty_patch().to(self.device), classes=classes, model=model)
        which = f"fold {', '.join(model.folds)} ({model.checkpoint})"
        self.print_to_log_file(f"teacher: {model.folder.name}, {which}, in {model.folder.resolve().parent}")
        return teachers

    def _teacher_levels(self, network: nn.Module) -> FeedbackLevels:
        try:
            return choose_levels(
                network,
                lambda plain: feedback_levels(describe_network(plain)),
                features=_paths(self.settings.hlfd.feedback_teacher_features),
                maps=_paths(self.settings.hlfd.feedback_teacher_maps),
                example=self._empty_patch(),
            )
        except NetworkStructureError as error:
            raise TeacherError(f"the teacher's levels were not found: {error}") from error

    def _empty_patch(self) -> Tensor:
        return torch.zeros(1, self.num_input_channels, *self.configuration_manager.patch_size)

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
        self.print_to_log_file(f"feedback: {self.settings.hlfd.feedback}")
        for term in self.feedback:
            guides = ", ".join(teacher.name(place) for place in term.teachers)
            joined = ", joined" if len(term.teachers) > 1 else ""
            own = student.name(term.student)
            self.print_to_log_file(f"{term.name}: the student's {own} follows the teacher's {guides}{joined}")

    def build_distillation_loss(self, supervised: nn.Module) -> FeedbackLoss:
        """Return the loss with the settings' weights."""
        regions, ignore = self.label_manager.has_regions, self.label_manager.ignore_label
        if self.settings.hlfd.supervised_loss == "focal_dice":
            focal: nn.Module = FocalDice(regions=regions, ignore_label=ignore)
            if isinstance(supervised, DeepSupervisionWrapper):
                focal = DeepSupervisionWrapper(focal, supervised.weight_factors)
            supervised = focal
        return FeedbackLoss(
            supervised,
            self.settings.hlfd,
            temperature=self.settings.dual.temperature,
            feedback=self.feedback,
            regions=regions,
            ignore_label=ignore,
        )

    def extra_checkpoint_parts(self) -> dict[str, Any]:
        """Return the projections' weights, and a hash of each teacher's."""
        return {**super().extra_checkpoint_parts(), TEACHERS_KEY: self.teacher_hashes}

    def restore_extra_parts(self, checkpoint: Mapping[str, Any], source: str) -> None:
        """Restore the projections.

        Raises:
            CheckpointError: if the training began with other weights of a teacher, or the heads do not fit.
        """
        before = checkpoint.get(TEACHERS_KEY, {})
        changed = [fold for fold, found in self.teacher_hashes.items() if before.get(fold, found) != found]
        if changed:
            raise CheckpointError(
                f"{source} was taught by other weights of the teacher's fold {', '.join(changed)} than are there now. "
                "Put them back, or start the student anew without --c"
            )
        super().restore_extra_parts(checkpoint, source)

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Let the teachers look at the batch, then do the student's step."""
        data = batch["data"].to(self.device, non_blocking=True)
        with self.autocast():
            shown = [guide(data) for guide in self.guides]
        heads: Any = self.heads()
        heads.teach(shown)
        return super().train_step({**batch, "data": data})

    def on_train_epoch_end(self, train_outputs: list[dict[str, Any]]) -> None:
        """Log the loss terms, and how much of the teachers' work was remembered."""
        super().on_train_epoch_end(train_outputs)
        for guide in self.guides:
            if isinstance(guide, RememberingTeacher):
                self.print_to_log_file(guide.describe())


def _paths(names: str | None) -> tuple[str, ...]:
    """Return the module paths of a setting."""
    return tuple(name.strip() for name in (names or "").split(",") if name.strip())
