"""Knowledge distillation inside nnU-Net: a student learns from labels and from soft labels of finished models."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from nnunetv2.training.dataloading.nnunet_dataset import nnUNetDatasetBlosc2
from torch import nn

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import CheckpointError, TeacherError
from nnunet_dsd.common.hashes import file_hash
from nnunet_dsd.networks.backbones import describe_network
from nnunet_dsd.networks.feedback import bottleneck_of
from nnunet_dsd.networks.taps import tap
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.names import MANIFEST, SETS
from nnunet_dsd.trainers.checkpoint import TEACHERS_KEY
from nnunet_dsd.trainers.kd_loss import LastFeatures, SoftLabelLoss
from nnunet_dsd.trainers.online_teachers import OnlineTeachers, load_online_teachers
from nnunet_dsd.trainers.soft_label_data import (
    NOTHING_STORED,
    SoftLabelCases,
    loading_soft_labels,
    unlabelled_rows,
    unstack,
)
from nnunet_dsd.trainers.soft_label_problems import soft_label_problems
from nnunet_dsd.trainers.term_trainer import TermsTrainer


class nnUNetTrainerKD(TermsTrainer):
    """nnU-Net's training, and the divergence from what finished models said of the same voxels."""

    defaults: ClassVar[Mapping[str, Any]] = {"temperature": 1.0}

    def _find_soft_labels(self) -> SoftLabelSet:
        name = self.settings.kd.soft_labels
        sets = Path(self.preprocessed_dataset_folder_base) / SETS
        if name is None:
            known = ", ".join(sorted(path.parent.name for path in sets.glob(f"*/{MANIFEST}"))) or "none"
            raise TeacherError(
                "a student needs soft labels: make some with `nnunet-dsd soft-labels` and name them with `nnunet-dsd "
                f"plan --soft-labels NAME`. In {sets} are: {known}"
            )
        found = SoftLabelSet.open(sets / name)
        if problems := soft_label_problems(found, self):
            raise TeacherError.listing(f"the soft labels '{name}'", problems)
        return found

    def prepare_network(self, network: nn.Module, classes: int) -> None:
        """Let the loss see the bottleneck, where features count.

        Raises:
            NetworkStructureError: if the network's levels are not known.
        """
        super().prepare_network(network, classes)
        self.bottleneck = None
        if self.settings.kd.kd_feature_weight > 0:
            self.bottleneck = LastFeatures()
            tap(network, [bottleneck_of(describe_network(network)).name], self.bottleneck)

    def build_distillation_loss(self, supervised: nn.Module) -> SoftLabelLoss:
        """Find and check the soft labels and their teachers, and return the loss with the settings' weights.

        Raises:
            TeacherError: if there are none, or they do not fit this training; all reasons at once.
        """
        self.soft_labels = self._find_soft_labels()
        self.layout, self.online = self.soft_labels.layout, None
        if self.settings.kd.teacher_online:
            self.layout, self.online = NOTHING_STORED, self._online_teachers()
        return SoftLabelLoss(
            supervised,
            self.settings.kd,
            temperature=self.settings.dual.temperature,
            regions=self.label_manager.has_regions,
            bottleneck=self.bottleneck,
        )

    def _online_teachers(self) -> OnlineTeachers:
        features = self.settings.kd.kd_feature_weight > 0
        teachers = load_online_teachers(self.soft_labels.manifest, self, features=features)
        self.print_to_log_file(f"{counted(len(teachers.networks), 'teacher looks', 'teachers look')} at each batch")
        return teachers

    @cached_property
    def images_without_labels(self) -> tuple[str, ...]:
        """The images without labels that are used: those on which the teachers agree well enough."""
        names, limit = self.soft_labels.manifest.unlabelled, self.settings.kd.max_disagreement
        if self.settings.kd.unlabelled_fraction == 0:
            return ()
        if limit is None:
            return names
        left_out = self.soft_labels.disagreeing(names, limit=limit)
        return tuple(name for name in names if name not in left_out)

    def rows_without_labels(self) -> int:
        """Return how many rows of each batch come from images without labels."""
        asked = self.settings.kd.unlabelled_fraction
        usual = 0.5 if self.images_without_labels else 0.0
        return unlabelled_rows(usual if asked is None else asked, self.batch_size)

    def get_tr_and_val_datasets(self) -> tuple[SoftLabelCases, Any]:
        """Return the training cases with their soft labels, and nnU-Net's validation cases."""
        training, validation = super().get_tr_and_val_datasets()
        names = self.images_without_labels
        unlabelled = nnUNetDatasetBlosc2(str(self.soft_labels.images), list(names)) if names else None
        cases = SoftLabelCases(training, unlabelled, self.soft_labels, self.layout)
        taught = sum(name in self.soft_labels.manifest.labelled for name in training.identifiers)
        left_out = len(self.soft_labels.manifest.unlabelled) - len(names)
        self.print_to_log_file(
            f"soft labels '{self.settings.kd.soft_labels}' of {len(self.soft_labels.manifest.teachers)} models: for "
            f"{taught} of {counted(len(training.identifiers), 'labelled case')} and {len(names)} images without labels "
            f"({left_out} left out), {self.rows_without_labels()} of each batch of {self.batch_size}"
        )
        return cases, validation

    def get_dataloaders(self) -> tuple[Any, Any]:
        """Return nnU-Net's loaders, the one for training with soft labels."""
        with loading_soft_labels(self.rows_without_labels()):
            loaders: tuple[Any, Any] = super().get_dataloaders()
        return loaders

    def train_step(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Take the soft labels off the images, or let the teachers look at them, then do the student's step."""
        stacked = batch["data"].to(self.device, non_blocking=True)
        images, taught = unstack(stacked, batch["keys"], self.layout)
        if self.online is not None:
            with self.autocast():
                looked = self.online.look(images, batch["keys"])
            taught = taught._replace(probabilities=looked.probabilities, shown=looked.shown)
        loss: Any = self.loss
        loss.teach(taught)
        return super().train_step({**batch, "data": images})

    def extra_checkpoint_parts(self) -> dict[str, Any]:
        """Return a hash of the soft labels' manifest, which has those of the teachers' weights."""
        return {**super().extra_checkpoint_parts(), TEACHERS_KEY: {"soft labels": self._hash()}}

    def restore_extra_parts(self, checkpoint: Mapping[str, Any], source: str) -> None:
        """Check that the soft labels are those that the training began with.

        Raises:
            CheckpointError: if they are not.
        """
        before = checkpoint.get(TEACHERS_KEY, {}).get("soft labels")
        if before != self._hash():
            raise CheckpointError(
                f"{source} was taught by other soft labels than '{self.settings.kd.soft_labels}' are now. Put them "
                "back, or start the student anew without --c"
            )
        super().restore_extra_parts(checkpoint, source)

    def _hash(self) -> str:
        return file_hash(self.soft_labels.folder / MANIFEST)
