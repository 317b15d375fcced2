"""MISSU-style heads: pairs of one scale, a fusion block and a segmentation head for each."""

import pytest
import torch
from tiny_networks import CASES
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.backbones import BACKBONES, NetworkRequest, build_backbone
from nnunet_dsd.networks.missu import MissuHeads, MissuOutput, MultiScaleFusion, missu_pairs
from nnunet_dsd.networks.taps import attach
from nnunet_dsd.networks.ushape import Level, UShape

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


@every_case
def test_every_decoder_above_the_bottleneck_is_paired_with_the_encoder_of_its_scale(case):
    shape = case.describe(case.build())
    pairs = missu_pairs(shape)
    assert [pair.student for pair in pairs] == list(shape.decoders[:-1])
    assert [pair.teacher for pair in pairs] == list(shape.encoders[1:])


def test_levels_without_a_common_scale_are_refused():
    shape = UShape(
        encoders=(Level("a", 2, (1, 1)), Level("b", 2, (3, 3))), decoders=(Level("c", 2, (2, 2)), Level("d", 2, (4, 4)))
    )
    with pytest.raises(
        NetworkStructureError, match=r"encoders \[\(1, 1\), \(3, 3\)\], decoders \[\(2, 2\), \(4, 4\)\]"
    ):
        missu_pairs(shape)


@every_case
def test_a_training_pass_gives_pairs_of_one_shape_and_full_resolution_teachers(case):
    network = case.build()
    shape = case.describe(network)
    attach(network, MissuHeads(shape, case.classes))
    output = network(case.images())
    assert isinstance(output, MissuOutput)
    for pair, student, teacher in zip(
        missu_pairs(shape), output.student_features, output.teacher_features, strict=True
    ):
        size = [axis // step for axis, step in zip(case.patch, pair.student.scale, strict=True)]
        assert list(student.shape) == list(teacher.shape) == [2, pair.student.channels, *size]
    assert {tuple(logits.shape) for logits in (output.main, *output.teachers)} == {(2, case.classes, *case.patch)}
    assert isinstance(network.eval()(case.images()), torch.Tensor)
    assert not [key for key in network.state_dict() if "distillation_heads" in key]


@pytest.mark.parametrize(("inside", "outside"), [(4, 4), (4, 7)], ids=["same channels", "other channels"])
def test_fusion_is_the_residual_plus_the_projection_of_three_dilated_convolutions(inside, outside):
    block = MultiScaleFusion(inside, outside, dimensions=2)
    features = torch.randn(2, inside, 9, 8)
    branches = []
    for rate, branch in zip((1, 2, 3), block.branches, strict=True):
        padded = functional.pad(features, (rate,) * 4)
        patches = functional.unfold(padded, 3, dilation=rate)
        flat = branch.weight.flatten(1) @ patches + branch.bias[:, None]
        branches.append(functional.leaky_relu(flat.view(2, inside, 9, 8), 0.01))
    joined = torch.cat(branches, 1).flatten(2)
    projected = block.project.weight.flatten(1) @ joined + block.project.bias[:, None]
    residual = features
    if inside != outside:
        flat = block.residual.weight.flatten(1) @ features.flatten(2) + block.residual.bias[:, None]
        residual = flat.view(2, outside, 9, 8)
    assert torch.allclose(block(features), residual + projected.view(2, outside, 9, 8), atol=1e-5)


def test_cropping_reaches_logits_and_features():
    volume, features = torch.randn(1, 2, 8, 8), (torch.randn(1, 4, 4, 4),)
    output = MissuOutput(volume, (volume + 1,), features, features).map_volumes(lambda v: v[..., :3])
    cropped = (output.main, *output.teachers, *output.student_features, *output.teacher_features)
    assert [tensor.shape[-1] for tensor in cropped] == [3] * 4


def test_a_padded_network_compares_no_features_of_the_margin():
    backbone = BACKBONES["VNet"]
    network = build_backbone(backbone, NetworkRequest(in_channels=1, out_channels=2, patch_size=(20, 20)))
    attach(network, MissuHeads(backbone.describe(network), 2))
    output = network(torch.randn(2, 1, 20, 20))
    assert [tuple(f.shape[2:]) for f in output.student_features] == [(10, 10), (6, 6), (4, 4)]
    assert [f.shape for f in output.student_features] == [f.shape for f in output.teacher_features]
