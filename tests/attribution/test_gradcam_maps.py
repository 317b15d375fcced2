"""Grad-CAM against its closed form on networks whose head is a 1x1 convolution, and against autograd on real ones."""

import copy

import numpy as np
import pytest
import torch
from monai.networks.nets import UNETR, SwinUNETR
from tiny_networks import build_dynunet, build_nnunet
from torch import nn
from torch.nn import functional

from nnunet_dsd.attribution.gradcam import class_heat, level_problems, predicted_voxels, resolve_level
from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.padding import pad_inside
from nnunet_dsd.networks.resnet18 import build_resnet18_fcn, build_resnet18_unet

WEIGHTS = torch.tensor([[0.5, -1.0, 0.3], [1.0, 0.5, -2.0], [-0.7, 1.5, 1.0]])
BIASES = torch.tensor([0.05, -0.1, 0.2])


class Pointwise(nn.Module):
    """Features (a 1x1 convolution), optionally pooled; a head of known weights; nearest enlargement to the input."""

    def __init__(self, dimensions, *, pooling=1, in_place=False):
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[dimensions]
        self.pooling = pooling
        self.features = conv(2, 3, 1, bias=False)
        self.after = nn.Hardtanh(-1e6, 1e6, inplace=in_place)  # changes no value, but does so in place
        self.head = conv(3, 3, 1)
        shape = (3, 3, *[1] * dimensions)
        self.head.weight.data, self.head.bias.data = WEIGHTS.reshape(shape), BIASES.clone()

    def forward(self, image):
        pool = {4: functional.avg_pool2d, 5: functional.avg_pool3d}[image.ndim]
        logits = self.head(self.after(self.features(pool(image, self.pooling))))
        return functional.interpolate(logits, size=image.shape[2:], mode="nearest")


def closed_form(features, channel, predicted):
    """relu(sum over k of a_k A_k): each feature voxel's gradient is w_k times the predicted voxels it feeds."""
    weights = WEIGHTS[channel] * int(predicted.sum()) / features[0, 0].numel()
    return torch.einsum("k,k...->...", weights, features[0]).clamp(min=0)


@pytest.mark.parametrize("regions", [False, True])
@pytest.mark.parametrize("size", [(6, 8), (4, 6, 8)])
@pytest.mark.parametrize("channel", [0, 1, 2])
def test_the_map_is_the_closed_form(size, channel, regions):
    network = Pointwise(len(size)).eval()
    image = torch.randn(1, 2, *size)
    logits = network(image)[0].detach()
    predicted = logits[channel] > 0 if regions else logits.argmax(0) == channel
    assert predicted.any()

    found = class_heat(network, image, channel=channel, modules=["features"], regions=regions)

    assert np.array_equal(found.predicted, predicted.numpy())
    expected = closed_form(network.features(image).detach(), channel, predicted)
    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("size", [(6, 8), (4, 6, 8)])
def test_a_coarse_map_is_enlarged_linearly(size):
    network = Pointwise(len(size), pooling=2).eval()
    image = torch.randn(1, 2, *size)
    predicted = network(image)[0].argmax(0) == 1
    pooled = {2: functional.avg_pool2d, 3: functional.avg_pool3d}[len(size)](image, 2)
    coarse = closed_form(network.features(pooled).detach(), 1, predicted)
    mode = {2: "bilinear", 3: "trilinear"}[len(size)]
    expected = functional.interpolate(coarse[None, None], size=size, mode=mode, align_corners=False)[0, 0]

    found = class_heat(network, image, channel=1, modules=["features"])

    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-5, atol=1e-6)


def test_what_a_module_is_given_can_be_looked_at():
    network, image = Pointwise(2).eval(), torch.randn(1, 2, 6, 8)
    output, given = class_heat(network, image, channel=1, modules=["features", "after:input"]).maps
    assert output.any()
    np.testing.assert_allclose(output, given, rtol=1e-6)


def test_features_that_the_next_layer_changes_in_place_can_be_looked_at():
    image, plain = torch.randn(1, 2, 6, 8), Pointwise(2).eval()
    in_place = Pointwise(2, in_place=True).eval()
    in_place.load_state_dict(plain.state_dict())
    expected, found = (class_heat(each, image, channel=2, modules=["features"]).maps[0] for each in (plain, in_place))
    assert np.array_equal(expected, found)


def test_where_no_voxel_is_predicted_there_is_no_map():
    network = Pointwise(2).eval()
    network.head.bias.data[1] = -1e4
    found = class_heat(network, torch.randn(1, 2, 6, 8), channel=1, modules=["features"])
    assert found.maps is None
    assert not found.predicted.any()


def test_the_margin_of_a_network_that_pads_inside_is_cut_off():
    network = Pointwise(2).eval()
    pad_inside(network, (7, 6), (8, 8))
    image = torch.randn(1, 2, 7, 6)
    predicted = network(image)[0].argmax(0) == 2
    features = network.features(functional.pad(image, (1, 1, 0, 1))).detach()
    expected = closed_form(features, 2, predicted)[:7, 1:7]

    found = class_heat(network, image, channel=2, modules=["features"])

    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-5, atol=1e-6)


def most_predicted(network, image):
    with torch.no_grad():
        voxels = predicted_voxels(network(image), regions=False)
    return int(voxels.sum((0, *range(2, image.ndim))).argmax())


BUILDERS = {
    "instance normalisation": lambda: build_nnunet([(1, 1), (2, 2), (2, 2)], 3),
    "batch normalisation": lambda: build_resnet18_unet(1, 3, size=(64, 64), feature_size=4),
}


@pytest.mark.parametrize("name", BUILDERS)
def test_the_network_is_left_as_it_was(name):
    network = BUILDERS[name]().eval()
    before = copy.deepcopy(network)
    image = torch.randn(1, 1, 64, 64)
    module = resolve_level(network, "bottleneck")
    assert level_problems(network, [module], image) == []
    class_heat(network, image, channel=most_predicted(network, image), modules=[module])
    assert not any(module.training for module in network.modules())
    assert all(torch.equal(now, then) for now, then in zip(network.buffers(), before.buffers(), strict=True))
    hooks = [(each._forward_hooks, each._forward_pre_hooks, each._backward_hooks) for each in network.modules()]
    assert not any(hook for three in hooks for hook in three)
    assert all(parameter.grad is None for parameter in network.parameters())
    assert torch.equal(network(image), before(image))


def test_a_second_case_is_computed_as_the_first_with_batch_normalisation():
    network = BUILDERS["batch normalisation"]().eval()
    image = torch.randn(1, 1, 64, 64)
    channel = most_predicted(network, image)
    first, second = (class_heat(network, image, channel=channel, modules=["decoder.blocks.2"]) for _ in range(2))
    assert first.maps[0].any()
    assert np.array_equal(first.predicted, second.predicted)
    assert np.array_equal(first.maps[0], second.maps[0])


STRIDES = [(1, 1), (2, 2), (2, 2)]
NETWORKS = {
    "plain": lambda: build_nnunet(STRIDES, 3),
    "residual": lambda: build_nnunet(STRIDES, 3, residual=True),
    "volume": lambda: build_nnunet([(1, 1, 1), (1, 2, 2), (2, 2, 2)], 3),
    "DynUNet": lambda: build_dynunet(STRIDES, 3),
    "UNETR": lambda: UNETR(1, 3, (32, 32), feature_size=4, hidden_size=24, mlp_dim=48, num_heads=2, spatial_dims=2),
    "SwinUNETR": lambda: SwinUNETR(1, 3, feature_size=12, depths=(1, 1, 1, 1), spatial_dims=2),
}


@pytest.mark.parametrize("level", ["bottleneck", "last"])
@pytest.mark.parametrize("name", NETWORKS)
def test_default_levels_of_known_networks_give_what_autograd_gives(name, level):
    network = NETWORKS[name]().eval()
    side = 64 if name == "SwinUNETR" else 32
    image = torch.randn(1, 1, *((8, 16, 16) if name == "volume" else (side, side)))
    module = resolve_level(network, level)
    kept = []
    path = module.removesuffix(":input")
    keep = {
        True: lambda layer: layer.register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0])),
        False: lambda layer: layer.register_forward_hook(lambda _, __, output: kept.append(output)),
    }
    handle = keep[module.endswith(":input")](network.get_submodule(path))
    logits = network(image)
    handle.remove()
    channel = int(predicted_voxels(logits, regions=False).sum((0, *range(2, logits.ndim))).argmax())
    (gradient,) = torch.autograd.grad(logits[0, channel][logits[0].argmax(0) == channel].sum(), kept[0])
    weights = gradient[0].flatten(1).mean(1)
    coarse = torch.einsum("k,k...->...", weights, kept[0][0]).clamp(min=0).detach()
    mode = "trilinear" if image.ndim == 5 else "bilinear"
    expected = functional.interpolate(coarse[None, None], size=image.shape[2:], mode=mode)[0, 0]

    found = class_heat(network, image, channel=channel, modules=[module])

    np.testing.assert_allclose(found.maps[0], expected.numpy(), rtol=1e-3, atol=1e-4 * float(expected.max()))


def test_default_levels_are_the_bottleneck_and_the_last_decoder_stage():
    network = build_nnunet(STRIDES, 3)
    assert resolve_level(network, "bottleneck") == "encoder.stages.2"
    assert resolve_level(network, "last") == "decoder.stages.1"
    assert resolve_level(network, "encoder.stages.1") == "encoder.stages.1"


def test_an_unknown_module_is_refused_with_its_siblings():
    with pytest.raises(NetworkStructureError, match=r"no module named 'encoder.stages.9'; .* are: 0, 1, 2"):
        resolve_level(build_nnunet(STRIDES, 3), "encoder.stages.9")


def test_a_network_of_unknown_levels_needs_paths():
    assert resolve_level(Pointwise(2), "features") == "features"
    with pytest.raises(NetworkStructureError, match="Pointwise"):
        resolve_level(Pointwise(2), "bottleneck")


def test_modules_without_features_are_named():
    network = build_nnunet(STRIDES, 3)
    network.idle = nn.Conv2d(1, 1, 1)
    problems = level_problems(network, ["idle", "encoder", "encoder.stages.0"], torch.zeros(1, 1, 16, 16))
    assert problems == [
        "'idle' did not run in a forward pass",
        "'encoder' gives a list, features (B, C, *S) with 2 spatial axes are needed",
    ]


def test_modules_without_gradient_are_named():
    network = Pointwise(2).eval()
    network.beside = nn.Conv2d(2, 3, 1)

    def run_beside(module, inputs):
        network.beside(inputs[0])

    network.register_forward_pre_hook(run_beside)
    modules = ["features:input", "features", "beside", "after:input"]
    first, second = level_problems(network, modules, torch.zeros(1, 2, 6, 8))
    assert first.startswith("'features:input' gets no gradient")
    assert second.startswith("'beside' gets no gradient")
    assert all(parameter.grad is None for parameter in network.parameters())


def test_in_a_network_without_a_decoder_the_last_level_is_the_bottleneck():
    network = build_resnet18_fcn(1, 3, size=(64, 64), feature_size=4).eval()
    modules = [resolve_level(network, level) for level in ("bottleneck", "last")]
    assert modules == ["encoder.layer4", "encoder.layer4"]
    image = torch.randn(1, 1, 64, 64)
    assert level_problems(network, modules, image) == []
    deepest, last = class_heat(network, image, channel=most_predicted(network, image), modules=modules).maps
    assert deepest.any()
    assert np.array_equal(deepest, last)


def test_predicted_voxels_are_those_of_the_largest_logit_or_of_a_probability_above_one_half():
    logits = torch.tensor([[[2.0, -1.0]], [[1.0, -2.0]]])[None]
    assert predicted_voxels(logits, regions=False).tolist() == [[[[True, True]], [[False, False]]]]
    assert predicted_voxels(logits, regions=True).tolist() == [[[[True, False]], [[True, False]]]]
