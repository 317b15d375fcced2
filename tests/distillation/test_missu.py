"""The terms of MISSU-style self-distillation against a literal NumPy version."""

import numpy as np
import pytest
import torch
from scipy import special

from nnunet_dsd.distillation.missu import missu_terms, missu_weights
from nnunet_dsd.networks.missu import MissuOutput


def mean_square(logits, target):
    return (logits.mean(1, keepdim=True) - target).square().mean()


def output(dtype=torch.float32, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape):
        return torch.randn(*shape, generator=generator, dtype=dtype).requires_grad_()

    return MissuOutput(
        main=draw(2, 3, 8, 4),
        teachers=(draw(2, 3, 8, 4), draw(2, 3, 8, 4)),
        student_features=(draw(2, 5, 4, 2), draw(2, 6, 2, 1)),
        teacher_features=(draw(2, 5, 4, 2), draw(2, 6, 2, 1)),
    )


TARGET = torch.ones(2, 1, 8, 4)


def divergence(student, teacher):
    """KL over channels, mean over voxels and batch, in float64."""
    p = special.log_softmax(teacher.detach().double().numpy(), axis=1)
    q = special.log_softmax(student.detach().double().numpy(), axis=1)
    return float((np.exp(p) * (p - q)).sum(1).mean())


@pytest.mark.parametrize("detached", [True, False])
def test_the_terms_are_their_formulas(detached):
    made = output()
    terms = missu_terms(made, TARGET, detach_teacher=detached, supervised_loss=mean_square)
    assert list(terms) == ["output", "fusion_1", "fusion_2", "missu_kl_1", "missu_kl_2"]
    assert terms["output"] == mean_square(made.main, TARGET)
    for i in (0, 1):
        assert terms[f"fusion_{i + 1}"] == mean_square(made.teachers[i], TARGET)
        expected = divergence(made.student_features[i], made.teacher_features[i])
        assert terms[f"missu_kl_{i + 1}"].item() == pytest.approx(expected, rel=1e-5)


def test_a_pair_that_agrees_has_no_divergence():
    made = output()._replace(student_features=(torch.ones(1, 4, 2, 2),), teacher_features=(3 + torch.ones(1, 4, 2, 2),))
    terms = missu_terms(made, TARGET, detach_teacher=False, supervised_loss=mean_square)
    assert float(terms["missu_kl_1"]) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("detached", [True, False])
def test_a_detached_teacher_learns_nothing_from_the_divergence_but_is_in_the_graph(detached):
    made = output()
    terms = missu_terms(made, TARGET, detach_teacher=detached, supervised_loss=mean_square)
    (terms["missu_kl_1"] + terms["missu_kl_2"]).backward()
    for student, teacher in zip(made.student_features, made.teacher_features, strict=True):
        assert student.grad.abs().max() > 0
        assert (teacher.grad.abs().max() == 0) == detached


def test_weights_are_equal_for_all_pairs():
    weights = missu_weights(pairs=3, weight=0.5, eta=2.0, reduction="sum")
    assert weights == {
        "output": 1.0,
        **{f"fusion_{i}": 2.0 for i in (1, 2, 3)},
        **{f"missu_kl_{i}": 0.5 for i in (1, 2, 3)},
    }


def test_the_normalised_weights_do_not_depend_on_the_number_of_pairs():
    for pairs in (1, 3):
        weights = missu_weights(pairs=pairs, weight=0.5, eta=1.0, reduction="mean")
        supervised = [value for name, value in weights.items() if not name.startswith("missu")]
        assert sum(supervised) == pytest.approx(1)
        assert sum(weights.values()) - sum(supervised) == pytest.approx(0.5)
