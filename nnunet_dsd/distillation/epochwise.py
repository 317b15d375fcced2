"""Epoch-wise self-distillation: an encoder stays near what it was an epoch ago, so that fine-tuning forgets less.

Reference: Zhou et al., "Preserve pre-trained knowledge: transfer learning with self-distillation for action
recognition", Eq. 2 and 3 and Algorithm 1.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.distillation.epochwise_settings import EpochReduction


def epoch_distance(features: Tensor, previous: Tensor, *, reduction: EpochReduction) -> Tensor:
    """Return how far features are from those of the previous epoch's encoder: `||f(x) - f'(x)||^2` (Eq. 2), in float32.

    Args:
        features: `(B, ...)`, of any further axes.
        previous: The same shape; no gradient flows into them.
        reduction: "sum": over samples and values, as Eq. 2 is printed; "samples": the mean over samples of the
            squared norm, which weighs like Eq. 2 beside a cross-entropy averaged over samples; "mean": over all
            values, so that the weight does not depend on the encoder's width or the image's size.

    Raises:
        ShapeError: if the shapes differ.
    """
    if features.shape != previous.shape:
        raise ShapeError(
            f"features of one encoder are compared, got {tuple(features.shape)} now and {tuple(previous.shape)} from "
            "the previous epoch"
        )
    squares = (features.float() - previous.detach().float()).square()
    if reduction == "mean":
        return squares.mean()
    return squares.sum() if reduction == "sum" else squares.flatten(1).sum(dim=1).mean()


class PreviousEpoch(nn.Module):
    """A frozen copy of an encoder as it was when the epoch began: the teacher of this epoch.

    It stays in eval mode, so its dropout is off and its statistics are those it came with. Its weights are the
    encoder's own at the end of the last epoch (before the first one: the pre-trained ones), so a training that
    continues from the end of an epoch renews it from the weights it loads.

    Args:
        encoder: Not compiled and not wrapped; it is copied, never changed.
    """

    def __init__(self, encoder: nn.Module) -> None:
        super().__init__()
        self.encoder = copy.deepcopy(encoder).requires_grad_(False).eval()

    def renew(self, encoder: nn.Module) -> None:
        """Take over weights and statistics of the encoder as it is now (Algorithm 1, line 5)."""
        self.encoder.load_state_dict(encoder.state_dict())

    def train(self, mode: bool = True) -> PreviousEpoch:
        """Stay in eval mode, whatever is asked."""
        return super().train(False)

    @torch.no_grad()
    def forward(self, inputs: Tensor) -> Any:
        """Return what the copy makes of inputs, without gradient."""
        return self.encoder(inputs)
