"""The bottleneck module against NumPy, against nearest-neighbour upsampling, and by its parameter counts."""

import numpy as np
import oracle
import pytest
import torch

from nnunet_dsd.common.errors import NetworkStructureError
from nnunet_dsd.networks.bottleneck import BottleneckModule, upsampling_steps

SCALES = [(1, 1), (2, 2), (4, 4), (8, 2), (1, 4), (3, 3), (6, 2), (1, 1, 1), (2, 2, 2), (1, 2, 2), (2, 4, 4), (1, 3, 6)]


def module_and_features(scale, *, init, channels=5, classes=3, dtype=torch.float64):
    module = BottleneckModule(channels, classes, scale, init=init).to(dtype)
    size = (2, 3) if len(scale) == 2 else (2, 1, 3)
    return module, torch.randn(2, channels, *size, dtype=dtype)


@pytest.mark.parametrize(
    ("scale", "steps"),
    [
        ((1, 1), ((1, 1),)),
        ((1, 1, 1), ((1, 1, 1),)),
        ((2, 2, 2), ((2, 2, 2),)),
        ((8, 8, 8), ((2, 2, 2),) * 3),
        ((2, 4, 4), ((2, 2, 2), (1, 2, 2))),
        ((1, 2, 2), ((1, 2, 2),)),
        ((3, 3), ((3, 3),)),
        ((6, 2), ((2, 2), (3, 1))),
        ((1, 9, 5), ((1, 3, 5), (1, 3, 1))),
    ],
)
def test_a_scale_is_split_into_prime_steps_with_all_axes_in_the_first_ones(scale, steps):
    assert upsampling_steps(scale) == steps


@pytest.mark.parametrize("init", ["nearest", "random"])
@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_the_logits_equal_convolution_and_deconvolutions_done_by_hand(scale, init):
    module, features = module_and_features(scale, init=init)
    deconvolutions = {
        tuple(map(int, step.split("x"))): (oracle.as_array(layer.weight), oracle.as_array(layer.bias))
        for step, layer in module.deconvolve.items()
    }
    project = oracle.as_array(module.project.weight), oracle.as_array(module.project.bias)
    expected = oracle.bottleneck_by_hand(features.numpy(), scale, project, deconvolutions)
    found = module(features)
    assert tuple(found.shape[2:]) == tuple(n * s for n, s in zip(features.shape[2:], scale, strict=True))
    torch.testing.assert_close(found, torch.from_numpy(expected), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_it_starts_as_nearest_neighbour_upsampling_of_the_convolution(scale):
    module, features = module_and_features(scale, init="nearest")
    expected = module.project(features).detach().numpy()
    for axis, factor in enumerate(scale, start=2):
        expected = np.repeat(expected, factor, axis=axis)
    torch.testing.assert_close(module(features), torch.from_numpy(expected), rtol=1e-12, atol=1e-12)


def test_random_deconvolutions_do_not_start_as_nearest_neighbour_upsampling():
    module, features = module_and_features((2, 2), init="random")
    blocks = module(features)
    assert not torch.allclose(blocks[:, :, ::2, ::2], blocks[:, :, 1::2, 1::2])


@pytest.mark.parametrize("scale", [(1, 1), (1, 1, 1)], ids=str)
def test_the_fused_full_resolution_head_equals_its_two_layers_one_after_another(scale):
    module, features = module_and_features(scale, init="random")
    features.requires_grad_()
    (layer,) = module.deconvolve.values()
    results = []
    for forward in (module, lambda item: layer(module.project(item))):
        module.zero_grad()
        features.grad = None
        logits = forward(features)
        logits.square().sum().backward()
        gradients = {name: parameter.grad.clone() for name, parameter in module.named_parameters()}
        results.append((logits.detach(), features.grad.clone(), gradients))
    assert len(results[0][2]) == 4
    torch.testing.assert_close(results[0], results[1], rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("scale", [(1, 1), (2, 2), (4, 2), (1, 2, 2)], ids=str)
@pytest.mark.parametrize("init", ["nearest", "random"])
def test_every_parameter_and_the_features_get_a_gradient(scale, init):
    module, features = module_and_features(scale, init=init)
    features.requires_grad_()
    module(features).square().sum().backward()
    assert features.grad.abs().max() > 0
    assert all(parameter.grad.abs().max() > 0 for parameter in module.parameters())


@pytest.mark.parametrize(
    ("channels", "classes", "scale", "parameters"),
    [
        (320, 8, (16, 16, 16), 3088),
        (256, 8, (8, 8, 8), 2576),
        (64, 8, (2, 2, 2), 1040),
        (32, 8, (1, 1, 1), 336),
        (16, 3, (1, 1, 1), 63),
        (256, 3, (16, 16, 16), 846),
        (10, 4, (2, 2), 10 * 4 + 4 + 4 * 4 * 4 + 4),
        (10, 4, (1, 2, 2), 10 * 4 + 4 + 4 * 4 * 4 + 4),
        (10, 4, (2, 4, 4), 10 * 4 + 4 + (4 * 4 * 8 + 4) + (4 * 4 * 4 + 4)),
        (10, 4, (3, 3), 10 * 4 + 4 + 4 * 4 * 9 + 4),
    ],
)
def test_deconvolutions_of_one_stride_share_their_weights(channels, classes, scale, parameters):
    module = BottleneckModule(channels, classes, scale)
    assert sum(parameter.numel() for parameter in module.parameters()) == parameters


def test_the_full_resolution_head_works_under_autocast():
    module, features = module_and_features((1, 1), init="random", dtype=torch.float32)
    expected = module(features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = module(features)
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found.float(), expected, rtol=0.05, atol=0.05)


@pytest.mark.parametrize("scale", [(2,), (2, 2, 2, 2)], ids=str)
def test_other_than_two_or_three_axes_are_refused(scale):
    with pytest.raises(NetworkStructureError, match="2 and 3 spatial axes, got scale"):
        BottleneckModule(4, 2, scale)
