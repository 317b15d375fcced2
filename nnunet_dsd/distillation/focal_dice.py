"""The supervised loss of HLFD: half focal loss, half Dice."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

GAMMA = 2.0
SMOOTH = 1.0


def focal_dice(logits: Tensor, target: Tensor, *, mask: Tensor | None = None, regions: bool = False) -> Tensor:
    """Return `0.5 * focal + 0.5 * Dice`, in float32.

    The focal term is `-(1 - p)^2 log p` of the probability p of the true class, averaged over voxels (with `regions`,
    of every region's true state, averaged over regions too). The Dice term is `1 - (2 |PT| + 1) / (|P| + |T| + 1)` over
    all foreground channels and the whole batch at once.

    Args:
        logits: `(B, C, *S)`; channel 0 is the background unless `regions`.
        target: Labels `(B, 1, *S)`, or regions `(B, C, *S)` (further channels are left aside).
        mask: `(B, 1, *S)`, true where a voxel counts.
        regions: Channels are independent regions.

    Reference: Gorade et al. (ISBI 2024), its code; gamma 2, smoothing 1.
    """
    logits = logits.float()
    counts = torch.ones_like(logits[:, :1]) if mask is None else mask.float()
    if regions:
        truth = target[:, : logits.shape[1]].float()
        probabilities = torch.sigmoid(logits)
        log_p = -functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
        predicted, expected = probabilities, truth
    else:
        labels = (target[:, 0] * counts[:, 0]).long()
        log_probabilities = functional.log_softmax(logits, dim=1)
        log_p = log_probabilities.gather(1, labels[:, None])
        hot = functional.one_hot(labels, logits.shape[1]).movedim(-1, 1)
        predicted, expected = log_probabilities.exp()[:, 1:], hot[:, 1:].float()
    focal = -((1 - log_p.exp()) ** GAMMA * log_p * counts).sum() / (counts.sum() * log_p.shape[1]).clamp_min(1)
    both = (predicted * expected * counts).sum()
    sizes = (predicted * counts).sum() + (expected * counts).sum()
    dice = 1 - (2 * both + SMOOTH) / (sizes + SMOOTH)
    return 0.5 * focal + 0.5 * dice
