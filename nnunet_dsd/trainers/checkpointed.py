"""A trainer whose checkpoints have everything to go on with, fit or are refused, and are written whole."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from nnunetv2.training.nnUNetTrainer.nnUNetTrainer import nnUNetTrainer
from torch import nn
from torch._dynamo import OptimizedModule

from nnunet_dsd.common.errors import CheckpointError
from nnunet_dsd.config.settings import Settings
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

STOCK_TRAINER = "nnUNetTrainer"


class CheckpointedTrainer(nnUNetTrainer):
    """nnU-Net's trainer with checkpoints that hold settings, heads and all of the optimiser beside nnU-Net's parts."""

    settings: Settings
    goes_on = False  # a checkpoint of this training was loaded

    @classmethod
    @abstractmethod
    def own_settings(cls) -> Settings:
        """Return what this trainer uses where the plans are silent."""

    @abstractmethod
    def _seed(self, *, further: int = 0) -> None:
        """Seed this process where the settings ask for it."""

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
        self.goes_on = True
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
