"""Who teaches whom, held against facts: encoder Z and decoder 1 teach, all others of their side learn."""

import oracle
import pytest
import torch

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.dual import side_divergences, student_indices, teacher_index


@pytest.mark.parametrize(
    ("side", "teacher", "levels", "teaches", "learn"),
    [
        ("encoder", "deepest", 4, 3, (0, 1, 2)),
        ("decoder", "deepest", 4, 0, (1, 2, 3)),
        ("encoder", "reversed", 4, 0, (1, 2, 3)),
        ("decoder", "reversed", 4, 3, (0, 1, 2)),
        ("encoder", "mean", 4, None, (0, 1, 2, 3)),
        ("decoder", "mean", 4, None, (0, 1, 2, 3)),
        ("encoder", "deepest", 2, 1, (0,)),
        ("decoder", "deepest", 2, 0, (1,)),
        ("decoder", "mean", 2, None, (0, 1)),
    ],
)
def test_teacher_and_students_are_those_of_equation_five_and_table_six(side, teacher, levels, teaches, learn):
    assert teacher_index(side, teacher, levels) == teaches
    assert student_indices(side, teacher, levels) == learn


@pytest.mark.parametrize("teacher", ["deepest", "mean", "reversed"])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize("levels", [0, 1])
def test_with_fewer_than_two_levels_nobody_is_left_to_teach(side, teacher, levels):
    with pytest.raises(NetworkStructureError, match=f"at least 2 {side} levels, got {levels}; use a network with more"):
        teacher_index(side, teacher, levels)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("masked", [False, True], ids=["all voxels", "masked"])
@pytest.mark.parametrize("teacher", ["deepest", "mean", "reversed"])
@pytest.mark.parametrize("side", ["encoder", "decoder"])
@pytest.mark.parametrize(("levels", "shape"), [(2, (3, 4)), (4, (2, 3, 2))])
def test_each_student_gets_its_divergence_under_its_own_level_number(levels, shape, side, teacher, masked, regions):
    maps = [2 * torch.randn(2, 3, *shape, dtype=torch.float64) for _ in range(levels)]
    mask = torch.rand(2, 1, *shape) < 0.7 if masked else None
    arrays = [item.numpy() for item in maps]
    expected = oracle.side_divergences(
        arrays, side, teacher, 3.0, mask=None if mask is None else mask.numpy(), regions=regions
    )
    found = side_divergences(maps, side=side, teacher=teacher, temperature=3.0, mask=mask, regions=regions)
    assert {level: value.item() for level, value in found.items()} == pytest.approx(expected, rel=1e-7)
    assert len(set(expected.values())) == len(expected)


def test_the_two_formulations_of_the_oracle_agree():
    student, teacher = (torch.randn(2, 3, 3, 2, dtype=torch.float64).numpy() for _ in range(2))
    for regions in (False, True):
        labels = (oracle.soft_labels(item, 3.0, regions) for item in (student, teacher))
        vectorised = oracle.divergence_of_labels(*labels, 3.0, regions=regions)
        assert vectorised == pytest.approx(oracle.divergence_voxel_by_voxel(student, teacher, 3.0, regions=regions))


def test_maps_that_all_agree_have_no_divergence_whoever_teaches():
    one = torch.randn(1, 3, 4, 4, dtype=torch.float64)
    for teacher in ("deepest", "mean", "reversed"):
        values = side_divergences([one.clone() for _ in range(3)], side="encoder", teacher=teacher, temperature=3.0)
        assert all(abs(value.item()) < 1e-6 for value in values.values())


@pytest.mark.parametrize(
    ("side", "teacher", "position"),
    [("encoder", "deepest", 2), ("decoder", "deepest", 0), ("encoder", "reversed", 0), ("decoder", "reversed", 2)],
)
def test_gradient_flows_into_the_teacher_unless_it_is_detached(side, teacher, position):
    for detach in (False, True):
        maps = [torch.randn(1, 3, 4, 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]
        values = side_divergences(maps, side=side, teacher=teacher, temperature=3.0, detach_teacher=detach)
        sum(values.values()).backward()
        for index, item in enumerate(maps):
            assert bool(item.grad.abs().max() > 0) == (index != position or not detach)


def test_a_detached_mean_teacher_still_teaches_every_level_and_acts_as_a_constant():
    maps = [torch.randn(1, 3, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(3)]
    values = side_divergences(maps, side="decoder", teacher="mean", temperature=2.0, detach_teacher=True)
    sum(values.values()).backward()
    labels = [oracle.soft_labels(oracle.as_array(item), 2.0) for item in maps]
    mean = sum(labels) / 3
    for item, label in zip(maps, labels, strict=True):
        expected = torch.from_numpy(2.0 / 4 * (label - mean))  # T / N * (q - p), the student's gradient alone
        torch.testing.assert_close(item.grad, expected, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("teacher", ["deepest", "mean", "reversed"])
def test_gradients_through_both_sides_pass_gradcheck(teacher):
    maps = tuple(torch.randn(1, 2, 2, 2, dtype=torch.float64, requires_grad=True) for _ in range(3))

    def total(*items):
        return sum(side_divergences(items, side="encoder", teacher=teacher, temperature=3.0).values())

    assert torch.autograd.gradcheck(total, maps)


def test_half_precision_maps_are_compared_in_float32():
    maps = [torch.randn(1, 3, 4, 4).half() for _ in range(3)]
    arrays = [item.double().numpy() for item in maps]
    for teacher in ("deepest", "mean"):
        values = side_divergences(maps, side="decoder", teacher=teacher, temperature=3.0)
        expected = oracle.side_divergences(arrays, "decoder", teacher, 3.0)
        assert {value.dtype for value in values.values()} == {torch.float32}
        assert {k: v.item() for k, v in values.items()} == pytest.approx(expected, rel=1e-4)
