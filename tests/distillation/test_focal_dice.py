"""Focal Dice against a voxel-by-voxel version, and where it is known by heart."""

import math

import numpy as np
import pytest
import torch

from nnunet_dsd.distillation.focal_dice import focal_dice


def literal(logits, labels, mask=None):
    """Half focal loss, half Dice, one voxel after another."""
    z, y = logits.double().numpy(), labels.numpy()
    focal, count, both, sizes = 0.0, 0, 0.0, 0.0
    for case in range(z.shape[0]):
        for voxel in np.ndindex(*z.shape[2:]):
            if mask is not None and not mask[(case, 0, *voxel)]:
                continue
            odds = [math.exp(value) for value in z[(case, slice(None), *voxel)]]
            p = [value / sum(odds) for value in odds]
            true = int(y[(case, 0, *voxel)])
            focal -= (1 - p[true]) ** 2 * math.log(p[true])
            count += 1
            both += p[true] if true else 0.0
            sizes += sum(p[1:]) + bool(true)
    return 0.5 * focal / count + 0.5 * (1 - (2 * both + 1) / (sizes + 1))


def batch(classes, *shape):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, classes, *shape, generator=generator)
    return logits, torch.randint(classes, (2, 1, *shape), generator=generator)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("shape", [(3, 4), (2, 3, 2)])
def test_it_is_its_formula(classes, shape):
    logits, labels = batch(classes, *shape)
    assert focal_dice(logits, labels).item() == pytest.approx(literal(logits, labels), rel=1e-5)


def test_voxels_that_do_not_count_may_hold_any_label():
    logits, labels = batch(3, 4, 4)
    mask = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(1)) < 0.6
    expected = literal(logits, labels, mask)
    labels[~mask] = 17
    assert focal_dice(logits, labels, mask=mask).item() == pytest.approx(expected, rel=1e-5)


def test_a_perfect_prediction_costs_nothing():
    labels = torch.tensor([[[[0, 1], [2, 1]]]])
    logits = 100.0 * torch.nn.functional.one_hot(labels[:, 0], 3).movedim(-1, 1).float()
    assert focal_dice(logits, labels).item() == pytest.approx(0, abs=1e-6)


def test_regions_are_judged_one_by_one():
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(1, 2, 3, 3, generator=generator)
    truth = torch.randint(2, (1, 3, 3, 3), generator=generator).float()
    p, t = torch.sigmoid(logits).double(), truth[:, :2].double()
    right = torch.where(t > 0, p, 1 - p)
    focal = -((1 - right) ** 2 * right.log()).mean()
    dice = 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)
    expected = float(0.5 * focal + 0.5 * dice)
    assert focal_dice(logits, truth, regions=True).item() == pytest.approx(expected, rel=1e-5)


def test_nothing_that_counts_is_finite():
    logits, labels = batch(3, 2, 2)
    nothing = torch.zeros(2, 1, 2, 2)
    assert torch.isfinite(focal_dice(logits, labels, mask=nothing))
