"""The levels of nnU-Net's networks, held against the places that facts/dsd.md names."""

from types import SimpleNamespace

import pytest
import torch
from dynamic_network_architectures.architectures import primus
from tiny_networks import CASES, FLAT, build_nnunet
from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.staged import describe_staged_network, freeze_deep_supervision_layers

STAGED = [case for case in CASES if case.family != "dynunet"]


def test_four_stages_give_three_encoders_and_three_decoders_where_facts_put_them():
    shape = describe_staged_network(build_nnunet(((1, 1), FLAT, (2, 1), FLAT), 2))
    assert [(x.name, x.channels, x.scale) for x in shape.encoders] == [
        ("encoder.stages.0", 4, (1, 1)),
        ("encoder.stages.1", 6, (2, 2)),
        ("encoder.stages.2", 8, (4, 2)),
    ]
    assert [(x.name, x.channels, x.scale) for x in shape.decoders] == [
        ("decoder.stages.1", 6, (2, 2)),
        ("decoder.stages.0", 8, (4, 2)),
        ("encoder.stages.3", 10, (8, 4)),
    ]


@pytest.mark.parametrize("case", STAGED, ids=lambda case: case.name)
def test_channels_and_scales_are_those_of_the_features_that_really_flow(case):
    network, seen = case.build(), {}
    shape = describe_staged_network(network)
    modules = dict(network.named_modules())
    for level in (*shape.encoders, *shape.decoders):
        modules[level.name].register_forward_hook(lambda _, __, out, name=level.name: seen.update({name: out.shape}))
    network(case.images())
    assert [x.name for x in shape.encoders] == case.encoder_places()
    assert [x.name for x in shape.decoders] == case.decoder_places()
    for level in (*shape.encoders, *shape.decoders):
        size = tuple(n // s for n, s in zip(case.patch, level.scale, strict=True))
        assert tuple(seen[level.name]) == (2, level.channels, *size)
    assert shape.total_scale == case.scales()[-1]


def test_two_stages_are_too_few():
    with pytest.raises(NetworkStructureError, match=r"at least 2 encoder levels.*3 stages or more"):
        describe_staged_network(build_nnunet(((1, 1), FLAT), 2))


def test_nnunets_primus_is_refused_by_name_with_what_to_use_instead():
    network = primus.Primus(1, 48, (8, 8, 8), 2, eva_depth=1, eva_numheads=2, input_shape=(16, 16, 16))
    with pytest.raises(NetworkStructureError, match=r"Primus has no encoder and decoder stages.*PlainConvUNet"):
        describe_staged_network(network)


class WithoutStages(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = nn.Conv2d(1, 2, 1), nn.Conv2d(2, 2, 1)


@pytest.mark.parametrize("network", [WithoutStages(), nn.Conv2d(1, 1, 1)], ids=["no stages", "no encoder"])
def test_a_network_without_stages_is_refused(network):
    with pytest.raises(NetworkStructureError, match=f"{type(network).__name__} has no encoder and decoder stages"):
        describe_staged_network(network)


def test_a_network_with_an_encoder_only_is_refused():
    network = build_nnunet(((1, 1), FLAT, FLAT), 2)
    del network.decoder
    with pytest.raises(NetworkStructureError, match="nothing to distil between"):
        describe_staged_network(network)


def test_a_network_on_one_axis_is_refused():
    encoder = nn.Sequential(nn.Conv1d(1, 2, 3))
    encoder.stages, encoder.strides, encoder.output_channels = nn.ModuleList([nn.Conv1d(1, 2, 3)]), [1], [2]
    network = SimpleNamespace(encoder=encoder, decoder=SimpleNamespace(stages=[]))
    with pytest.raises(NetworkStructureError, match="neither 2D nor 3D"):
        describe_staged_network(network)


@pytest.mark.parametrize("residual", [False, True])
def test_only_the_layer_that_makes_the_output_keeps_learning(residual):
    network = build_nnunet(((1, 1), FLAT, FLAT, FLAT), 2, residual=residual)
    frozen = freeze_deep_supervision_layers(network)
    assert frozen == ["decoder.seg_layers.0", "decoder.seg_layers.1"]
    off = {name for name, parameter in network.named_parameters() if not parameter.requires_grad}
    assert off == {f"{layer}.{kind}" for layer in frozen for kind in ("weight", "bias")}
    network(torch.randn(2, 1, 16, 16)).sum().backward()
    assert all(parameter.grad is not None for parameter in network.parameters() if parameter.requires_grad)


def test_a_network_without_such_layers_is_left_alone():
    network = nn.Conv2d(1, 1, 1)
    assert freeze_deep_supervision_layers(network) == []
    assert network.weight.requires_grad
