"""The loss of a whole step, network and heads included, against an oracle in NumPy and float64."""

import copy
import math
from functools import cache

import numpy as np
import oracle
import pytest
import torch
from nnunetv2.training.loss.compound_losses import DC_and_BCE_loss, DC_and_CE_loss
from nnunetv2.training.loss.dice import MemoryEfficientSoftDiceLoss
from oracle import PAPER
from scipy import special
from tiny_networks import CASE_NAMES, CASES

from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.networks.heads import DistillationOutput, attach_heads, heads_for
from nnunet_dsd.networks.staged import freeze_deep_supervision_layers
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.trainers import variants
from nnunet_dsd.trainers.distilled import DistilledTrainer
from nnunet_dsd.trainers.loss import MONITOR_EVERY, DualDistillationLoss, counting_voxels, informativeness

TRAINING = PAPER | {
    "bottlenecks": "shared",
    "bottleneck_init": "random",
}
STEPS = [
    (TRAINING, 1.0),
    (TRAINING | {"temperature": 1.0, "alpha": 0.5, "beta": 2.0, "eta": 0.25}, 1.0),
    (TRAINING | {"bottlenecks": "separate", "temperature": 4.0}, 1.0),
    (TRAINING | {"bottleneck_init": "nearest", "detach_teacher": True}, 1.0),
    (TRAINING | {"teacher": "mean", "alpha": 3.0}, 1.0),
    (TRAINING | {"teacher": "reversed", "beta": 3.0}, 1.0),
    (TRAINING | {"alpha": 0.0}, 1.0),
    (TRAINING | {"beta": 0.0}, 1.0),
    (TRAINING | {"alpha": 0.0, "beta": 0.0}, 1.0),
    (TRAINING | {"eta": 0.0, "reduction": "mean"}, 1.0),
    (TRAINING | {"reduction": "mean", "eta_decay": 0.5, "temperature": 2.0}, 1.0),
    (TRAINING | {"distillation_ramp": 0.5, "eta_decay": 0.8, "alpha": 2.0}, 0.2),
    (TRAINING | {"feature_l2": 2.0, "teacher": "mean"}, 1.0),
    (TRAINING | {"encoder_supervision": 0.5, "reduction": "mean", "eta_decay": 0.5}, 1.0),
]


def step_name(step):
    changes = " ".join(f"{key}={value}" for key, value in step[0].items() if value != TRAINING[key])
    return changes or "paper"


def dice_ce(*, background=False, batch_dice=False, ignore_label=None):
    """nnU-Net's loss as its trainer builds it."""
    return DC_and_CE_loss(
        {"batch_dice": batch_dice, "smooth": 1e-5, "do_bg": background, "ddp": False},
        {},
        weight_ce=1,
        weight_dice=1,
        ignore_label=ignore_label,
        dice_class=MemoryEfficientSoftDiceLoss,
    )


def dice_bce(*, batch_dice=False, ignore=False):
    return DC_and_BCE_loss(
        {},
        {"batch_dice": batch_dice, "do_bg": True, "smooth": 1e-5, "ddp": False},
        use_ignore_label=ignore,
        dice_class=MemoryEfficientSoftDiceLoss,
    )


@cache
def stock_network(case):
    torch.manual_seed(3)
    return case.build()


def network_with_heads(case, settings, *, dtype=torch.float32, heads_seed=4):
    network = copy.deepcopy(stock_network(case)).to(dtype)
    torch.manual_seed(heads_seed)
    attach_heads(network, case.describe(network), case.classes, heads_for(settings))
    return network.to(dtype).train()


def distilled_loss(case, settings, supervised=None, *, regions=False, ignore_label=None):
    return DualDistillationLoss(
        supervised or dice_ce(),
        settings,
        levels=len(case.strides) - 1,
        regions=regions,
        ignore_label=ignore_label,
    )


def maps_by_hand(case, network, images):
    """Run the network without its heads' code: own hooks at the places that facts name, and heads in NumPy."""
    heads = getattr(network, HEADS_NAME)
    kept, modules = {}, dict(network.named_modules())
    encoders, decoders = case.encoder_places(), case.decoder_places()
    handles = [
        modules[place].register_forward_hook(lambda _, __, output, place=place: kept.update({place: output}))
        for place in (*encoders, *decoders)
    ]
    network.eval()
    main = network(images)
    network.train()
    for handle in handles:
        handle.remove()
    features = {place: oracle.as_array(value) for place, value in kept.items()}
    scales = case.scales()
    choice = heads.choice
    maps = {"main": oracle.as_array(main), "encoders": [], "decoders": []}
    for side, places, levels in (
        ("encoder", encoders, scales[:-1]),
        ("decoder", decoders, scales[1:]),
    ):
        for place, scale in zip(places, levels, strict=True):
            if getattr(choice, f"{side}s"):
                maps[f"{side}s"].append(head_by_hand(heads, side, features[place], scale))
            if getattr(choice, f"{side}_vectors"):
                layer = heads.projections[f"{side}_{'x'.join(map(str, scale))}"]
                pooled = features[place].mean(axis=tuple(range(2, features[place].ndim)))
                vector = pooled @ oracle.as_array(layer.weight).T + oracle.as_array(layer.bias)
                maps.setdefault(f"{side}_vectors", []).append(vector)
    return maps


def head_by_hand(heads, side, features, scale):
    place = "x".join(map(str, scale))
    shared = heads.choice.sharing == "shared"
    key = f"scale_{place}_channels_{features.shape[1]}" if shared else f"{side}_scale_{place}"
    module = heads.bottlenecks[key]
    deconvolutions = {
        tuple(map(int, step.split("x"))): (oracle.as_array(layer.weight), oracle.as_array(layer.bias))
        for step, layer in module.deconvolve.items()
    }
    project = oracle.as_array(module.project.weight), oracle.as_array(module.project.bias)
    return oracle.bottleneck_by_hand(features, scale, project, deconvolutions)


def eq_1(labels, **choices):
    return lambda logits: oracle.dice_and_cross_entropy(logits, labels[:, 0].numpy(), **choices)


@pytest.mark.parametrize("step", STEPS, ids=step_name)
@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_the_loss_of_a_whole_step_equals_the_oracle_on_features_tapped_by_the_test(case, step):
    choices, progress = step
    settings = DualSettings(**choices)
    network = network_with_heads(case, settings, dtype=torch.float64)
    images, labels = case.images(dtype=torch.float64), case.labels()
    for background, batch_dice in ((False, False), (True, True)):
        loss = distilled_loss(case, settings, dice_ce(background=background, batch_dice=batch_dice))
        loss.begin_epoch(progress)
        value = loss(network(images), labels)
        expected, terms = oracle.whole_loss(
            maps_by_hand(case, network, images),
            eq_1(labels, background=background, batch_dice=batch_dice),
            choices,
            progress=progress,
        )
        assert value.item() == pytest.approx(expected, rel=1e-6)
        found = {name: loss.last_terms[name].item() for name in terms}
        assert found == pytest.approx(terms, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
def test_in_float32_the_loss_of_a_whole_step_equals_the_oracle_on_the_networks_maps(case):
    settings = DualSettings(**TRAINING)
    output, labels = network_with_heads(case, settings)(case.images()), case.labels()
    maps = {
        "main": oracle.as_array(output.main),
        "encoders": [oracle.as_array(item) for item in output.encoders],
        "decoders": [oracle.as_array(item) for item in output.decoders],
    }
    expected, _ = oracle.whole_loss(maps, eq_1(labels, background=False, batch_dice=True), TRAINING)
    value = distilled_loss(case, settings, dice_ce(batch_dice=True))(output, labels)
    assert value.dtype == torch.float32
    assert value.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", [CASES[1], CASES[2]], ids=[CASE_NAMES[1], CASE_NAMES[2]])
def test_ignored_voxels_count_in_no_term(case):
    settings, ignored = DualSettings(**TRAINING), case.classes
    network = network_with_heads(case, settings, dtype=torch.float64)
    images, labels = case.images(dtype=torch.float64), case.labels()
    labels[torch.rand(labels.shape) < 0.4] = ignored
    loss = distilled_loss(case, settings, dice_ce(ignore_label=ignored), ignore_label=ignored)
    expected, _ = oracle.whole_loss(
        maps_by_hand(case, network, images),
        eq_1(labels, background=False, batch_dice=False, ignore_label=ignored),
        TRAINING,
        mask=labels.numpy() != ignored,
    )
    assert loss(network(images), labels).item() == pytest.approx(expected, rel=1e-6)


def test_with_every_voxel_ignored_all_divergences_are_zero_and_nothing_is_nan():
    case, settings = CASES[0], DualSettings(**TRAINING)
    network = network_with_heads(case, settings)
    loss = distilled_loss(case, settings, dice_ce(ignore_label=9), ignore_label=9)
    value = loss(network(case.images()), torch.full((2, 1, *case.patch), 9.0))
    value.backward()
    assert [v.item() for name, v in loss.last_terms.items() if "_kl_" in name] == [0.0, 0.0]
    assert math.isfinite(value.item())
    assert all(torch.isfinite(p.grad).all() for p in network.parameters() if p.grad is not None)


@pytest.mark.parametrize("masked", [False, True], ids=["all voxels", "ignored voxels"])
def test_with_regions_every_term_is_a_bernoulli_one(masked):
    case, settings = CASES[2], DualSettings(**TRAINING | {"temperature": 2.0})
    network = network_with_heads(case, settings, dtype=torch.float64)
    images = case.images(dtype=torch.float64)
    regions = (torch.rand(2, case.classes, *case.patch) < 0.3).double()
    ignored = (torch.rand(2, 1, *case.patch) < 0.3).double()
    target = torch.cat([regions, ignored], 1) if masked else regions
    mask = ignored.numpy() == 0 if masked else None
    loss = distilled_loss(
        case, settings, dice_bce(ignore=masked), regions=True, ignore_label=case.classes + 1 if masked else None
    )
    expected, _ = oracle.whole_loss(
        maps_by_hand(case, network, images),
        lambda logits: oracle.dice_and_binary_cross_entropy(logits, regions.numpy(), batch_dice=False, mask=mask),
        TRAINING | {"temperature": 2.0},
        mask=mask,
        regions=True,
    )
    assert loss(network(images), target).item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_with_every_weight_zero_loss_and_gradients_are_the_stock_ones(case, reduction):
    settings = DualSettings(**TRAINING | {"alpha": 0.0, "beta": 0.0, "eta": 0.0, "reduction": reduction})
    network, stock = network_with_heads(case, settings), copy.deepcopy(stock_network(case)).train()
    labels = case.labels()
    value = distilled_loss(case, settings)(network(case.images()), labels)
    expected = dice_ce()(stock(case.images()), labels)
    assert torch.equal(value, expected)
    value.backward()
    expected.backward()
    mine = dict(network.named_parameters())
    assert mine.keys() == dict(stock.named_parameters()).keys()
    for name, parameter in stock.named_parameters():
        assert (parameter.grad is None) == (mine[name].grad is None), name
        assert parameter.grad is None or torch.equal(parameter.grad, mine[name].grad), name


def test_plain_logits_get_the_supervised_loss_alone():
    case, settings = CASES[0], DualSettings(**TRAINING)
    logits, labels = torch.randn(2, case.classes, *case.patch), case.labels()
    expected = oracle.dice_and_cross_entropy(
        oracle.as_array(logits), labels[:, 0].numpy(), background=False, batch_dice=False
    )
    assert distilled_loss(case, settings)(logits, labels).item() == pytest.approx(expected, rel=1e-6)


ABLATIONS = {
    name: value
    for name, value in vars(variants).items()
    if isinstance(value, type) and issubclass(value, DistilledTrainer) and value is not DistilledTrainer
}


def test_the_papers_ablations_are_all_there():
    assert set(ABLATIONS) >= {f"nnUNetTrainer{name}" for name in ("DSD", "DS", "SDD", "SDE", "DSDMean", "DSDReversed")}


CHANGES = [
    {},
    {"bottlenecks": "separate"},
    {"eta": 0.0},
    {"eta": 0.0, "bottlenecks": "separate"},
    {"distillation_ramp": 0.5},
    {"detach_teacher": True},
    {"detach_teacher": True, "bottlenecks": "separate"},
    {"detach_teacher": True, "eta": 0.0},
    {"encoder_supervision": 0.5, "bottlenecks": "separate", "detach_teacher": True},
]


@pytest.mark.parametrize(
    ("trainer", "changes"),
    [
        pytest.param(
            trainer,
            changes,
            id=f"{trainer} " + " ".join(f"{key}={value}" for key, value in changes.items()),
        )
        for trainer in ABLATIONS
        for changes in CHANGES
    ],
)
def test_every_trainable_parameter_gets_a_gradient_in_every_ablation(trainer, changes):
    variant = ABLATIONS[trainer]
    settings = DualSettings(**TRAINING | dict(variant.defaults) | changes | dict(variant.fixed))
    without = []
    for case in (CASES[1], CASES[4]):
        network = network_with_heads(case, settings)
        freeze_deep_supervision_layers(network)
        loss = distilled_loss(case, settings)
        loss.begin_epoch(0.0)
        loss(network(case.images()), case.labels()).backward()
        without += [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []


def test_ramp_zero_still_gives_heads_of_encoders_a_gradient_of_zero():
    case, settings = CASES[0], DualSettings(**TRAINING | {"distillation_ramp": 0.5, "bottlenecks": "separate"})
    network = network_with_heads(case, settings)
    loss = distilled_loss(case, settings)
    loss.begin_epoch(0.0)
    loss(network(case.images()), case.labels()).backward()
    heads = getattr(network, HEADS_NAME).bottlenecks
    encoder = [p.grad for name, p in heads.named_parameters() if name.startswith("encoder")]
    assert encoder
    assert all(grad is not None and grad.abs().max() == 0 for grad in encoder)


def test_under_autocast_the_divergences_are_float32_of_the_half_precision_maps():
    case, settings = CASES[2], DualSettings(**TRAINING)
    network = network_with_heads(case, settings)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output = network(case.images())
        loss = distilled_loss(case, settings)
        value = loss(output, case.labels())
    value.backward()
    assert output.decoders[0].dtype == torch.bfloat16
    expected = oracle.side_divergences([oracle.as_array(item) for item in output.decoders], "decoder", "deepest", 3.0)
    assert {2, 3} == set(expected)
    for level, divergence in expected.items():
        found = loss.last_terms[f"decoder_kl_{level}"]
        assert found.dtype == torch.float32
        assert found.item() == pytest.approx(divergence, rel=1e-4)


def test_term_names_are_those_of_the_terms_a_step_leaves_behind():
    case = CASES[1]
    for choices, _ in STEPS:
        settings = DualSettings(**choices)
        loss = distilled_loss(case, settings)
        loss(network_with_heads(case, settings)(case.images()), case.labels())
        assert tuple(loss.last_terms) == loss.term_names()
        assert not any(value.requires_grad for value in loss.last_terms.values())


def test_the_encoder_teacher_is_looked_at_in_the_first_step_of_an_epoch_and_every_tenth_after():
    case, settings = CASES[0], DualSettings(**TRAINING)
    network, loss = network_with_heads(case, settings), distilled_loss(case, settings)
    output, seen = network(case.images()), []
    for step in range(2 * MONITOR_EVERY):
        if step == MONITOR_EVERY + 3:
            loss.begin_epoch(0.5)
        loss(output, case.labels())
        seen.append(not torch.isnan(loss.last_terms["encoder_teacher_entropy"]))
    assert [step for step, value in enumerate(seen) if value] == [0, MONITOR_EVERY, MONITOR_EVERY + 3]


def test_the_logged_entropy_is_that_of_the_deepest_encoder():
    case, settings = CASES[1], DualSettings(**TRAINING)
    output, loss = network_with_heads(case, settings)(case.images()), distilled_loss(case, settings)
    loss(output, case.labels())
    labels = oracle.soft_labels(oracle.as_array(output.encoders[-1]), 1.0)
    expected = special.entr(labels).sum(axis=1).mean()
    assert loss.last_terms["encoder_teacher_entropy"].item() == pytest.approx(expected, rel=1e-5)


def test_no_voxel_is_masked_without_an_ignore_label():
    assert counting_voxels(torch.zeros(1, 1, 2, 2), regions=False, ignore_label=None) is None
    assert counting_voxels(torch.zeros(1, 3, 2, 2), regions=True, ignore_label=None) is None


@pytest.mark.parametrize("dtype", [torch.float32, torch.int16, torch.bool], ids=str)
def test_the_mask_is_false_exactly_at_the_ignored_voxels(dtype):
    if dtype is not torch.bool:
        labels = torch.tensor([0, 3, 1, 3]).view(1, 1, 2, 2).to(dtype)
        mask = counting_voxels(labels, regions=False, ignore_label=3)
        assert mask.flatten().tolist() == [True, False, True, False]
    regions = torch.tensor([[1, 1, 1, 1], [0, 1, 0, 0]]).view(1, 2, 2, 2).to(dtype)
    assert counting_voxels(regions, regions=True, ignore_label=3).flatten().tolist() == [True, False, True, True]


def logits_of(labels, classes, sharpness):
    return sharpness * torch.nn.functional.one_hot(labels[:, 0].long(), classes).movedim(-1, 1).float()


def test_a_perfect_sharp_map_has_dice_one_and_no_entropy():
    labels = torch.randint(3, (2, 1, 6, 6))
    entropy, dice = informativeness(logits_of(labels, 3, 100.0), labels, None, regions=False)
    assert entropy.item() == pytest.approx(0, abs=1e-6)
    assert dice.item() == 1


def test_a_constant_map_has_the_entropy_of_a_guess_and_no_dice():
    labels = torch.randint(1, 4, (2, 1, 6, 6))
    entropy, dice = informativeness(torch.zeros(2, 4, 6, 6), labels, None, regions=False)
    assert entropy.item() == pytest.approx(math.log(4))
    assert dice.item() == 0
    assert informativeness(torch.zeros(2, 2, 4, 4), torch.ones(2, 2, 4, 4), None, regions=True)[0].item() == (
        pytest.approx(math.log(2))
    )


def test_informativeness_counts_only_unmasked_voxels_and_present_classes():
    labels = torch.tensor([1.0, 1.0, 0.0, 2.0]).view(1, 1, 2, 2)
    predicted = torch.tensor([1, 0, 1, 1]).view(1, 1, 2, 2)  # class 1: one hit of two, one false alarm counted
    mask = torch.tensor([True, True, True, False]).view(1, 1, 2, 2)
    logits = logits_of(predicted, 4, 100.0)
    dice_everywhere = informativeness(logits, labels, None, regions=False)[1].item()
    dice_masked = informativeness(logits, labels, mask, regions=False)[1].item()
    assert dice_everywhere == pytest.approx(np.mean([2 * 1 / (3 + 2), 0.0]))  # class 2 missed, class 3 nowhere
    assert dice_masked == pytest.approx(2 * 1 / (2 + 2))
    logits[..., 1, 1] = 0.0  # at the masked voxel only
    assert informativeness(logits, labels, mask, regions=False)[0].item() == pytest.approx(0, abs=1e-6)


def test_informativeness_of_regions_ignores_the_channel_that_marks_ignored_voxels():
    regions = torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 1.0]]).view(1, 2, 2, 2)
    logits = torch.tensor([50.0, -50.0, -50.0, 50.0]).view(1, 1, 2, 2)
    mask = counting_voxels(regions, regions=True, ignore_label=2)
    entropy, dice = informativeness(logits, regions, mask, regions=True)
    assert dice.item() == pytest.approx(2 * 1 / (1 + 2))
    assert entropy.item() == pytest.approx(0, abs=1e-6)


def test_an_output_without_heads_is_still_a_training_output():
    case, settings = CASES[0], DualSettings(**TRAINING | {"alpha": 0.0, "beta": 0.0, "eta": 0.0})
    output = network_with_heads(case, settings)(case.images())
    assert isinstance(output, DistillationOutput)
    assert (output.encoders, output.decoders, output.encoder_vectors, output.decoder_vectors) == ((), (), (), ())
