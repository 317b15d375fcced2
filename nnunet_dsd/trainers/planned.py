"""A trainer whose budget, optimiser and seed come from the plans, and whose checkpoints are written whole."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn

from nnunet_dsd.common.errors import DistillationError, NetworkStructureError, SettingsError
from nnunet_dsd.config.misplaced_blocks import refuse_misplaced_blocks
from nnunet_dsd.config.settings import PLANS_KEY, SOURCE, Settings, read_settings
from nnunet_dsd.config.training_settings import mirror_axes_problems
from nnunet_dsd.networks.staged import freeze_deep_supervision_layers
from nnunet_dsd.trainers.checkpointed import CheckpointedTrainer
from nnunet_dsd.trainers.schedules import EpochSchedule, learning_rate
from nnunet_dsd.trainers.warm_start import load_start_weights


class PlannedTrainer(CheckpointedTrainer):
    """nnU-Net's trainer with its settings read from the plans (see `nnunet_dsd.config.settings.Settings`).

    Subclasses are tables: `defaults` is what a variant uses where the plans are silent, `fixed` what makes it the
    variant it is and no plans file can change, and `needed` the settings that must not be 0. Parameters are nnU-Net's
    own and must keep their names.
    """

    defaults: ClassVar[Mapping[str, Any]] = {}
    fixed: ClassVar[Mapping[str, Any]] = {}
    needed: ClassVar[tuple[str, ...]] = ()
    nnunet_deep_supervision: ClassVar[bool] = True
    takes_feature_size: ClassVar[bool] = False
    is_taught: ClassVar[bool] = False
    inference_allowed_mirroring_axes: tuple[int, ...] | None

    def __init__(
        self,
        plans: dict[str, Any],
        configuration: str,
        fold: int,
        dataset_json: dict[str, Any],
        device: torch.device = torch.device("cuda"),  # noqa: B008 - nnU-Net's signature
    ) -> None:
        settings = self.planned_settings(plans, configuration)
        super().__init__(plans, configuration, fold, dataset_json, device)
        self.settings: Settings = settings
        training = settings.training
        self.num_epochs, self.save_every = training.epochs, training.save_every
        self.num_iterations_per_epoch = training.iterations_per_epoch
        self.num_val_iterations_per_epoch = training.validation_iterations_per_epoch
        self.initial_lr, self.weight_decay = training.initial_learning_rate, training.chosen_weight_decay
        self.enable_deep_supervision = self.nnunet_deep_supervision

    @classmethod
    def planned_settings(cls, plans: Mapping[str, Any], configuration: str) -> Settings:
        """Return what plans say in a configuration's block, with this trainer's own where the block is silent.

        Raises:
            SettingsError: listing what nothing would read, and what this trainer does not take.
        """
        refuse_misplaced_blocks(plans, source=f"the plans '{plans.get('plans_name')}'")
        planned = PlansManager(dict(plans)).get_configuration(configuration)
        settings = read_settings(planned.configuration.get(PLANS_KEY), defaults=cls.defaults, fixed=cls.fixed)
        missing = [name for name in cls.needed if not settings.flat()[name]]
        problems = [f"{name}: got 0, which {cls.__name__} would be nothing without" for name in missing]
        problems += mirror_axes_problems(settings.training.mirror_axes, planned.patch_size)
        if settings.network.feature_size is not None and not cls.takes_feature_size:
            problems.append(
                "feature_size: applies to UNETR, SwinUNETR, VNet, UNetPlusPlus, DynUNet, ResNet18UNet and ResNet18FCN "
                "only; nnU-Net's own networks are made narrower or wider with `nnunet-dsd plan --width`"
            )
        if problems:
            raise SettingsError(problems, source=SOURCE)
        return settings

    def initialize(self) -> None:
        """Build network, optimiser and loss; seeded where the settings say so."""
        self._seed()
        # nnU-Net calls this attribute of the instance; inference calls the plain method of the class.
        self.__dict__["build_network_architecture"] = self._build_training_network
        if not self.settings.training.augmentation:
            self.__dict__["get_training_transforms"] = self._transforms_without_augmentation
        try:
            super().initialize()
        except DistillationError as error:
            self.print_to_log_file(f"refused: {error}", also_print_to_console=False)
            raise
        if self.settings.hlfd.feedback_teacher and not self.is_taught:
            self.print_to_log_file(
                f"The plans name a teacher, but {type(self).__name__} trains without one; to be taught, train with "
                "nnUNetTrainerHLFD or another trainer whose name ends in HLFD"
            )
        changed = self.settings.differences(self.own_settings())
        self.print_to_log_file("Self-distillation settings that differ from this trainer's defaults:", changed)

    def on_train_start(self) -> None:
        """Begin as nnU-Net does, from the weights that the settings name unless the training goes on."""
        if not self.was_initialized:
            self.initialize()
        self.starts_from()
        super().on_train_start()

    def starts_from(self) -> None:
        """Load the weights that the settings name, unless the training goes on from a checkpoint of its own."""
        name = self.settings.training.start_from
        if name is not None and not self.goes_on:
            load_start_weights(self, name)

    def _seed(self, *, further: int = 0) -> None:
        """Seed Python, NumPy and torch in this process where asked for; nnU-Net's workers seed NumPy anew."""
        if self.settings.training.seed is not None:
            seed = self.settings.training.seed + self.local_rank + further
            random.seed(seed)
            np.random.seed(seed % 2**32)
            torch.manual_seed(seed)

    @classmethod
    def own_settings(cls) -> Settings:
        """Return what this trainer uses where the plans are silent."""
        return read_settings(None, defaults=cls.defaults, fixed=cls.fixed)

    def _build_training_network(
        self,
        plans_manager: Any,
        configuration_manager: Any,
        num_input_channels: int,
        num_output_channels: int,
        enable_deep_supervision: bool = True,
    ) -> nn.Module:
        """Build the network to train; inference calls the class's own plain `build_network_architecture`.

        Raises:
            NetworkStructureError: if the plans name an architecture that does not take nnU-Net's arguments.
        """
        try:
            network: nn.Module = type(self).build_network_architecture(
                plans_manager, configuration_manager, num_input_channels, num_output_channels, enable_deep_supervision
            )
        except TypeError as error:  # such as Primus, which nnU-Net builds in trainers of its own
            raise NetworkStructureError(
                f"{configuration_manager.network_arch_class_name} cannot be built from these plans ({error}). Plan "
                "a U-shaped network such as PlainConvUNet or ResidualEncoderUNet, or train it with its own trainer"
            ) from error
        self.prepare_network(network, num_output_channels)
        return network

    def prepare_network(self, network: nn.Module, classes: int) -> None:
        """Make a freshly built plain network ready for training, in place.

        Args:
            network: The network, not compiled and not wrapped.
            classes: Its output channels.
        """
        if not self.enable_deep_supervision:
            freeze_deep_supervision_layers(network)

    def configure_rotation_dummyDA_mirroring_and_inital_patch_size(self) -> tuple[Any, bool, Any, Any]:
        """Return how nnU-Net turns and mirrors; without augmentation patches are cut at their size, nothing mirrors."""
        trained_with = self.inference_allowed_mirroring_axes
        rotation, dummy_2d, initial_patch_size, mirror_axes = (
            super().configure_rotation_dummyDA_mirroring_and_inital_patch_size()
        )
        if not self.settings.training.augmentation:
            initial_patch_size, mirror_axes = self.configuration_manager.patch_size, None
        elif self.settings.training.mirror_axes is not None:
            mirror_axes = self.settings.training.mirror_axes or None  # nnU-Net's prediction cannot take an empty one
        # What was not seen in training is not asked at prediction; a finished training is not trained anew.
        finished = self.current_epoch >= self.num_epochs
        self.inference_allowed_mirroring_axes = trained_with if finished else mirror_axes
        return rotation, dummy_2d, initial_patch_size, mirror_axes

    def _transforms_without_augmentation(
        self,
        patch_size: Any,
        rotation_for_DA: Any,
        deep_supervision_scales: Any,
        mirror_axes: Any,
        do_dummy_2d_data_aug: bool,
        use_mask_for_norm: Any = None,
        **labels: Any,
    ) -> Any:
        """Return nnU-Net's validation transforms in the place of its training transforms."""
        return self.get_validation_transforms(deep_supervision_scales, **labels)

    def configure_optimizers(self) -> tuple[torch.optim.Optimizer, EpochSchedule]:
        """Return the optimiser and the schedule that the settings name."""
        if self.settings.training.optimiser == "adamw":
            optimizer: torch.optim.Optimizer = torch.optim.AdamW(
                self.network.parameters(), lr=self.initial_lr, weight_decay=self.weight_decay
            )
        else:
            optimizer, _ = super().configure_optimizers()
        return optimizer, EpochSchedule(
            optimizer, learning_rate(self.settings.training.schedule, start=self.initial_lr, epochs=self.num_epochs)
        )
