"""A trainer whose budget, optimiser and seed come from the plans, and whose checkpoints are written whole."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from nnunetv2.utilities.plans_handling.plans_handler import PlansManager
from torch import nn
from torch._dynamo import OptimizedModule

from nnunet_dsd.common.errors import CheckpointError, DistillationError, NetworkStructureError, SettingsError
from nnunet_dsd.config.misplaced_blocks import refuse_misplaced_blocks
from nnunet_dsd.config.settings import PLANS_KEY, SOURCE, Settings, read_settings
from nnunet_dsd.config.training_settings import mirror_axes_problems
from nnunet_dsd.networks.staged import freeze_deep_supervision_layers
from nnunet_dsd.trainers.checkpoint import (
    HEADS_KEY,
    OPTIMISER_KEY,
    SETTINGS_KEY,
    CheckpointSource,
    as_checkpoint_file,
    capture_checkpoint,
    check_can_be_continued,
    check_settings_fit,
    check_weights_fit,
    write_checkpoint,
)
from nnunet_dsd.trainers.optimiser_state import head_numbers, join_states, split_state, state_to_load
from nnunet_dsd.trainers.schedules import EpochSchedule, learning_rate

STOCK_TRAINER = "nnUNetTrainer"


class PlannedTrainer(nnUNetTrainer):
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

    def bare_network(self) -> nn.Module:
        """Return the network without its data-parallel and compile wrappers."""
        network = self.network.module if self.is_ddp else self.network
        return network._orig_mod if isinstance(network, OptimizedModule) else network

    def save_checkpoint(self, filename: str) -> None:
        """Write nnU-Net's checkpoint plus our keys, whole or not at all."""
        checkpoint = capture_checkpoint(super().save_checkpoint)
        if checkpoint is None:
            return
        if self.uses_stock_network():
            checkpoint["trainer_name"] = STOCK_TRAINER
        checkpoint[SETTINGS_KEY] = self.settings.flat()
        checkpoint["optimizer_state"], rest = self._split_optimiser_state(checkpoint["optimizer_state"])
        if rest is not None:
            checkpoint[OPTIMISER_KEY] = rest
        checkpoint.update(self.extra_checkpoint_parts())
        write_checkpoint(checkpoint, filename)

    def _split_optimiser_state(self, state: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any] | None]:
        """Return the optimiser's state as a stock trainer loads it, and the rest that only this trainer needs."""
        network = self.bare_network()
        heads = head_numbers(self.optimizer, network)
        return split_state(state, heads, parameters=len(list(network.parameters())) - len(heads))

    def uses_stock_network(self) -> bool:
        """Tell whether stock nnU-Net can rebuild this trainer's network from the plans alone."""
        return type(self).build_network_architecture is nnUNetTrainer.build_network_architecture

    def extra_checkpoint_parts(self) -> dict[str, Any]:
        """Return what this trainer's checkpoints hold beside nnU-Net's own parts."""
        return {}

    def load_checkpoint(
        self, filename_or_checkpoint: CheckpointSource | None = None, *, checkpoint: CheckpointSource | None = None
    ) -> None:
        """Continue from a checkpoint of this trainer.

        Args:
            filename_or_checkpoint: The file, or a checkpoint as read.
            checkpoint: The same, under the name that nnU-Net's development version has for it.

        Raises:
            CheckpointError: if it is broken, of another trainer or architecture, or lacks parts this trainer needs; the
                trainer is then as it was.
            TypeError: if none is given, or both.
        """
        given = filename_or_checkpoint if checkpoint is None else checkpoint
        if given is None or None not in (filename_or_checkpoint, checkpoint):
            raise TypeError("load_checkpoint() takes one checkpoint: a file name, or a checkpoint as read")
        if not self.was_initialized:
            self.initialize()
        with as_checkpoint_file(given) as (path, content, source):
            self._load_checked(path, content, source)

    def _load_checked(self, path: str, content: Mapping[str, Any], source: str) -> None:
        """Load a checkpoint's content, which also lies under `path`, after everything about it was checked."""
        check_can_be_continued(content, source=source)
        check_weights_fit(content["network_weights"], self.bare_network().state_dict(), source=source)
        changed = check_settings_fit(content, self.settings, own=self.own_settings(), source=source)
        whole = join_states(content["optimizer_state"], content.get(OPTIMISER_KEY))
        state = state_to_load(whole, self.optimizer, source=source)
        self.restore_extra_parts(content, source)
        if changed:
            self.print_to_log_file("Settings that differ from the checkpoint's:", changed)
        if state is not whole:
            self.print_to_log_file("The checkpoint's optimiser is of another kind; this one begins anew")
        with self._optimiser_loads(state):
            super().load_checkpoint(path)
        self._seed(further=1000 * self.current_epoch)  # not the numbers of the first epochs once more
        self.after_loading()

    @contextmanager
    def _optimiser_loads(self, state: Mapping[str, Any]) -> Iterator[None]:
        """Let the optimiser load this state in the place of the one that nnU-Net hands it."""
        handle = self.optimizer.register_load_state_dict_pre_hook(lambda optimiser, handed: dict(state))
        try:
            yield
        finally:
            handle.remove()

    def restore_extra_parts(self, checkpoint: Mapping[str, Any], source: str) -> None:
        """Take back what `extra_checkpoint_parts` wrote.

        Raises:
            CheckpointError: if the checkpoint holds heads, which this trainer has none of.
        """
        if HEADS_KEY in checkpoint:
            raise CheckpointError(
                f"{source} holds distillation heads, so it was not written by {type(self).__name__}. Continue with the "
                "trainer that its folder is named after; to start from its weights use -pretrained_weights; to predict "
                "use nnUNetv2_predict"
            )

    def after_loading(self) -> None:
        """Do what is left to do after a checkpoint was loaded."""
