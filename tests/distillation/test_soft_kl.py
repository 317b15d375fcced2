"""The soft KL divergence against Eq. 2 and 4, computed by hand and by a slow oracle in NumPy."""

import math

import oracle
import pytest
import torch

from nnunet_dsd.common.errors import ShapeError
from nnunet_dsd.distillation.soft_kl import mean_logits, soft_kl, soft_kl_to_teacher

SHAPES = [(4,), (3, 5), (2, 3, 4)]


def two_maps(batch, classes, shape, dtype=torch.float64, spread=3.0):
    return tuple(spread * torch.randn(batch, classes, *shape, dtype=dtype) for _ in range(2))


def one_voxel(*logits):
    return torch.tensor(logits, dtype=torch.float64).view(1, -1, 1, 1)


def test_two_classes_at_temperature_one_give_the_textbook_value():
    teacher, student = one_voxel(math.log(3.0), 0.0), one_voxel(0.0, 0.0)  # probabilities 3/4, 1/4 and 1/2, 1/2
    expected = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    assert soft_kl(student, teacher, temperature=1.0).item() == pytest.approx(expected, rel=1e-12)


def test_logits_that_temperature_two_halves_give_four_times_the_textbook_value():
    teacher, student = one_voxel(2 * math.log(3.0), 0.0), one_voxel(0.0, 0.0)
    expected = 4 * (0.75 * math.log(1.5) + 0.25 * math.log(0.5))
    assert soft_kl(student, teacher, temperature=2.0).item() == pytest.approx(expected, rel=1e-12)


def test_the_divergence_is_that_of_the_student_from_the_teacher_and_not_the_other_way():
    first, second = one_voxel(math.log(9.0), 0.0), one_voxel(0.0, 0.0)  # 0.9, 0.1 and 0.5, 0.5
    forward = 0.9 * math.log(1.8) + 0.1 * math.log(0.2)
    backward = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    assert abs(forward - backward) > 0.1
    assert soft_kl(second, first, temperature=1.0).item() == pytest.approx(forward, rel=1e-12)
    assert soft_kl(first, second, temperature=1.0).item() == pytest.approx(backward, rel=1e-12)


def test_one_region_is_a_bernoulli_variable():
    teacher, student = one_voxel(3 * math.log(4.0)), one_voxel(0.0)  # at T = 3 the probabilities are 0.8 and 0.5
    expected = 9 * (0.8 * math.log(1.6) + 0.2 * math.log(0.4))
    assert soft_kl(student, teacher, temperature=3.0, regions=True).item() == pytest.approx(expected, rel=1e-12)


def test_a_region_equals_two_classes_of_which_one_has_logit_zero():
    student, teacher = two_maps(2, 1, (3, 3))
    zero = torch.zeros_like(student)
    classes = soft_kl(torch.cat([student, zero], 1), torch.cat([teacher, zero], 1), temperature=2.5)
    torch.testing.assert_close(soft_kl(student, teacher, temperature=2.5, regions=True), classes, rtol=1e-12, atol=0)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("masked", [False, True], ids=["all voxels", "masked"])
@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0, 4.0])
@pytest.mark.parametrize("channels", [2, 3, 8])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_shape_temperature_and_class_count_agrees_with_the_loop_over_voxels(
    shape, channels, temperature, masked, regions
):
    student, teacher = two_maps(2, channels, shape)
    mask = torch.rand(2, 1, *shape) < 0.6 if masked else None
    expected = oracle.divergence_voxel_by_voxel(
        student.numpy(), teacher.numpy(), temperature, None if mask is None else mask.numpy(), regions
    )
    assert expected > 0
    found = soft_kl(student, teacher, temperature=temperature, mask=mask, regions=regions)
    assert found.item() == pytest.approx(expected, rel=1e-7 if masked else 1e-11)
    single = soft_kl(student.float(), teacher.float(), temperature=temperature, mask=mask, regions=regions)
    assert single.dtype == torch.float32
    assert single.item() == pytest.approx(expected, rel=2e-5)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equal_logits_have_no_divergence_and_a_shift_of_all_classes_changes_nothing(shape, regions):
    teacher = two_maps(2, 3, shape)[1]
    assert soft_kl(teacher, teacher, temperature=3.0, regions=regions).item() == 0
    if not regions:
        shift = torch.randn(2, 1, *shape, dtype=torch.float64)
        assert soft_kl(teacher + shift, teacher, temperature=3.0).item() == pytest.approx(0, abs=1e-12)
    else:
        assert soft_kl(teacher + 1, teacher, temperature=3.0, regions=True).item() > 1e-3


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_the_divergence_is_positive_for_different_soft_labels_however_small_the_difference(regions):
    for spread in (1e-2, 1.0, 30.0):
        student, teacher = two_maps(1, 4, (3, 3), spread=spread)
        assert soft_kl(student, teacher, temperature=1.0, regions=regions).item() > 0


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_the_order_of_the_classes_does_not_matter(regions):
    student, teacher = two_maps(2, 5, (4, 3))
    order = torch.tensor([3, 0, 4, 1, 2])
    plain = soft_kl(student, teacher, temperature=2.0, regions=regions)
    shuffled = soft_kl(student[:, order], teacher[:, order], temperature=2.0, regions=regions)
    torch.testing.assert_close(shuffled, plain, rtol=1e-12, atol=0)
    moved = soft_kl(student[:, order], teacher, temperature=2.0, regions=regions)
    assert abs(moved.item() - plain.item()) > 1e-3


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_the_value_is_a_mean_so_neither_batch_nor_volume_changes_its_size(regions):
    student, teacher = two_maps(1, 3, (4, 4))
    once = soft_kl(student, teacher, temperature=3.0, regions=regions)
    repeats = (5, 1, 2, 3)
    many = soft_kl(student.repeat(repeats), teacher.repeat(repeats), temperature=3.0, regions=regions)
    torch.testing.assert_close(many, once, rtol=1e-12, atol=0)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("masked", [False, True], ids=["all voxels", "masked"])
def test_gradients_of_student_and_teacher_pass_gradcheck(masked, regions):
    student, teacher = (item.requires_grad_() for item in two_maps(2, 3, (2, 2), spread=1.0))
    mask = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 1.0], dtype=torch.float64).view(2, 1, 2, 2)

    def divergence(a, b):
        return soft_kl(a, b, temperature=2.0, mask=mask if masked else None, regions=regions)

    assert torch.autograd.gradcheck(divergence, (student, teacher))


def test_gradients_have_their_closed_form_on_both_sides():
    student, teacher = (item.requires_grad_() for item in two_maps(2, 4, (3, 2), spread=1.0))
    temperature, voxels = 3.0, 2 * 3 * 2
    soft_kl(student, teacher, temperature=temperature).backward()
    p, q = (oracle.soft_labels(oracle.as_array(item), temperature) for item in (teacher, student))
    log_ratio = oracle.np.log(p / q)
    each = (p * log_ratio).sum(axis=1, keepdims=True)
    expected_student = temperature / voxels * (q - p)
    expected_teacher = temperature / voxels * p * (log_ratio - each)
    torch.testing.assert_close(student.grad, torch.from_numpy(expected_student), rtol=1e-9, atol=1e-14)
    torch.testing.assert_close(teacher.grad, torch.from_numpy(expected_teacher), rtol=1e-9, atol=1e-14)


def test_a_detached_teacher_gets_no_gradient_and_the_student_the_same_one():
    student, teacher = (item.requires_grad_() for item in two_maps(1, 3, (2, 2)))
    soft_kl(student, teacher, temperature=3.0).backward()
    together = student.grad.clone()
    student.grad = teacher.grad = None
    soft_kl(student, teacher.detach(), temperature=3.0).backward()
    assert teacher.grad is None
    torch.testing.assert_close(student.grad, together, rtol=0, atol=0)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_logits_are_computed_in_float32(dtype, regions):
    student, teacher = (item.to(dtype) for item in two_maps(2, 3, (5, 5)))
    found = soft_kl(student, teacher, temperature=3.0, regions=regions)
    expected = oracle.divergence_voxel_by_voxel(
        student.double().numpy(), teacher.double().numpy(), 3.0, regions=regions
    )
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(expected, rel=1e-5)  # float16 itself is good to 1e-3, bfloat16 to 1e-2


def test_half_precision_logits_receive_gradients_in_their_own_precision():
    student, teacher = (item.half().requires_grad_() for item in two_maps(1, 3, (2, 2)))
    soft_kl(student, teacher, temperature=3.0).backward()
    assert student.grad.dtype == torch.float16
    assert student.grad.abs().sum() > 0


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_extreme_logits_stay_finite(regions):
    student = torch.tensor([6e4, -6e4, 0.0]).view(1, 3, 1, 1).half().requires_grad_()
    teacher = torch.tensor([-6e4, 6e4, 0.0]).view(1, 3, 1, 1).half().requires_grad_()
    value = soft_kl(student, teacher, temperature=1.0, regions=regions)
    value.backward()
    # classes: the teacher is sure of class 2, to which the student gives exp(-120000); regions: twice exp(-60000)
    assert value.item() == pytest.approx(12e4, rel=1e-3)
    assert torch.isfinite(student.grad).all()
    assert torch.isfinite(teacher.grad).all()


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_masked_voxels_count_for_nothing_not_even_in_the_mean(regions):
    student, teacher = two_maps(2, 3, (4, 4))
    mask = torch.zeros(2, 1, 4, 4, dtype=torch.bool)
    mask[:, :, :2] = True
    expected = soft_kl(student[:, :, :2], teacher[:, :, :2], temperature=3.0, regions=regions)
    student = torch.where(mask, student, 50.0)
    student.requires_grad_()
    found = soft_kl(student, teacher, temperature=3.0, mask=mask, regions=regions)
    assert found.item() == pytest.approx(expected.item(), rel=1e-7)
    found.backward()
    assert student.grad[:, :, 2:].abs().max() == 0
    assert student.grad[:, :, :2].abs().min() > 0


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.float32], ids=str)
def test_with_every_voxel_masked_the_divergence_and_its_gradient_are_zero(dtype, regions):
    student, teacher = (item.float().requires_grad_() for item in two_maps(2, 3, (3, 3)))
    mask = torch.zeros(2, 1, 3, 3, dtype=dtype)
    value = soft_kl(student, teacher, temperature=3.0, mask=mask, regions=regions)
    value.backward()
    assert value.item() == 0
    assert student.grad.abs().max() == 0
    assert teacher.grad.abs().max() == 0


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_several_students_of_one_teacher_get_what_each_would_get_alone(regions):
    teacher, *students = (torch.randn(2, 3, 4, 4, dtype=torch.float64) for _ in range(4))
    together = soft_kl_to_teacher(students, teacher, temperature=3.0, regions=regions)
    assert len(together) == 3
    for student, value in zip(students, together, strict=True):
        expected = oracle.divergence_voxel_by_voxel(student.numpy(), teacher.numpy(), 3.0, regions=regions)
        assert value.item() == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
@pytest.mark.parametrize("temperature", [1.0, 3.0])
def test_mean_logits_soften_to_the_mean_of_the_soft_labels(temperature, regions):
    maps = [3 * torch.randn(2, 4, 3, 3, dtype=torch.float64) for _ in range(3)]
    expected = sum(oracle.soft_labels(item.numpy(), temperature, regions) for item in maps) / 3
    averaged = mean_logits(maps, temperature=temperature, regions=regions)
    found = oracle.soft_labels(averaged.numpy(), temperature, regions)
    torch.testing.assert_close(torch.from_numpy(found), torch.from_numpy(expected), rtol=1e-7, atol=0)


def test_mean_logits_of_half_precision_maps_are_float32():
    maps = [torch.randn(1, 2, 3, 3).half() for _ in range(2)]
    assert mean_logits(maps, temperature=3.0).dtype == torch.float32


def test_maps_of_different_shape_are_refused_with_both_shapes_and_what_to_do():
    coarse, fine = torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 8, 8)
    with pytest.raises(ShapeError, match=r"\(1, 3, 4, 4\).*\(1, 3, 8, 8\).*upsample both"):
        soft_kl(coarse, fine, temperature=3.0)
    with pytest.raises(ShapeError, match=r"\(1, 2, 8, 8\).*class count"):
        soft_kl_to_teacher([fine, fine[:, :2]], fine, temperature=3.0)


@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 4, 4), (2, 1, 4, 4), (1, 1, 4, 5)], ids=str)
def test_a_mask_of_another_shape_is_refused_instead_of_broadcast(shape):
    maps = torch.zeros(1, 3, 4, 4)
    with pytest.raises(ShapeError, match=r"mask has shape .* expected \(1, 1, 4, 4\)"):
        soft_kl(maps, maps, temperature=3.0, mask=torch.ones(shape))
