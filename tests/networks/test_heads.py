"""Heads on a network: present while it trains, invisible to everyone else."""

import copy
import io
from functools import cache

import pytest
import torch
from tiny_networks import CASE_NAMES, CASES, FLAT, build_nnunet

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.heads import DistillationOutput, HeadChoice, attach_heads
from nnunet_dsd.networks.staged import describe_staged_network, freeze_deep_supervision_layers
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.networks.ushape import Level, UShape

EVERYTHING = HeadChoice(encoder_vectors=True, decoder_vectors=True)
CHOICES = {
    "DSD": HeadChoice(),
    "DSD separate": HeadChoice(sharing="separate"),
    "DSD random": HeadChoice(init="random"),
    "DS or SDD": HeadChoice(encoders=False),
    "encoders only": HeadChoice(decoders=False),
    "feature L2": EVERYTHING,
    "nothing": HeadChoice(encoders=False, decoders=False),
}
each_case = pytest.mark.parametrize("case", CASES, ids=CASE_NAMES)


@cache
def built(case):
    torch.manual_seed(1)
    return case.build()


def stock(case):
    return copy.deepcopy(built(case))


def with_heads(case, choice=EVERYTHING):
    network = stock(case)
    return network, attach_heads(network, case.describe(network), case.classes, choice)


def small_network():
    torch.manual_seed(2)
    return build_nnunet(((1, 1), FLAT, FLAT), 2)


@each_case
def test_a_training_step_returns_the_output_and_a_full_resolution_map_per_level(case):
    network, _ = with_heads(case)
    output = network.train()(case.images())
    levels = len(case.strides) - 1
    assert isinstance(output, DistillationOutput)
    assert (len(output.encoders), len(output.decoders)) == (levels, levels)
    maps = (output.main, *output.encoders, *output.decoders)
    assert {tuple(item.shape) for item in maps} == {(2, case.classes, *case.patch)}
    assert {tuple(item.shape) for item in (*output.encoder_vectors, *output.decoder_vectors)} == {(2, 128)}
    assert torch.equal(output.main, stock(case).train()(case.images()))


@each_case
def test_in_eval_mode_the_output_is_bitwise_the_stock_one(case):
    network, heads = with_heads(case)
    network.eval()
    with torch.no_grad():
        expected = stock(case).eval()(case.images())
        found = network(case.images())
    assert type(found) is torch.Tensor
    assert torch.equal(found, expected)
    assert heads._features == {}


@each_case
def test_the_state_dict_has_exactly_the_stock_keys_and_goes_both_ways(case):
    network, plain = with_heads(case)[0], stock(case)
    state = network.state_dict()
    assert list(state) == list(plain.state_dict())
    assert state._metadata.keys() == plain.state_dict()._metadata.keys()
    plain.load_state_dict(state)
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter)
    network.load_state_dict(plain.state_dict())
    assert all(torch.equal(value, plain.state_dict()[key]) for key, value in network.state_dict().items())


def test_loading_leaves_the_heads_alone_and_still_refuses_weights_that_miss_something():
    network, heads = with_heads(CASES[0])
    before = copy.deepcopy(heads.state_dict())
    weights = stock(CASES[0]).state_dict()
    network.load_state_dict(weights)
    assert all(torch.equal(before[key], value) for key, value in heads.state_dict().items())
    first = next(iter(weights))
    with pytest.raises(RuntimeError, match="Missing key"):
        network.load_state_dict({key: value for key, value in weights.items() if key != first})
    with pytest.raises(RuntimeError, match="Unexpected key"):
        network.load_state_dict({**weights, "another.weight": torch.zeros(1)})


def test_the_heads_save_and_restore_their_own_weights():
    first, second = with_heads(CASES[0])[1], with_heads(CASES[0])[1]
    for parameter in first.parameters():
        torch.nn.init.normal_(parameter)
    second.load_state_dict(first.state_dict())
    assert len(first.state_dict()) > 0
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_a_wrapped_network_has_stock_keys_under_its_prefix():
    network = with_heads(CASES[0])[0]
    wrapper = torch.nn.ModuleDict({"inner": network})
    assert list(wrapper.state_dict()) == [f"inner.{key}" for key in stock(CASES[0]).state_dict()]
    wrapper.load_state_dict(wrapper.state_dict())


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_no_features_are_left_after_a_step_or_in_eval_mode(choice):
    network, heads = with_heads(CASES[0], choice)
    network.train()(CASES[0].images())
    assert heads._features == {}
    network.eval()(CASES[0].images())
    assert heads._features == {}


def test_a_copy_has_heads_of_its_own():
    network, heads = with_heads(CASES[0])
    twin = copy.deepcopy(network)
    assert getattr(twin, HEADS_NAME) is not heads
    with torch.no_grad():
        for parameter in getattr(twin, HEADS_NAME).parameters():
            parameter.zero_()
        twin.train()
    output, changed = network.train()(CASES[0].images()), twin(CASES[0].images())
    assert all(item.abs().max() == 0 for item in (*changed.encoders, *changed.decoders))
    assert all(item.abs().max() > 0 for item in (*output.encoders, *output.decoders))
    assert heads._features == {}
    assert getattr(twin, HEADS_NAME)._features == {}
    assert list(twin.state_dict()) == list(network.state_dict())
    network.eval()
    assert isinstance(twin(CASES[0].images()), DistillationOutput)


def test_a_pickled_network_still_has_its_heads():
    network = with_heads(CASES[0])[0].train()
    buffer = io.BytesIO()
    torch.save(network, buffer)
    buffer.seek(0)
    again = torch.load(buffer, weights_only=False)
    for mine, theirs in zip(network(CASES[0].images()).decoders, again(CASES[0].images()).decoders, strict=True):
        assert torch.equal(mine, theirs)


@pytest.mark.parametrize("choice", CHOICES.values(), ids=CHOICES)
def test_every_trainable_parameter_gets_a_gradient_whatever_heads_are_chosen(choice):
    for case in (CASES[1], CASES[4]):
        network, _ = with_heads(case, choice)
        freeze_deep_supervision_layers(network)
        output = network.train()(case.images())
        sum(item.square().sum() for item in (output.main, *(m for group in output[1:] for m in group))).backward()
        without = [name for name, p in network.named_parameters() if p.requires_grad and p.grad is None]
        assert without == []


def parts_with_gradient(network):
    """Which of the network's modules `encoder.stages.i` and `decoder.stages.i` have a gradient."""
    named = network.named_parameters()
    return {".".join(name.split(".")[:3]) for name, p in named if p.grad is not None and ".stages." in name[:16]}


def test_gradients_of_a_map_reach_its_own_level_and_what_comes_before_only():
    network = with_heads(CASES[1], HeadChoice(sharing="separate"))[0].train()
    output = network(CASES[1].images())
    output.encoders[0].square().sum().backward(retain_graph=True)
    assert parts_with_gradient(network) == {"encoder.stages.0"}
    network.zero_grad()
    output.decoders[-1].square().sum().backward(retain_graph=True)  # the shallowest decoder is the bottleneck
    contracting = {f"encoder.stages.{stage}" for stage in range(4)}
    assert parts_with_gradient(network) == contracting
    network.zero_grad()
    output.decoders[0].square().sum().backward()  # decoder 1 has all decoder blocks but the last behind it
    assert parts_with_gradient(network) == contracting | {"decoder.stages.0", "decoder.stages.1"}


@pytest.mark.parametrize(
    ("choice", "keys"),
    [
        (HeadChoice(), {"scale_1x1_channels_4", "scale_2x2_channels_6", "scale_4x4_channels_8"}),
        (
            HeadChoice(sharing="separate"),
            {"encoder_scale_1x1", "encoder_scale_2x2", "decoder_scale_2x2", "decoder_scale_4x4"},
        ),
        (HeadChoice(encoders=False), {"scale_2x2_channels_6", "scale_4x4_channels_8"}),
        (HeadChoice(decoders=False), {"scale_1x1_channels_4", "scale_2x2_channels_6"}),
        (HeadChoice(encoders=False, decoders=False), set()),
    ],
)
def test_only_heads_that_are_needed_are_built_and_one_scale_shares_one(choice, keys):
    network = small_network()
    heads = attach_heads(network, describe_staged_network(network), 2, choice)
    assert set(heads.bottlenecks) == keys
    output = network.train()(torch.randn(2, 1, 8, 8))
    assert len(output.encoders) == 2 * choice.encoders
    assert len(output.decoders) == 2 * choice.decoders


def test_a_shared_head_turns_equal_features_into_equal_maps_and_separate_ones_do_not():
    for sharing, equal in (("shared", True), ("separate", False)):
        network = small_network()
        heads = attach_heads(network, describe_staged_network(network), 2, HeadChoice(sharing=sharing))
        features = torch.randn(1, 6, 4, 4)
        same = {"encoder.stages.0": torch.randn(1, 4, 8, 8), "encoder.stages.2": torch.randn(1, 8, 2, 2)}
        same |= {"encoder.stages.1": features, "decoder.stages.0": features}
        for name, value in same.items():
            heads.train().store(name, value)
        output = heads.complete(network, (), torch.zeros(1))
        assert torch.equal(output.encoders[1], output.decoders[0]) == equal


def test_levels_of_one_scale_with_other_channels_get_a_head_each():
    network = small_network()
    shape = UShape(
        (Level("encoder.stages.0", 4, (1, 1)), Level("encoder.stages.1", 6, (2, 2))),
        (Level("decoder.stages.0", 5, (2, 2)), Level("encoder.stages.2", 8, (4, 4))),
    )
    heads = attach_heads(network, shape, 2, HeadChoice(sharing="shared"))
    assert {"scale_2x2_channels_6", "scale_2x2_channels_5"} < set(heads.bottlenecks)


def test_vectors_are_projections_of_the_mean_over_space():
    network = small_network()
    choice = HeadChoice(encoders=False, decoders=False, encoder_vectors=True, decoder_vectors=True)
    heads = attach_heads(network, describe_staged_network(network), 2, choice)
    kept = []
    network.encoder.stages[1].register_forward_hook(lambda _, __, output: kept.append(output))
    output = network.train()(torch.randn(2, 1, 8, 8))
    layer = heads.projections["encoder_2x2"]
    expected = kept[0].mean(dim=(2, 3)) @ layer.weight.T + layer.bias
    torch.testing.assert_close(output.encoder_vectors[1], expected, rtol=1e-5, atol=1e-6)


def test_compilation_into_one_graph_gives_the_same_maps_and_gradients():
    network = small_network()
    attach_heads(network, describe_staged_network(network), 2, EVERYTHING)
    images = torch.randn(2, 1, 8, 8)
    compiled = torch.compile(network, fullgraph=True, backend="eager")
    gradients = []
    for runner in (network.train(), compiled.train()):
        network.zero_grad()
        output = runner(images)
        assert isinstance(output, DistillationOutput)
        maps = (output.main, *(item for group in output[1:] for item in group))
        sum(item.square().sum() for item in maps).backward()
        gradients.append([p.grad.clone() for p in network.parameters() if p.grad is not None])
    assert len(gradients[0]) > 20
    torch.testing.assert_close(gradients[1], gradients[0])
    assert getattr(network, HEADS_NAME)._features == {}
    compiled.eval()
    assert torch.equal(compiled(images), network(images))
    assert list(network.state_dict()) == list(small_network().state_dict())


def test_heads_attached_twice_are_refused():
    network = with_heads(CASES[0])[0]
    with pytest.raises(NetworkStructureError, match="has distillation heads already"):
        attach_heads(network, CASES[0].describe(network), 2, HeadChoice())


def test_a_missing_module_is_named_with_the_children_there_are_and_nothing_is_attached():
    network = small_network()
    shape = describe_staged_network(network)
    wrong = UShape(shape.encoders, (Level("decoder.blocks.7", 6, (2, 2)), *shape.decoders[1:]))
    with pytest.raises(
        NetworkStructureError,
        match=r"no module named 'decoder\.blocks\.7'; the children of 'decoder' are: encoder, stages",
    ):
        attach_heads(network, wrong, 2, HeadChoice())
    assert not hasattr(network, HEADS_NAME)
    attach_heads(network, shape, 2, HeadChoice())
