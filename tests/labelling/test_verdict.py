"""What several teachers say: their mean, and how far each of them is from it."""

import math

import pytest
import torch

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.labelling.prediction import verdict


def opinions(count, classes=3, *, regions=False, shape=(2, 3, 4)):
    generator = torch.Generator().manual_seed(count)
    raw = 2 * torch.randn(count, classes, *shape, generator=generator)
    return torch.sigmoid(raw) if regions else torch.softmax(raw, dim=1)


def slow_disagreement(members, regions):
    """The mean of KL(member || mean), from its definition in float64."""
    members = members.double()
    mean = members.mean(0)
    parts = members * (members / mean).log()
    if regions:
        parts = parts + (1 - members) * ((1 - members) / (1 - mean)).log()
    return parts.sum(1).mean(0)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("regions", [False, True])
def test_it_is_the_mean_and_the_mean_divergence_from_it(count, regions):
    members = opinions(count, regions=regions)
    found = verdict(iter(members), regions=regions)
    assert torch.allclose(found.probabilities, members.mean(0), atol=1e-6)
    expected = slow_disagreement(members, regions)
    assert torch.allclose(found.disagreement.double(), expected, atol=1e-5)
    assert found.mean_everywhere == pytest.approx(expected.mean().item(), abs=1e-5)


def test_the_mean_over_a_case_is_over_what_any_teacher_sees():
    first = torch.tensor([[0.9, 0.1, 0.8], [0.1, 0.9, 0.2]])  # classes x voxels: the second voxel is a structure
    second = torch.tensor([[0.7, 0.2, 0.4], [0.3, 0.8, 0.6]])  # here the third is one too
    found = verdict(iter([first, second]), regions=False)
    assert found.mean_disagreement == pytest.approx(found.disagreement[1:].mean().item())
    assert found.mean_everywhere == pytest.approx(found.disagreement.mean().item())


def test_where_nobody_sees_a_structure_there_is_no_disagreement_on_any():
    empty = torch.tensor([[0.9, 0.8], [0.1, 0.2]])
    assert verdict(iter([empty, empty]), regions=False).mean_disagreement == 0.0


def test_teachers_that_agree_do_so_exactly_and_certainty_is_finite():
    sure = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    found = verdict(iter([sure, sure, sure]), regions=False)
    assert found.disagreement.tolist() == [0.0, 0.0]
    apart = verdict(iter([sure, 1 - sure]), regions=False)
    assert apart.disagreement.tolist() == pytest.approx([math.log(2)] * 2)


def test_teachers_of_different_shapes_are_refused():
    with pytest.raises(ShapeError, match="another of"):
        verdict(iter([torch.ones(2, 3), torch.ones(2, 4)]), regions=False)
    with pytest.raises(ShapeError, match="no teacher"):
        verdict(iter([]), regions=False)


def test_opinions_are_not_changed():
    members = opinions(2)
    before = members.clone()
    verdict(iter(members), regions=False)
    assert torch.equal(members, before)
