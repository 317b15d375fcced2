"""Eq. 3 to 5 as a whole: which terms exist, their weights, and their sum against the oracle in NumPy."""

from types import SimpleNamespace

import oracle
import pytest
import torch
from oracle import PAPER
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.distillation.objective import dual_distillation_terms, term_weights
from nnunet_dsd.distillation.terms import weighted_sum

CHOICES = [
    PAPER,
    PAPER | {"temperature": 1.0, "alpha": 0.5, "beta": 2.0, "eta": 0.25},
    PAPER | {"alpha": 0.0, "beta": 0.0},
    PAPER | {"alpha": 0.0},
    PAPER | {"beta": 0.0},
    PAPER | {"eta": 0.0},
    PAPER | {"alpha": 0.0, "beta": 0.0, "eta": 0.0},
    PAPER | {"teacher": "mean", "temperature": 2.0},
    PAPER | {"teacher": "mean", "reduction": "mean", "alpha": 0.3},
    PAPER | {"teacher": "reversed"},
    PAPER | {"detach_teacher": True},
    PAPER | {"reduction": "mean", "eta_decay": 0.5, "alpha": 0.7},
    PAPER | {"eta": 0.0, "reduction": "mean"},
    PAPER | {"distillation_ramp": 0.5, "eta_decay": 0.9, "temperature": 4.0},
    PAPER | {"encoder_supervision": 0.5, "reduction": "mean", "eta_decay": 0.5},
    PAPER | {"encoder_supervision": 2.0, "eta": 0.0},
    PAPER | {"encoder_supervision": 2.0, "alpha": 0.0},
    PAPER | {"feature_l2": 0.01},
    PAPER | {"feature_l2": 0.3, "alpha": 0.0, "reduction": "mean", "teacher": "reversed", "distillation_ramp": 0.5},
]


def named(choices):
    return " ".join(f"{key}={value}" for key, value in choices.items() if value != PAPER[key]) or "paper"


def random_output(levels, classes, shape, *, dtype=torch.float64, gradients=False):
    def maps(count, *size):
        return tuple(torch.randn(*size, dtype=dtype, requires_grad=gradients) for _ in range(count))

    return SimpleNamespace(
        main=maps(1, 2, classes, *shape)[0],
        encoders=maps(levels, 2, classes, *shape),
        decoders=maps(levels, 2, classes, *shape),
        encoder_vectors=maps(levels, 2, 5),
        decoder_vectors=maps(levels, 2, 5),
    )


def as_arrays(output):
    return {
        name: oracle.as_array(value) if isinstance(value, torch.Tensor) else [oracle.as_array(item) for item in value]
        for name, value in vars(output).items()
    }


def cross_entropy(logits, target):
    return functional.cross_entropy(logits, target[:, 0].long())


def cross_entropy_by_hand(target):
    labels = target[:, 0].numpy()

    def loss(logits):
        with_dice = oracle.dice_and_cross_entropy(logits, labels, background=True, batch_dice=True)
        probabilities = oracle.special.softmax(logits, axis=1)
        picked = oracle.np.take_along_axis(probabilities, labels[:, None].astype(int), axis=1)
        value = -float(oracle.np.log(picked).mean())
        assert with_dice < value  # the oracle's own Eq. 1 is this minus a Dice
        return value

    return loss


@pytest.mark.parametrize("progress", [0.2, 1.0])
@pytest.mark.parametrize("choices", CHOICES, ids=named)
@pytest.mark.parametrize(("levels", "classes", "shape"), [(2, 2, (4, 3)), (3, 3, (2, 3, 4)), (4, 8, (3, 3))])
def test_the_weighted_terms_of_a_step_equal_the_oracle_in_float64(levels, classes, shape, choices, progress):
    output, target = random_output(levels, classes, shape), torch.randint(classes, (2, 1, *shape))
    settings = DualSettings(**choices)
    terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
    weights = term_weights(settings, levels=levels, progress=progress)
    expected, expected_terms = oracle.whole_loss(
        as_arrays(output), cross_entropy_by_hand(target), choices, progress=progress
    )
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected_terms, rel=1e-6)
    assert weighted_sum(terms, weights).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("regions", [False, True], ids=["classes", "regions"])
def test_mask_and_regions_reach_the_divergences_of_both_sides(regions):
    output, target = random_output(3, 3, (4, 4)), torch.randint(3, (2, 1, 4, 4))
    mask = torch.rand(2, 1, 4, 4) < 0.5
    terms = dual_distillation_terms(
        output, target, settings=DualSettings(**PAPER), supervised_loss=cross_entropy, mask=mask, regions=regions
    )
    expected = oracle.whole_loss(
        as_arrays(output), cross_entropy_by_hand(target), PAPER, mask=mask.numpy(), regions=regions
    )[1]
    assert {name: value.item() for name, value in terms.items()} == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("choices", CHOICES, ids=named)
def test_terms_and_weights_have_the_same_names_in_the_same_order(choices):
    output, target = random_output(3, 2, (2, 2)), torch.randint(2, (2, 1, 2, 2))
    settings = DualSettings(**choices)
    terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
    assert list(terms) == list(term_weights(settings, levels=3))


def test_the_papers_weights_are_one_for_every_term_of_four_levels():
    expected = dict.fromkeys(
        [
            *("output", "decoder_1", "decoder_2", "decoder_3", "decoder_4"),
            *("encoder_kl_1", "encoder_kl_2", "encoder_kl_3"),
            *("decoder_kl_2", "decoder_kl_3", "decoder_kl_4"),
        ],
        1.0,
    )
    assert term_weights(DualSettings(**PAPER), levels=4) == expected


def test_alpha_weighs_encoders_beta_decoders_and_eta_the_ground_truth():
    settings = DualSettings(**PAPER | {"alpha": 2.0, "beta": 3.0, "eta": 5.0, "eta_decay": 0.5})
    assert term_weights(settings, levels=2) == {
        "output": 1.0,
        "decoder_1": 2.5,
        "decoder_2": 1.25,
        "encoder_kl_1": 2.0,
        "decoder_kl_2": 3.0,
    }


def test_the_mean_divides_supervision_by_its_weights_and_each_side_by_its_students():
    settings = DualSettings(**PAPER | {"alpha": 2.0, "beta": 3.0, "reduction": "mean", "eta_decay": 0.5})
    weights = term_weights(settings, levels=3)
    supervised = {name: weight for name, weight in weights.items() if "kl" not in name}
    assert supervised == pytest.approx(
        {"output": 1 / 1.875, "decoder_1": 0.5 / 1.875, "decoder_2": 0.25 / 1.875, "decoder_3": 0.125 / 1.875}
    )
    assert sum(weight for name, weight in weights.items() if "encoder_kl" in name) == pytest.approx(2.0)
    assert sum(weight for name, weight in weights.items() if "decoder_kl" in name) == pytest.approx(3.0)


@pytest.mark.parametrize(("progress", "share"), [(0.0, 0.0), (0.1, 0.25), (0.4, 1.0), (0.7, 1.0), (1.0, 1.0)])
def test_the_ramp_grows_the_divergences_linearly_and_leaves_the_ground_truth_alone(progress, share):
    settings = DualSettings(**PAPER | {"alpha": 2.0, "distillation_ramp": 0.4, "feature_l2": 0.5})
    weights = term_weights(settings, levels=2, progress=progress)
    assert weights["encoder_kl_1"] == pytest.approx(2 * share)
    assert weights["decoder_kl_2"] == pytest.approx(share)
    assert (weights["output"], weights["decoder_1"], weights["encoder_l2_1"]) == (1.0, 1.0, 0.5)


def test_with_all_distillation_weights_zero_only_the_output_counts():
    output, target = random_output(3, 3, (4, 4)), torch.randint(3, (2, 1, 4, 4))
    for reduction in ("sum", "mean"):
        settings = DualSettings(**PAPER | {"alpha": 0.0, "beta": 0.0, "eta": 0.0, "reduction": reduction})
        terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
        assert list(terms) == ["output"]
        assert torch.equal(weighted_sum(terms, term_weights(settings, levels=3)), cross_entropy(output.main, target))


def test_encoder_maps_never_meet_the_ground_truth():
    output, target = random_output(3, 3, (4, 4), gradients=True), torch.randint(3, (2, 1, 4, 4))
    settings = DualSettings(**PAPER | {"alpha": 0.0, "beta": 0.0})
    terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
    weighted_sum(terms, term_weights(settings, levels=3)).backward()
    assert all(item.grad is None for item in output.encoders)
    assert all(item.grad.abs().max() > 0 for item in (output.main, *output.decoders))


@pytest.mark.parametrize("detach", [False, True])
def test_detaching_keeps_the_distillation_out_of_both_teachers_but_not_their_ground_truth(detach):
    output, target = random_output(3, 3, (4, 4), gradients=True), torch.randint(3, (2, 1, 4, 4))
    settings = DualSettings(**PAPER | {"detach_teacher": detach, "feature_l2": 1.0})
    terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
    weighted_sum(terms, term_weights(settings, levels=3)).backward()
    for teacher in (output.encoders[-1], output.encoder_vectors[-1], output.decoder_vectors[0]):
        assert bool(teacher.grad.abs().max() == 0) == detach  # zero, not none: data-parallel training waits for one
    probe = output.decoders[0].detach().requires_grad_()
    cross_entropy(probe, target).backward()
    assert torch.allclose(output.decoders[0].grad, probe.grad) == detach
    students = (*output.encoders[:-1], *output.decoders[1:], *output.encoder_vectors[:-1])
    assert all(item.grad.abs().max() > 0 for item in students)


def test_encoder_supervision_shows_the_deepest_encoder_alone_the_ground_truth():
    output, target = random_output(3, 3, (4, 4)), torch.randint(3, (2, 1, 4, 4))
    settings = DualSettings(**PAPER | {"encoder_supervision": 0.5})
    terms = dual_distillation_terms(output, target, settings=settings, supervised_loss=cross_entropy)
    assert terms["encoder_3"].item() == pytest.approx(
        cross_entropy_by_hand(target)(oracle.as_array(output.encoders[2]))
    )
    assert not {"encoder_1", "encoder_2"} & set(terms)
    assert term_weights(settings, levels=3)["encoder_3"] == 0.5


def test_a_side_with_a_single_level_is_refused():
    output, target = random_output(1, 2, (2, 2)), torch.randint(2, (2, 1, 2, 2))
    with pytest.raises(NetworkStructureError, match="at least 2 encoder levels"):
        dual_distillation_terms(output, target, settings=DualSettings(**PAPER), supervised_loss=cross_entropy)
