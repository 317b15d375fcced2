"""Patches that a network cannot take are padded with zeros inside it, and the margin is cut off again."""

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.backbones import BACKBONES, NetworkRequest, build_backbone
from nnunet_dsd.networks.heads import DistillationOutput, HeadChoice, attach_heads
from nnunet_dsd.networks.padding import pad_inside, padded_size, padding_cost


class SumOfNeighbours(nn.Module):
    """Depends on every voxel around, so that a wrong margin shows."""

    def __init__(self, dimensions):
        super().__init__()
        kind = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.layers = nn.Sequential(kind(2, 4, 3, padding=1), nn.ReLU(), kind(4, 3, 5, padding=2))
        self.sizes = []

    def forward(self, image):
        self.sizes.append(tuple(image.shape[2:]))
        return self.layers(image)


@pytest.mark.parametrize(
    ("patch", "multiple", "size"),
    [
        ((40, 56, 40), (16, 16, 16), (48, 64, 48)),
        ((32, 32, 32), (16, 16, 16), (32, 32, 32)),
        ((33, 1), (8, 8), (40, 8)),
        ((5, 9, 9), (1, 4, 4), (5, 12, 12)),
    ],
)
def test_each_axis_is_raised_to_the_next_multiple(patch, multiple, size):
    assert padded_size(patch, multiple) == size


def test_a_patch_that_leaves_one_voxel_is_refused_with_a_size_that_would_do():
    with pytest.raises(
        NetworkStructureError, match=r"\(20, 32, 30\) leaves a single voxel.*for example \(32, 32, 64\)"
    ):
        padded_size((20, 32, 30), (32, 32, 32))
    assert padded_size((32, 32, 64), (32, 32, 32)) == (32, 32, 64)


def test_the_cost_is_the_ratio_of_voxels():
    assert padding_cost((40, 56, 40), (48, 64, 48)) == pytest.approx(1.6457142857)


@pytest.mark.parametrize(("patch", "size"), [((7, 12), (8, 16)), ((5, 6, 7), (8, 8, 8)), ((8, 6, 8), (8, 8, 8))])
def test_the_output_is_exactly_that_on_the_padded_image_cropped(patch, size):
    network = SumOfNeighbours(len(patch))
    image = torch.randn(2, 2, *patch)
    canvas = torch.zeros(2, 2, *size)
    starts = [(s - p) // 2 for s, p in zip(size, patch, strict=True)]
    window = (..., *(slice(start, start + p) for start, p in zip(starts, patch, strict=True)))
    canvas[window] = image
    expected = network(canvas)[window]
    pad_inside(network, patch, size)
    assert torch.equal(network(image), expected)
    assert network.sizes[-1] == size


def test_a_network_that_takes_the_patch_is_left_alone_and_takes_any_size():
    network = SumOfNeighbours(2)
    pad_inside(network, (8, 8), (8, 8))
    assert network(torch.randn(1, 2, 5, 9)).shape == (1, 3, 5, 9)


def test_a_patch_of_another_size_is_refused():
    network = SumOfNeighbours(2)
    pad_inside(network, (7, 8), (8, 8))
    with pytest.raises(NetworkStructureError, match=r"built for patches of \(7, 8\) voxels, got \(8, 8\)"):
        network(torch.randn(1, 2, 8, 8))


def test_features_are_cropped_to_those_that_see_the_patch():
    network = SumOfNeighbours(2)
    features = torch.arange(16.0).view(1, 1, 4, 4)

    class Output:
        def map_volumes(self, change):
            return change(features)

    network.register_forward_hook(lambda *_: Output())
    pad_inside(network, (6, 9), (16, 16))
    # rows 5 to 10 of 16 and columns 3 to 11: feature rows 1 and 2 of 4, feature columns 0 to 2
    assert torch.equal(network(torch.randn(1, 2, 6, 9)), features[:, :, 1:3, 0:3])


@pytest.mark.parametrize("training", [True, False])
def test_a_padded_network_with_heads_compiles_in_one_graph(training):
    backbone = BACKBONES["DynUNet"]
    planned = {"features_per_stage": [4, 6, 8], "kernel_sizes": 3, "strides": [[1, 1], [2, 2], [2, 2]]}
    request = NetworkRequest(in_channels=1, out_channels=3, patch_size=(14, 16), planned=planned)
    network = build_backbone(backbone, request)
    attach_heads(network, backbone.describe(network), 3, HeadChoice())
    network.train(training)
    image = torch.randn(1, 1, 14, 16)
    compiled = torch.compile(network, backend="eager", fullgraph=True)
    made, expected = compiled(image), network(image)
    if training:
        assert torch.allclose(made.encoders[0], expected.encoders[0], atol=1e-5)
        made, expected = made.main, expected.main
    assert torch.allclose(made, expected, atol=1e-5)


def test_everything_of_full_resolution_in_a_training_output_is_cropped_and_nothing_else():
    network = SumOfNeighbours(2)
    volumes = [torch.randn(1, 3, 8, 8) for _ in range(3)]
    vectors = (torch.randn(1, 128),)
    network.register_forward_hook(lambda *_: DistillationOutput(volumes[0], (volumes[1],), (volumes[2],), vectors))
    pad_inside(network, (7, 6), (8, 8))
    output = network(torch.randn(1, 2, 7, 6))
    for got, whole in zip((output.main, *output.encoders, *output.decoders), volumes, strict=True):
        assert torch.equal(got, whole[:, :, 0:7, 1:7])
    assert output.encoder_vectors is vectors


def test_gradients_flow_to_the_image_as_through_functional_padding():
    network, twin = SumOfNeighbours(2), SumOfNeighbours(2)
    twin.load_state_dict(network.state_dict())
    pad_inside(network, (7, 6), (8, 8))
    first, second = (torch.linspace(0, 1, 84).view(1, 2, 7, 6).requires_grad_() for _ in range(2))
    network(first).square().sum().backward()
    twin(functional.pad(second, (1, 1, 0, 1)))[:, :, 0:7, 1:7].square().sum().backward()
    assert torch.allclose(first.grad, second.grad)
