"""The divergence from stored probabilities, against a computation voxel by voxel in float64."""

import itertools
import math

import numpy as np
import pytest
import torch

from nnunet_dsd.distillation.kd import SMALLEST_PROBABILITY, distillation_term, logits_of, soft_dice_term


def slow_divergence(student, teacher, inside, *, temperature, regions):
    """T^2 KL at T of one output, summed over classes, averaged over the voxels that count, from its definition."""
    total, count = 0.0, 0
    batch, classes = student.shape[:2]
    for row, *voxel in itertools.product(range(batch), *(range(size) for size in student.shape[2:])):
        if not inside[(row, 0, *voxel)]:
            continue
        count += 1
        logits = [float(student[(row, k, *voxel)]) / temperature for k in range(classes)]
        taught = [min(max(float(teacher[(row, k, *voxel)]), SMALLEST_PROBABILITY), 1.0) for k in range(classes)]
        if regions:
            for z, p in zip(logits, taught, strict=True):
                rest = max(1 - p, SMALLEST_PROBABILITY)
                softened = [p ** (1 / temperature), rest ** (1 / temperature)]
                student_pair = [1 / (1 + math.exp(-z)), 1 / (1 + math.exp(z))]
                total += divergence([s / sum(softened) for s in softened], student_pair)
        else:
            softened = [p ** (1 / temperature) for p in taught]
            exponentials = [math.exp(z) for z in logits]
            total += divergence([s / sum(softened) for s in softened], [e / sum(exponentials) for e in exponentials])
    return temperature**2 * total / max(count, 1)


def divergence(first, second):
    return sum(p * math.log(p / q) for p, q in zip(first, second, strict=True))


def example(classes=3, size=(3, 4, 2), *, seed=0, regions=False):
    generator = torch.Generator().manual_seed(seed)
    student = torch.randn(2, classes, *size, generator=generator)
    raw = 2 * torch.randn(2, classes, *size, generator=generator)
    teacher = torch.sigmoid(raw) if regions else torch.softmax(raw, dim=1)
    inside = (torch.rand(2, 1, *size, generator=generator) < 0.7).float()
    return student, teacher, inside


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0, 4.0])
@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("size", [(3, 4, 2), (4, 5)])
def test_it_is_the_divergence_of_its_definition(temperature, regions, size):
    student, teacher, inside = example(size=size, regions=regions)
    found = distillation_term([student], teacher, inside, weights=[1.0], temperature=temperature, regions=regions)
    expected = slow_divergence(student, teacher, inside, temperature=temperature, regions=regions)
    assert found.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("regions", [False, True])
def test_logits_give_the_probabilities_back(regions):
    _, teacher, _ = example(regions=regions)
    found = logits_of(teacher, regions=regions)
    back = torch.sigmoid(found) if regions else torch.softmax(found, 1)
    assert torch.allclose(back, teacher, atol=1e-6)


@pytest.mark.parametrize("regions", [False, True])
def test_certainty_is_finite_and_an_equal_student_has_no_divergence(regions):
    teacher = torch.zeros(1, 2, 2, 2)
    teacher[:, 0] = 1.0
    inside = torch.ones(1, 1, 2, 2)
    for student, low, high in ((logits_of(teacher, regions=regions), 0.0, 1e-5), (torch.zeros(1, 2, 2, 2), 0.1, 9.0)):
        value = distillation_term([student], teacher, inside, weights=[1.0], temperature=1.0, regions=regions)
        assert low <= value.item() <= high


def test_voxels_without_soft_labels_do_not_count():
    student, teacher, inside = example()
    changed = torch.where(inside > 0, teacher, torch.rand_like(teacher))
    values = [distillation_term([student], one, inside, weights=[1.0], temperature=2.0) for one in (teacher, changed)]
    assert values[0] == values[1]
    nothing = distillation_term([student], teacher, torch.zeros_like(inside), weights=[1.0], temperature=2.0)
    assert nothing.item() == 0.0


def test_a_coarser_output_follows_the_mean_of_its_voxels():
    student, teacher, inside = example(size=(4, 4))
    inside[:, :, 0, 0] = 1.0
    coarse = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(5))
    mean, counts = np.zeros((2, 3, 2, 2)), np.zeros((2, 1, 2, 2))
    for row, y, x in itertools.product(range(2), range(2), range(2)):
        block = (slice(2 * y, 2 * y + 2), slice(2 * x, 2 * x + 2))
        weights = inside[(row, 0, *block)].numpy()
        counts[row, 0, y, x] = weights.sum() > 2  # more than half of the four
        if weights.sum():
            mean[row, :, y, x] = (teacher[(row, slice(None), *block)].numpy() * weights).sum((1, 2)) / weights.sum()
    expected = 0.5 * slow_divergence(coarse, mean, counts, temperature=2.0, regions=False)
    expected += slow_divergence(student, teacher, inside, temperature=2.0, regions=False)
    found = distillation_term([student, coarse], teacher, inside, weights=[1.0, 0.5], temperature=2.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)


def test_an_output_of_weight_zero_is_not_looked_at():
    student, teacher, inside = example()
    broken = torch.full((2, 3, 1, 2, 1), float("nan"))
    both = distillation_term([student, broken], teacher, inside, weights=[1.0, 0.0], temperature=1.0)
    assert both == distillation_term([student], teacher, inside, weights=[1.0], temperature=1.0)


def test_the_gradient_is_that_of_the_softened_difference():
    student, teacher, inside = example()
    student.requires_grad_()
    distillation_term([student], teacher, inside, weights=[1.0], temperature=2.0).backward()
    softened = teacher ** (1 / 2.0)
    expected = 2.0 * (torch.softmax(student / 2.0, 1) - softened / softened.sum(1, keepdim=True)) * inside
    assert torch.allclose(student.grad, expected / inside.sum(), atol=1e-6)


def test_half_precision_is_computed_in_float32():
    student, teacher, inside = example()
    value = distillation_term([20 * student.half()], teacher.half(), inside.half(), weights=[1.0], temperature=1.0)
    assert value.dtype == torch.float32
    assert torch.isfinite(value)


@pytest.mark.parametrize("regions", [False, True])
def test_soft_dice_is_that_of_a_loop_in_float64(regions):
    generator = torch.Generator().manual_seed(2)
    student = torch.randn(2, 4, 3, 5, 4, generator=generator)
    taught = torch.randn(2, 4, 3, 5, 4, generator=generator)
    taught = taught.sigmoid() if regions else taught.softmax(1)
    inside = (torch.rand(2, 1, 3, 5, 4, generator=generator) > 0.3).float()
    p = (student.double().sigmoid() if regions else student.double().softmax(1)).numpy()
    q, counts = taught.double().numpy(), inside.numpy()[:, 0] > 0
    values = []
    for channel in range(0 if regions else 1, 4):
        own, theirs = p[:, channel][counts], q[:, channel][counts]
        values.append((2 * (own * theirs).sum() + 1e-5) / ((own**2).sum() + (theirs**2).sum() + 1e-5))
    found = soft_dice_term([student], taught, inside, weights=[0.5], regions=regions)
    assert found.item() == pytest.approx(0.5 * (1 - np.mean(values)), rel=1e-5)


def test_soft_dice_is_zero_and_without_gradient_where_the_student_says_what_its_teachers_say():
    logits = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1)).requires_grad_()
    found = soft_dice_term([logits], logits.detach().softmax(1), torch.ones(1, 1, 4, 4), weights=[1.0])
    found.backward()
    assert found.item() == pytest.approx(0, abs=1e-6)
    assert logits.grad.abs().max() < 1e-6
