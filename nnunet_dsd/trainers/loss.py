"""The loss object that nnU-Net's loop calls: dual self-distillation on top of nnU-Net's own Dice and cross-entropy."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.encoder_teacher import DICE_TERM
from nnunet_dsd.distillation.objective import dual_distillation_terms, term_weights
from nnunet_dsd.distillation.terms import weighted_sum
from nnunet_dsd.networks.heads import DistillationOutput
from nnunet_dsd.networks.padding import VolumeOutput

MONITOR_EVERY = 10
MONITORED = ("encoder_teacher_entropy", DICE_TERM)


class LossOfTerms(nn.Module):
    """A training loss that is a weighted sum of named terms; keeps the terms of its last call for the log.

    Called with a network's training output it returns the weighted sum; called with anything else (validation) it
    returns the supervised loss of the output alone, nnU-Net's usual validation loss.

    Args:
        supervised: nnU-Net's loss on logits and full-resolution target.
    """

    def __init__(self, supervised: nn.Module) -> None:
        super().__init__()
        self.supervised = supervised
        self.weights = self.term_weights(progress=1.0)
        self.last_terms: dict[str, Tensor] = {}

    @abstractmethod
    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weight of each term, in the terms' order.

        Args:
            progress: Fraction of the training done at the end of the current epoch.
        """

    @abstractmethod
    def terms(self, output: Any, target: Tensor) -> dict[str, Tensor]:
        """Return the unweighted terms of a network's training output; target `(B, 1, *S)`, or `(B, R, *S)`."""

    def begin_epoch(self, progress: float) -> None:
        """Start an epoch: set the fraction of the training done at its end, which ramps follow."""
        self.weights = self.term_weights(progress=progress)

    def forward(self, output: Any, target: Tensor) -> Tensor:
        """Return the scalar loss of `output` against `target` `(B, 1, *S)`, or `(B, R, *S)` with regions."""
        if not self.is_training(output):
            validation_loss: Tensor = self.supervised(output, target)
            return validation_loss
        terms = self.terms(output, target)
        self.last_terms = {name: value.detach() for name, value in terms.items()} | self.monitored(output, target)
        return weighted_sum(terms, self.weights)

    def is_training(self, output: Any) -> bool:
        """Return whether an output is of a training step, which has the terms, and not of validation."""
        return isinstance(output, VolumeOutput)

    def monitored(self, output: Any, target: Tensor) -> dict[str, Tensor]:
        """Return what is logged beside the terms, NaN where it was not looked at in this step."""
        return {}

    def term_names(self) -> tuple[str, ...]:
        """Return the names of all that is logged, in order."""
        return tuple(self.weights)


class DualDistillationLoss(LossOfTerms):
    """Loss of a network with the heads of dual self-distillation (Eq. 5).

    The encoder teacher is looked at in the first step of each epoch and every tenth after it.

    Args:
        supervised: nnU-Net's loss on logits and full-resolution target.
        settings: Weights, temperature, who teaches.
        levels: Z.
        regions: Channels are independent regions.
        ignore_label: Label value that does not count (classes), or any value but None with `regions`, where the
            target's last channel marks what does not count.
    """

    def __init__(
        self, supervised: nn.Module, settings: DualSettings, *, levels: int, regions: bool, ignore_label: int | None
    ) -> None:
        self.settings, self.levels = settings, levels
        self.regions, self.ignore_label = regions, ignore_label
        super().__init__(supervised)
        self._calls = 0

    def term_weights(self, *, progress: float) -> dict[str, float]:
        """Return the weights of Eq. 5, with the ramp of alpha and beta."""
        return term_weights(self.settings, levels=self.levels, progress=progress)

    def begin_epoch(self, progress: float) -> None:
        """Start an epoch, and its count of steps."""
        super().begin_epoch(progress)
        self._calls = 0

    def terms(self, output: DistillationOutput, target: Tensor) -> dict[str, Tensor]:
        """Return the terms of Eq. 5 by name."""
        return dual_distillation_terms(
            output,
            target,
            settings=self.settings,
            supervised_loss=self.supervised,
            mask=self._mask(target),
            regions=self.regions,
        )

    def monitored(self, output: DistillationOutput, target: Tensor) -> dict[str, Tensor]:
        """Return how informative the encoder teacher is, where there is one."""
        if not output.encoders:
            return {}
        due = self._calls % MONITOR_EVERY == 0
        self._calls += 1
        logits = output.encoders[-1].detach().float()
        values: Sequence[Any] = (math.nan, math.nan)
        if due:
            values = informativeness(logits, target, self._mask(target), regions=self.regions)
        return {
            name: torch.as_tensor(value, device=logits.device) for name, value in zip(MONITORED, values, strict=True)
        }

    def term_names(self) -> tuple[str, ...]:
        """Return the names of all that is logged: the terms, then how informative the encoder teacher is."""
        return (*super().term_names(), *(MONITORED if self.settings.alpha > 0 else ()))

    def _mask(self, target: Tensor) -> Tensor | None:
        return counting_voxels(target, regions=self.regions, ignore_label=self.ignore_label)


def counting_voxels(target: Tensor, *, regions: bool, ignore_label: int | None) -> Tensor | None:
    """Return a mask `(B, 1, *S)` of the voxels that are not ignored, or None where all count."""
    if ignore_label is None:
        return None
    return target[:, -1:] == 0 if regions else target != ignore_label


@torch.no_grad()
def informativeness(logits: Tensor, target: Tensor, mask: Tensor | None, *, regions: bool) -> tuple[Tensor, Tensor]:
    """Return how much a map says: its mean entropy in nats, and the mean foreground Dice of its hard labels.

    No encoder map meets the ground truth, so encoders could agree on something empty; entropy near log(classes) with
    Dice near 0 would show it.

    Args:
        logits: `(B, C, *S)`.
        target: `(B, 1, *S)` labels, or `(B, R, *S)` regions (a last channel may mark ignored voxels).
        mask: `(B, 1, *S)` or None.
        regions: Channels are independent regions.
    """
    counts = torch.ones_like(logits[:, :1]) if mask is None else mask.to(logits.dtype)
    if regions:
        probabilities = torch.sigmoid(logits)
        entropy = -(
            torch.special.xlogy(probabilities, probabilities)
            + torch.special.xlogy(1 - probabilities, 1 - probabilities)
        ).mean(1, keepdim=True)
        predicted, reference = probabilities > 0.5, target[:, : logits.shape[1]] > 0
    else:
        probabilities = torch.softmax(logits, dim=1)
        entropy = -torch.special.xlogy(probabilities, probabilities).sum(1, keepdim=True)
        classes = torch.arange(1, logits.shape[1], device=logits.device).view(1, -1, *([1] * (logits.ndim - 2)))
        predicted, reference = logits.argmax(1, keepdim=True) == classes, target == classes
    axes: Any = (0, *range(2, logits.ndim))
    both = (predicted & reference).mul(counts).sum(axes)
    sizes = predicted.mul(counts).sum(axes) + reference.mul(counts).sum(axes)
    dice = (2 * both / sizes)[sizes > 0]
    return (entropy * counts).sum() / counts.sum().clamp_min(1), dice.mean()
