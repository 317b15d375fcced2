"""The loss object that nnU-Net's loop calls: dual self-distillation on top of nnU-Net's own Dice and cross-entropy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.config import Settings
from nnunet_dsd.distillation.objective import dual_distillation_terms, term_weights
from nnunet_dsd.distillation.terms import weighted_sum
from nnunet_dsd.networks.heads import DistillationOutput

MONITOR_EVERY = 10
MONITORED = ("encoder_teacher_entropy", "encoder_teacher_dice")


class DualDistillationLoss(nn.Module):
    """Loss of a network with distillation heads; keeps the terms of its last call for the log.

    Called with a `DistillationOutput` (training) it returns the weighted sum of Eq. 5; called with plain logits
    (validation) it returns the supervised loss of the output alone, nnU-Net's usual validation loss.

    Args:
        supervised: nnU-Net's loss on logits and full-resolution target.
        settings: Weights, temperature, who teaches.
        levels: Z.
        regions: Channels are independent regions.
        ignore_label: Label value that does not count (classes), or any value but None with `regions`, where the
            target's last channel marks what does not count.
    """

    def __init__(
        self, supervised: nn.Module, settings: Settings, *, levels: int, regions: bool, ignore_label: int | None
    ) -> None:
        super().__init__()
        self.supervised, self.settings = supervised, settings
        self.levels, self.regions, self.ignore_label = levels, regions, ignore_label
        self.weights = term_weights(settings, levels=levels)
        self.last_terms: dict[str, Tensor] = {}
        self._calls = 0

    def begin_epoch(self, progress: float) -> None:
        """Start an epoch: set the fraction of the training done at its end, which the ramp of alpha and beta follows.

        The encoder teacher is looked at in the first step of each epoch and every tenth after it.
        """
        self.weights = term_weights(self.settings, levels=self.levels, progress=progress)
        self._calls = 0

    def forward(self, output: DistillationOutput | Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of `output` against `target` `(B, 1, *S)`, or `(B, R, *S)` with regions."""
        if isinstance(output, Tensor):
            validation_loss: Tensor = self.supervised(output, target)
            return validation_loss
        mask = counting_voxels(target, regions=self.regions, ignore_label=self.ignore_label)
        terms = dual_distillation_terms(
            output, target, settings=self.settings, supervised_loss=self.supervised, mask=mask, regions=self.regions
        )
        self._remember(terms, output, target, mask)
        return weighted_sum(terms, self.weights)

    def _remember(
        self, terms: Mapping[str, Tensor], output: DistillationOutput, target: Tensor, mask: Tensor | None
    ) -> None:
        self.last_terms = {name: value.detach() for name, value in terms.items()}
        if output.encoders:
            due = self._calls % MONITOR_EVERY == 0
            logits = output.encoders[-1].detach().float()
            values = informativeness(logits, target, mask, regions=self.regions) if due else (math.nan, math.nan)
            named = zip(MONITORED, values, strict=True)
            self.last_terms |= {name: torch.as_tensor(value, device=logits.device) for name, value in named}
        self._calls += 1

    def term_names(self) -> tuple[str, ...]:
        """Return the names of all that is logged: the terms, then how informative the encoder teacher is."""
        return (*self.weights, *(MONITORED if self.settings.alpha > 0 else ()))


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
