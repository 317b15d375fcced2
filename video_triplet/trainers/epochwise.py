"""Epoch-wise self-distillation for any Lightning module: the teacher is its encoder as the epoch found it."""

from __future__ import annotations

from typing import Any, Protocol, cast

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy, SingleDeviceStrategy
from torch import Tensor, nn

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError, SetupError
from nnunet_dsd.distillation.epochwise import PreviousEpoch, epoch_distance
from nnunet_dsd.distillation.epochwise_settings import EpochReduction

DISTANCE = "train_epoch_distance"


class HasEncoder(Protocol):
    """What a Lightning module offers to be distilled epoch by epoch.

    Its training step calls `self.epochwise.term(inputs, features)` once, with what it gave to its encoder and what it
    got from it, and adds the result to its loss. The student's features are thus computed once.

    Attributes:
        epochwise: None at first; the callback puts itself here when a training is set up.
    """

    epochwise: EpochwiseDistillation | None

    @property
    def encoder(self) -> nn.Module:
        """The module whose features stay near those of the epoch before: one tensor in, `(B, ...)` out."""


class EpochwiseDistillation(Callback):
    """Freezes the encoder at the start of each epoch and holds the epoch's features near the frozen one's.

    In the first epoch the teacher is the encoder with the weights it came with, that is, the pre-trained ones. The
    teacher is no part of the Lightning module: neither its state dict nor its optimiser know it. It is part of the
    checkpoint, so that a training resumed in the middle of an epoch goes on with the teacher it had; one resumed at
    the end of an epoch takes the encoder that the checkpoint holds. With several processes, all take the teacher of
    the first, whose batch-norm statistics are those that data parallelism keeps.

    Args:
        epoch_lambda: Weight of the distance, above 0; without distillation there is no callback.
        epoch_reduction: As of `nnunet_dsd.distillation.epochwise.epoch_distance`. With "sum" the distance is summed
            over all samples of an optimiser step, whatever its parts and processes.

    Raises:
        SettingsError: if the weight is not above 0.

    Reference: Zhou et al., "Preserve pre-trained knowledge: transfer learning with self-distillation for action
        recognition", Eq. 2 and 3 and Algorithm 1.
    """

    def __init__(self, *, epoch_lambda: float, epoch_reduction: EpochReduction = "mean") -> None:
        if not 0 < epoch_lambda < float("inf"):
            problem = f"epoch_lambda: got {epoch_lambda}, allowed is more than 0; with 0, leave the callback out"
            raise SettingsError([problem], source="epoch-wise self-distillation")
        self.epoch_lambda, self.epoch_reduction = epoch_lambda, epoch_reduction
        self.teacher: PreviousEpoch | None = None
        self.epoch: int | None = None
        """The epoch, from 0, that the teacher belongs to."""
        self._trainer: Trainer | None = None
        self._module: LightningModule | None = None
        self._restored: dict[str, Tensor] | None = None

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Give itself to the module before a training; what an earlier training left is forgotten.

        Raises:
            SetupError: if the encoder is spread over devices.
            NetworkStructureError: if the module has no encoder.
        """
        if stage != "fit":
            return
        if not isinstance(trainer.strategy, (SingleDeviceStrategy, DDPStrategy)):
            raise SetupError(
                f"{type(trainer.strategy).__name__} spreads the encoder over devices, so that it cannot be copied; "
                "train with one device or with strategy 'ddp'"
            )
        encoder_of(pl_module)
        self.teacher, self.epoch, self._restored = None, None, None
        self._trainer, self._module = trainer, pl_module
        cast(HasEncoder, pl_module).epochwise = self

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Take up the teacher of a checkpoint; Lightning starts no new epoch where one was interrupted."""
        if self._restored is not None:
            self.teacher = PreviousEpoch(encoder_of(pl_module))
            self.teacher.encoder.load_state_dict(self._restored)
            self._restored = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Freeze the encoder as it is now."""
        self._renew(trainer, pl_module)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        """Freeze it before the first batch where Lightning began an epoch without a word.

        After a resume from a checkpoint of an epoch's last step it calls no `on_train_epoch_start`.
        """
        if batch_idx == 0:
            self._renew(trainer, pl_module)

    def _renew(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Make the encoder the teacher, unless this epoch has its teacher, such as one from a checkpoint."""
        if self.teacher is not None and self.epoch == trainer.current_epoch:
            return
        encoder = encoder_of(pl_module)
        if self.teacher is None:
            self.teacher = PreviousEpoch(encoder)
        self.teacher.renew(encoder)
        self.epoch = trainer.current_epoch
        share_first_process(self.teacher, trainer.world_size)

    def term(self, inputs: Tensor, features: Tensor) -> Tensor:
        """Return lambda times the distance to the teacher's features, a scalar in float32, and log the distance.

        Args:
            inputs: What the training step gave to the encoder, `(B, ...)`.
            features: What it got, `(B, ...)`.

        Raises:
            SetupError: outside a training, or in an epoch that began without a teacher.
            ShapeError: if the teacher's features have another shape.
        """
        if self.teacher is None or self._trainer is None or self._module is None:
            raise SetupError(
                "epoch-wise self-distillation has no teacher here: its term belongs into training_step, and a training "
                "that began without it can take it up only from a checkpoint of the end of an epoch"
            )
        distance = epoch_distance(features, self.teacher(inputs), reduction=self.epoch_reduction)
        # Lightning divides by the parts of a step, and data parallelism averages over processes: a sum must stay a sum
        summed = self.epoch_reduction == "sum"
        parts = self._trainer.accumulate_grad_batches * self._trainer.world_size if summed else 1
        shown = parts * distance.detach()
        self._module.log(DISTANCE, shown, on_step=False, on_epoch=True, sync_dist=True, batch_size=len(features))
        return self.epoch_lambda * parts * distance

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Take itself out of the module, which then is what it was; the teacher can still be looked at."""
        if stage == "fit" and self._module is not None:
            cast(HasEncoder, pl_module).epochwise = None
            self._trainer = self._module = None

    def state_dict(self) -> dict[str, Any]:
        """Return the teacher's epoch and its weights, on the CPU."""
        state = {} if self.teacher is None else self.teacher.encoder.state_dict()
        weights = {name: values.detach().to("cpu", copy=True) for name, values in state.items()}
        return {"epoch": self.epoch, "weights": weights}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take up the teacher of the epoch in which the checkpoint was written."""
        self.epoch = state_dict["epoch"]
        self._restored = dict(state_dict["weights"]) or None


def encoder_of(pl_module: LightningModule) -> nn.Module:
    """Return the encoder of a module, as it was before `torch.compile`.

    Raises:
        NetworkStructureError: if it has none, or the module has no place for the callback.
    """
    encoder = getattr(pl_module, "encoder", None)
    if not isinstance(encoder, nn.Module) or not hasattr(pl_module, "epochwise"):
        raise NetworkStructureError(
            f"{type(pl_module).__name__} cannot be distilled epoch by epoch: it needs `encoder`, a torch module, and "
            "`epochwise`, None at first, whose `term` its training step adds to the loss"
        )
    return cast(nn.Module, getattr(encoder, "_orig_mod", encoder))


@torch.no_grad()
def share_first_process(module: nn.Module, processes: int) -> None:
    """Give every process the weights and statistics of the first one, bit by bit."""
    if processes > 1:
        for values in module.state_dict().values():
            torch.distributed.broadcast(values, src=0)
