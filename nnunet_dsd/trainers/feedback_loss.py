"""The loss of a student: against the labels, and against what its teachers show."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.distillation.feedback_settings import FeedbackSettings
from nnunet_dsd.distillation.focal_dice import focal_dice
from nnunet_dsd.distillation.hierarchical import Feedback, feedback_value, feedback_weights
from nnunet_dsd.networks.feedback import FeedbackOutput
from nnunet_dsd.trainers.loss import LossOfTerms, counting_voxels


class FeedbackLoss(LossOfTerms):
    """The labels' loss of the student's output plus what it learns from its teachers.

    With several teachers each term is its mean over them.

    Args:
        supervised: nnU-Net's loss, with its deep supervision where the student has that.
        settings: Weights.
        temperature: T of the soft labels.
        feedback: The terms.
        regions: Channels are independent regions.
        ignore_label: As for `DualDistillationLoss`.
    """

    def __init__(
        self,
        supervised: nn.Module,
        settings: FeedbackSettings,
        *,
        temperature: float,
        feedback: tuple[Feedback, ...],
        regions: bool,
        ignore_label: int | None,
    ) -> None:
        self.settings, self.temperature = settings, temperature
        self.feedback, self.regions, self.ignore_label = feedback, regions, ignore_label
        super().__init__(supervised)

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
                    temperature=self.temperature,
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
