"""The levels of MONAI's DynUNet, with the roles and parameter counts of the authors' code."""

import pytest
from tiny_networks import CASES, build_dynunet, build_nnunet
from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.dynunet import describe_dynunet
from nnunet_dsd.networks.heads import HeadChoice, attach_heads

FIVE_STAGES = ((1, 1, 1), (2, 2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2))
DYNUNETS = [case for case in CASES if case.family == "dynunet"]


def count(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_papers_network_has_the_roles_of_the_table_in_facts():
    shape = describe_dynunet(build_dynunet(FIVE_STAGES, 2, filters=(2, 4, 6, 8, 10)))
    assert [(x.name, x.channels, x.scale[0]) for x in shape.encoders] == [
        ("input_block", 2, 1),
        ("downsamples.0", 4, 2),
        ("downsamples.1", 6, 4),
        ("downsamples.2", 8, 8),
    ]
    assert [(x.name, x.channels, x.scale[0]) for x in shape.decoders] == [
        ("upsamples.2", 4, 2),
        ("upsamples.1", 6, 4),
        ("upsamples.0", 8, 8),
        ("bottleneck", 10, 16),
    ]


@pytest.mark.parametrize(
    ("filters", "classes", "plain", "distilled", "heads_by_channels"),
    [
        ((32, 64, 128, 256, 320), 8, 16_663_688, 16_672_280, {320: 3088, 256: 2576, 128: 1552, 64: 1040, 32: 336}),
        ((16, 32, 64, 128, 256), 3, 5_686_771, 5_688_586, {256: 846, 128: 462, 64: 270, 32: 174, 16: 63}),
    ],
    ids=["MMWHS", "Hippocampus"],
)
def test_parameter_counts_are_exactly_those_of_the_authors_code(filters, classes, plain, distilled, heads_by_channels):
    network = build_dynunet(FIVE_STAGES, classes, filters=filters)
    assert count(network) == plain
    heads = attach_heads(network, describe_dynunet(network), classes, HeadChoice(sharing="shared"))
    assert count(network) == distilled
    assert {m.project.in_channels: count(m) for m in heads.bottlenecks.values()} == heads_by_channels


@pytest.mark.parametrize("case", DYNUNETS, ids=lambda case: case.name)
def test_channels_and_scales_are_those_of_the_features_that_really_flow(case):
    network, seen = case.build(), {}
    shape = describe_dynunet(network)
    modules = dict(network.named_modules())
    for level in (*shape.encoders, *shape.decoders):
        modules[level.name].register_forward_hook(lambda _, __, out, name=level.name: seen.update({name: out.shape}))
    network(case.images())
    assert [x.name for x in shape.encoders] == case.encoder_places()
    assert [x.name for x in shape.decoders] == case.decoder_places()
    for level in (*shape.encoders, *shape.decoders):
        size = tuple(n // s for n, s in zip(case.patch, level.scale, strict=True))
        assert tuple(seen[level.name]) == (2, level.channels, *size)


def test_another_network_is_refused_by_name():
    with pytest.raises(NetworkStructureError, match="PlainConvUNet is not a DynUNet"):
        describe_dynunet(build_nnunet(((1, 1), (2, 2), (2, 2)), 2))


def test_too_few_stages_are_refused():
    two = nn.Module()  # MONAI's own class refuses to be built with two stages
    two.input_block = two.downsamples = two.bottleneck = two.upsamples = nn.Identity()
    two.filters, two.strides, two.spatial_dims = [4, 6], [1, 2], 2
    with pytest.raises(NetworkStructureError, match="at least 2 encoder levels are needed, got 1"):
        describe_dynunet(two)
