"""MONAI's networks: their levels are those of the paper, their sizes too, and they take every patch."""

import functools

import pytest
import torch
from monai.networks import nets

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.backbones import BACKBONES, NetworkRequest, build_backbone, computed_size
from nnunet_dsd.networks.feedback import feedback_levels
from nnunet_dsd.networks.heads import HeadChoice, attach_heads
from nnunet_dsd.networks.missu import MissuHeads
from nnunet_dsd.networks.resnet18 import (
    build_resnet18_fcn,
    build_resnet18_unet,
    describe_resnet18_fcn,
    describe_resnet18_unet,
)
from nnunet_dsd.networks.swin_unetr import build_swin_unetr, describe_swin_unetr
from nnunet_dsd.networks.taps import attach
from nnunet_dsd.networks.unet_plus_plus import build_unet_plus_plus, describe_unet_plus_plus
from nnunet_dsd.networks.unetr import build_unetr, describe_unetr
from nnunet_dsd.networks.ushape import u_shape
from nnunet_dsd.networks.vnet import build_vnet, describe_vnet

PLANNED = {
    "features_per_stage": [4, 6, 8],
    "kernel_sizes": [[1, 3, 3], [3, 3, 3], [3, 3, 3]],
    "strides": [[1, 1, 1], [1, 2, 2], [2, 2, 2]],
}
FLAT = {"features_per_stage": [4, 6, 8], "kernel_sizes": 3, "strides": [[1, 1], [2, 2], [2, 2]]}
# The rows of the table of levels: role, name, channels for the smallest feature size, scale.
UNETR_LEVELS = [
    ("encoder1", 16, 1),
    ("encoder2", 32, 2),
    ("encoder3", 64, 4),
    ("encoder4", 128, 8),
    ("decoder3", 32, 2),
    ("decoder4", 64, 4),
    ("decoder5", 128, 8),
    ("decoder5:input", 768, 16),
]
SWIN_LEVELS = [
    ("encoder1", 12, 1),
    ("encoder2", 12, 2),
    ("encoder3", 24, 4),
    ("encoder4", 48, 8),
    ("decoder2", 12, 2),
    ("decoder3", 24, 4),
    ("decoder4", 48, 8),
    ("decoder5", 96, 16),
]
VNET_LEVELS = [
    ("in_tr", 16, 1),
    ("down_tr32", 32, 2),
    ("down_tr64", 64, 4),
    ("down_tr128", 128, 8),
    ("up_tr64", 64, 2),
    ("up_tr128", 128, 4),
    ("up_tr256", 256, 8),
    ("down_tr256", 256, 16),
]
UNET_PLUS_PLUS_LEVELS = [
    ("conv_0_0", 4, 1),
    ("conv_1_0", 8, 2),
    ("conv_2_0", 16, 4),
    ("conv_3_0", 32, 8),
    ("upcat_1_3", 8, 2),
    ("upcat_2_2", 16, 4),
    ("upcat_3_1", 32, 8),
    ("conv_4_0", 64, 16),
]
RESNET18_LEVELS = [
    ("encoder.act", 8, 2),
    ("encoder.layer1", 8, 4),
    ("encoder.layer2", 16, 8),
    ("encoder.layer3", 32, 16),
    ("decoder.blocks.2", 8, 4),
    ("decoder.blocks.1", 16, 8),
    ("decoder.blocks.0", 32, 16),
    ("encoder.layer4", 64, 32),
]
MONAIS_NAMES = {"UNetPlusPlus": "BasicUNetPlusPlus"}
OWN = ("ResNet18UNet", "ResNet18FCN")
U_SHAPED = [name for name, backbone in BACKBONES.items() if backbone.u_shaped]
narrow_resnet18_unet = functools.partial(build_resnet18_unet, feature_size=8)
narrow_unet_plus_plus = functools.partial(build_unet_plus_plus, feature_size=4)
NETWORKS = {
    "UNETR": (build_unetr, describe_unetr, UNETR_LEVELS, (32, 32, 32)),
    "SwinUNETR": (build_swin_unetr, describe_swin_unetr, SWIN_LEVELS, (32, 64, 32)),
    "VNet": (build_vnet, describe_vnet, VNET_LEVELS, (32, 16, 16)),
    "UNetPlusPlus": (narrow_unet_plus_plus, describe_unet_plus_plus, UNET_PLUS_PLUS_LEVELS, (32, 16, 16)),
    "ResNet18UNet": (narrow_resnet18_unet, describe_resnet18_unet, RESNET18_LEVELS, (64, 32, 32)),
}


def request(patch, planned=None, classes=3, **options):
    planned = planned or (PLANNED if len(patch) == 3 else FLAT)
    return NetworkRequest(in_channels=1, out_channels=classes, patch_size=patch, planned=planned, **options)


def trainable(module):
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad)


@pytest.fixture(params=NETWORKS)
def case(request):
    return NETWORKS[request.param]


def test_the_roles_are_those_of_the_authors_table(case):
    build, describe, levels, size = case
    shape = describe(build(1, 2, size=size))
    found = [(x.name, x.channels, x.scale[0]) for x in (*shape.encoders, *shape.decoders)]
    assert found == levels
    assert len(shape.encoders) == len(shape.decoders) == 4


def test_channels_and_scales_are_those_of_the_features_that_really_flow(case):
    build, describe, _, size = case
    network, seen = build(1, 2, size=size).eval(), {}
    shape = describe(network)
    for level in (*shape.encoders, *shape.decoders):
        path, _, what = level.name.partition(":")
        module = network.get_submodule(path)
        if what == "input":
            module.register_forward_pre_hook(lambda _, i, name=level.name: seen.update({name: tuple(i[0].shape)}))
        else:
            module.register_forward_hook(lambda _, __, o, name=level.name: seen.update({name: tuple(o.shape)}))
    network(torch.randn(1, 1, *size))
    for level in (*shape.encoders, *shape.decoders):
        assert seen[level.name] == (1, level.channels, *(s // f for s, f in zip(size, level.scale, strict=True)))


@pytest.mark.parametrize(
    ("name", "options", "classes", "plain", "distilled"),
    [
        ("UNETR", {"size": (32,) * 3}, 3, 92_624_115, 92_628_372),
        ("VNet", {"size": (32,) * 3}, 3, 45_601_906, 45_605_299),
        ("UNETR", {"size": (96,) * 3}, 8, 92_783_944, 92_797_576),
        ("UNETR", {"size": (96,) * 3, "feature_size": 32}, 8, 101_787_016, 101_804_360),
    ],
    ids=["UNETR, Hippocampus", "VNet, Hippocampus", "small UNETR, MMWHS", "large UNETR, MMWHS"],
)
def test_parameter_counts_are_the_papers(name, options, classes, plain, distilled):
    """In the paper 92.624 and 92.628 M, 45.602 and 45.605 M, 92.784 and 92.797 M (cut off), 101.787 and 101.804 M.

    The authors have separate heads on these networks.
    """
    build, describe, _, _ = NETWORKS[name]
    network = build(1, classes, **options)
    assert trainable(network) == plain
    attach_heads(network, describe(network), classes, HeadChoice(sharing="separate"))
    assert trainable(network) == distilled


def test_unet_plus_plus_has_the_size_of_hlfds_teacher():
    """36.45 M parameters with 64 channels in 2D and two classes, of which 390 are heads that are not trained."""
    network = build_unet_plus_plus(1, 2, size=(32, 32), feature_size=64)
    assert sum(parameter.numel() for parameter in network.parameters()) == pytest.approx(36.45e6, abs=5e3)
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 2, 32, 32)


def test_missu_has_hundreds_of_times_the_extra_parameters_of_dual_self_distillation():
    network, twin = (build_unetr(1, 3, size=(32, 32, 32)) for _ in range(2))
    dual = attach_heads(network, describe_unetr(network), 3, HeadChoice(sharing="separate"))
    attach(twin, MissuHeads(describe_unetr(twin), 3))
    assert trainable(dual) == 4_257
    assert trainable(twin.distillation_heads) == 1_808_138


@pytest.mark.parametrize("patch", [(20, 33, 40), (40, 25)], ids=["3D", "2D"])
@pytest.mark.parametrize("name", U_SHAPED)
def test_a_patch_it_cannot_take_goes_through_and_every_map_has_its_size(name, patch):
    backbone = BACKBONES[name]
    network = build_backbone(backbone, request(patch))
    attach_heads(network, backbone.describe(network), 3, HeadChoice())
    output = network(torch.randn(1, 1, *patch))
    assert {tuple(m.shape) for m in (output.main, *output.encoders, *output.decoders)} == {(1, 3, *patch)}
    assert network.eval()(torch.randn(1, 1, *patch)).shape == (1, 3, *patch)


@pytest.mark.parametrize(
    ("name", "patch", "size"),
    [
        ("UNETR", (40, 56, 40), (48, 64, 48)),
        ("SwinUNETR", (40, 56, 40), (64, 64, 64)),
        ("VNet", (40, 56, 40), (48, 64, 48)),
        ("UNetPlusPlus", (40, 56, 40), (48, 64, 48)),
        ("DynUNet", (39, 54, 41), (40, 56, 44)),
        ("ResNet18UNet", (40, 56, 40), (64, 64, 64)),
        ("ResNet18FCN", (384, 380), (384, 384)),
    ],
)
def test_the_size_computed_on_is_the_next_the_network_takes(name, patch, size):
    assert computed_size(BACKBONES[name], request(patch)) == size


@pytest.mark.parametrize("name", [name for name in BACKBONES if name not in OWN])
def test_without_padding_the_network_is_monais_own(name):
    patch = {"UNETR": (32, 32), "SwinUNETR": (32, 64), "DynUNet": (16, 16)}.get(name, (32, 16))
    network = build_backbone(BACKBONES[name], request(patch))
    assert isinstance(network, getattr(nets, MONAIS_NAMES.get(name, name)))
    assert not network._forward_hooks
    assert not network._forward_pre_hooks


@pytest.mark.parametrize("name", BACKBONES)
def test_every_trainable_parameter_gets_a_gradient(name):
    network = build_backbone(BACKBONES[name], request((32, 64)))
    network(torch.randn(1, 1, 32, 64)).square().mean().backward()
    assert [key for key, value in network.named_parameters() if value.requires_grad and value.grad is None] == []


def test_dynunet_follows_the_plans_unless_a_feature_size_asks_for_the_papers_layout():
    planned = build_backbone(BACKBONES["DynUNet"], request((8, 16, 16)))
    assert (list(planned.filters), [list(s) for s in planned.strides]) == ([4, 6, 8], PLANNED["strides"])
    assert planned.input_block.conv1.conv.kernel_size == (1, 3, 3)
    paper = build_backbone(BACKBONES["DynUNet"], request((32, 32, 32), classes=8, feature_size=32))
    assert trainable(paper) == 16_663_688
    small = build_backbone(BACKBONES["DynUNet"], request((32, 32, 32), feature_size=16))
    assert trainable(small) == 5_686_771


def test_feature_sizes_reach_the_networks():
    assert build_unetr(1, 2, size=(32, 32), feature_size=8).encoder1.layer.conv1.conv.out_channels == 8
    assert describe_swin_unetr(build_swin_unetr(1, 2, size=(64, 32), feature_size=24)).encoders[2].channels == 48


@pytest.mark.parametrize(
    ("build", "options", "message"),
    [
        (build_swin_unetr, {"feature_size": 16}, "multiple of 12, got 16"),
        (build_vnet, {"feature_size": 32}, "feature size of 16 and no other, got 32"),
        (build_resnet18_unet, {"feature_size": 6}, "multiple of 4, got 6"),
        (build_vnet, {"in_channels": 3}, "takes 1, 2, 4, 8 or 16 image channels; got 3"),
    ],
)
def test_what_a_network_cannot_be_is_refused(build, options, message):
    with pytest.raises(NetworkStructureError, match=message):
        build(**{"in_channels": 1, "out_channels": 2, "size": (32, 32), **options})


def test_plans_without_an_architecture_are_no_plan_for_dynunet():
    with pytest.raises(NetworkStructureError, match="no features_per_stage, kernel_sizes, strides for DynUNet"):
        build_backbone(BACKBONES["DynUNet"], NetworkRequest(in_channels=1, out_channels=2, patch_size=(16, 16)))


@pytest.mark.parametrize("patch", [(20, 33, 40), (40, 25)], ids=["3D", "2D"])
def test_a_network_without_a_decoder_pads_and_crops_too(patch):
    network = build_backbone(BACKBONES["ResNet18FCN"], request(patch, feature_size=4))
    assert network(torch.randn(1, 1, *patch)).shape == (1, 3, *patch)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_the_unet_on_a_resnet18_is_monais_flexible_unet_with_another_encoder(dimensions):
    torch.manual_seed(0)
    network = build_resnet18_unet(1, 2, size=(32,) * dimensions).eval()
    monais = nets.FlexibleUNet(1, 2, "resnet18", spatial_dims=dimensions, is_pad=False).eval()
    monais.encoder = network.encoder
    monais.load_state_dict(network.state_dict())
    image = torch.randn(1, 1, *(64, 32, 32)[:dimensions])
    with torch.no_grad():
        assert torch.equal(network(image), monais(image))


def test_the_encoder_has_the_parameters_of_resnet18_and_a_gradient_through_every_shortcut():
    """11,689,512 as published, less the 512 x 1000 + 1000 of its classifier of ImageNet."""
    network = build_resnet18_fcn(3, 2, size=(32, 32))
    assert trainable(network.encoder) == 11_689_512 - 513_000
    assert trainable(network) == 11_689_512 - 513_000 + 512 * 2 + 2
    encoder = network.encoder
    for block in (encoder.layer2[0], encoder.layer3[0], encoder.layer4[0]):
        torch.nn.init.zeros_(block.conv2.weight)  # what is left is the shortcut
    encoder(torch.randn(2, 3, 64, 64))[-1].square().mean().backward()
    assert encoder.layer1[0].conv1.weight.grad.abs().max() > 0


def test_the_head_without_a_decoder_is_a_1x1_convolution_interpolated_to_the_image():
    network = build_resnet18_fcn(1, 3, size=(32, 32), feature_size=4).eval()
    image = torch.randn(2, 1, 64, 96)
    with torch.no_grad():
        coarse = torch.einsum("bfhw,cf->bchw", network.encoder(image)[-1], network.classifier.weight[..., 0, 0])
        coarse = coarse + network.classifier.bias[:, None, None]
        expected = torch.nn.functional.interpolate(coarse, size=(64, 96), mode="bilinear")
        assert torch.allclose(network(image), expected, atol=1e-5)


@pytest.mark.parametrize("size", [(64, 32), (32, 64, 32)])
def test_the_levels_without_a_decoder_are_those_of_the_encoder(size):
    network = build_resnet18_fcn(1, 2, size=size, feature_size=4).eval()
    levels = describe_resnet18_fcn(network)
    assert [(level.name, level.channels, level.scale[0]) for level in levels.encoders] == [
        ("encoder.act", 4, 2),
        ("encoder.layer1", 4, 4),
        ("encoder.layer2", 8, 8),
        ("encoder.layer3", 16, 16),
        ("encoder.layer4", 32, 32),
    ]
    assert levels.total_scale == (32,) * len(size)
    maps = network.encoder(torch.zeros(1, 1, *size))
    for level, features in zip(levels.encoders, maps, strict=True):
        assert features.shape == (1, level.channels, *(s // f for s, f in zip(size, level.scale, strict=True)))
    feedback = feedback_levels(levels)
    assert feedback.features == levels.encoders
    assert [level.name for level in feedback.maps] == [
        "encoder.layer3",
        "encoder.layer2",
        "encoder.layer1",
        "encoder.act",
    ]


def test_the_feedback_levels_of_the_unet_on_a_resnet18_have_a_last_block_of_full_resolution():
    network = narrow_resnet18_unet(1, 2, size=(64, 32)).eval()
    levels = feedback_levels(describe_resnet18_unet(network))
    assert [level.name for level in levels.features] == ["encoder.act", *(f"encoder.layer{i}" for i in range(1, 5))]
    assert [level.name for level in levels.maps] == [f"decoder.blocks.{i}" for i in (0, 1, 2, 4)]
    seen = []
    network.decoder.blocks[4].register_forward_hook(lambda _, __, output: seen.append(tuple(output.shape)))
    network(torch.zeros(1, 1, 64, 32))
    assert seen == [(1, levels.maps[-1].channels, 64, 32)]


def test_a_network_without_a_decoder_cannot_distil_itself():
    levels = describe_resnet18_fcn(build_resnet18_fcn(1, 2, size=(32, 32), feature_size=4))
    with pytest.raises(NetworkStructureError, match=r"without a decoder \(encoder.act, .*cannot distil itself"):
        u_shape(levels)


@pytest.mark.parametrize(
    "describe",
    [
        describe_unetr,
        describe_swin_unetr,
        describe_vnet,
        describe_unet_plus_plus,
        describe_resnet18_unet,
        describe_resnet18_fcn,
    ],
)
def test_another_network_is_not_described(describe):
    with pytest.raises(NetworkStructureError, match="Linear is not a"):
        describe(torch.nn.Linear(1, 1))
