"""Clip encoders: their weights and shapes against counts from the publications, and the network around them."""

import itertools
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torchvision

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError
from video_triplet.clips.c3d import C3D
from video_triplet.clips.encoders import ENTRIES, find_encoder
from video_triplet.clips.frame_encoders import FrameEncoder
from video_triplet.clips.networks import ClipNetwork, create_encoder
from video_triplet.clips.r2plus1d import FactorisedConvolution, R2Plus1DSmall, intermediate_width

SMALL = {"c3d": {"width": 4}, "r2plus1d_small": {"width": 4}}


def count(module):
    return sum(values.numel() for values in module.parameters())


def network(encoder="r2plus1d_small", classes=5, frames=8, size=16, **changes):
    return ClipNetwork(encoder, classes, frames=frames, size=size, options=SMALL.get(encoder), **changes)


def test_c3d_has_the_weights_of_its_eight_convolutions_and_batch_norms():
    widths = [3, 64, 128, 256, 256, 512, 512, 512, 512]
    convolutions = sum(27 * i * o + o for i, o in itertools.pairwise(widths))
    assert count(C3D()) == convolutions + 2 * sum(widths[1:])


def factorised(inputs, outputs, t, d):
    """Weights of one factorised convolution, counted from Sect. 3.5 in fractions."""
    width = int((t * d * d * inputs * outputs) / (d * d * inputs + t * outputs))
    return d * d * inputs * width + 2 * width + t * width * outputs


def test_the_small_r2plus1d_has_the_weights_of_its_factorised_convolutions():
    expected = factorised(3, 64, 3, 7) + 2 * 64
    inputs = 64
    for outputs in (64, 128, 256, 512):
        expected += factorised(inputs, outputs, 3, 3) + factorised(outputs, outputs, 3, 3) + 4 * outputs
        if outputs != inputs:
            expected += factorised(inputs, outputs, 1, 1) + 2 * outputs
        inputs = outputs
    assert count(R2Plus1DSmall()) == expected


@pytest.mark.parametrize("inputs", [3, 45, 64, 100])
@pytest.mark.parametrize("outputs", [64, 128, 130])
@pytest.mark.parametrize(("time", "space"), [(3, 3), (3, 7), (1, 1), (5, 3)])
def test_the_intermediate_width_is_the_largest_that_needs_no_more_weights_than_a_full_kernel(
    inputs, outputs, time, space
):
    found = intermediate_width(inputs, outputs, (time, space, space))
    full = time * space * space * inputs * outputs
    weights = [space * space * inputs * width + time * width * outputs for width in (found, found + 1)]
    assert weights[0] <= full < weights[1]


@pytest.mark.parametrize("outputs", [64, 128, 256, 512])
def test_the_intermediate_width_is_that_of_torchvisions_blocks(outputs):
    inputs = outputs if outputs == 64 else outputs // 2
    stage = getattr(torchvision.models.video.r2plus1d_18(), f"layer{outputs.bit_length() - 6}")
    assert stage[0].conv1[0][0].out_channels == intermediate_width(inputs, outputs, (3, 3, 3))


def test_a_factorised_convolution_with_a_wide_middle_can_be_any_separable_one():
    layer = FactorisedConvolution(2, 3, (3, 3, 3)).double().eval()
    layer.bn.running_mean.fill_(-1e3)  # keeps the ReLU open: it then adds a constant only
    clips = torch.randn(1, 2, 5, 6, 6, dtype=torch.float64)
    found = layer(clips) - layer(torch.zeros_like(clips))
    scale = (layer.bn.weight / (layer.bn.running_var + layer.bn.eps).sqrt()).detach()
    space, time = layer.spatial_conv.weight[:, :, 0], layer.temporal_conv.weight[:, :, :, 0, 0]
    kernel = torch.einsum("omt,m,mihw->oithw", time, scale, space)
    expected = torch.nn.functional.conv3d(clips, kernel, padding=1)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("frames", [8, 9, 16])
@pytest.mark.parametrize("size", [16, 33, 48])
def test_strides_in_time_and_space_are_those_of_the_publications(frames, size):
    clips = torch.zeros(1, 3, frames, size, size)
    with torch.no_grad():
        c3d, small = (model(width=2).eval().feature_maps(clips) for model in (C3D, R2Plus1DSmall))
    assert c3d.shape == (1, 16, frames // 8, size // 16, size // 16)
    assert small.shape == (1, 16, -(-frames // 8), -(-size // 16), -(-size // 16))


@pytest.mark.parametrize("name", ["c3d", "r2plus1d_small", "r3d_18", "timm:resnet18", "swin3d_t"])
@pytest.mark.parametrize(("batch", "frames", "size"), [(1, 8, 32), (3, 10, 40)])
def test_features_and_logits_have_one_row_per_clip(name, batch, frames, size):
    built = network(name, frames=frames, size=size).eval()
    clips = torch.randint(0, 256, (batch, 3, frames, size, size), dtype=torch.uint8)
    with torch.no_grad():
        features, logits = built.features(clips), built(clips)
    assert features.shape == (batch, built.head.in_features)
    assert logits.shape == (batch, 5)
    torch.testing.assert_close(built.head(features), logits)
    torch.testing.assert_close(built(clips[:1]), logits[:1], rtol=1e-4, atol=1e-5)


def test_published_widths_give_512_features():
    for name in ("c3d", "r2plus1d_small"):
        assert ClipNetwork(name, 101, frames=16, size=32).head.in_features == 512


def test_the_features_of_torchvisions_r2plus1d_are_what_its_classifier_gets():
    torch.manual_seed(0)
    whole = torchvision.models.video.r2plus1d_18().eval()
    built, _ = create_encoder("r2plus1d_18", frames=4, size=32)
    built.module.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("fc.")})
    clips = torch.randn(2, 3, 4, 32, 32)
    with torch.no_grad():
        features = built.module.eval()(clips)
        assert torch.equal(whole.fc(features), whole(clips))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mvit_v2_s", "mvit_v1_b"])
def test_mvit_s_features_are_the_class_token_without_head(name):
    whole = torchvision.models.get_model(name).eval()
    built, _ = create_encoder(name, frames=16, size=224)
    built.module.load_state_dict({k: v for k, v in whole.state_dict().items() if not k.startswith("head.")})
    seen = []
    whole.head.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    clips = torch.randn(1, 3, 16, 224, 224)
    with torch.no_grad():
        whole(clips)
        assert torch.equal(built.module.eval()(clips), seen[0])


def test_a_frame_encoder_averages_the_features_of_frames():
    built = network("timm:resnet18", frames=3, size=32).eval()
    assert isinstance(built.encoder, FrameEncoder)
    clips = torch.randn(2, 3, 3, 32, 32)
    with torch.no_grad():
        expected = sum(built.encoder.network(clips[:, :, frame]) for frame in range(3)) / 3
        torch.testing.assert_close(built.encoder(clips), expected, rtol=1e-4, atol=1e-5)


def test_clips_are_normalised_inside_as_the_encoder_expects():
    built = network()
    found = built.normalised(torch.full((1, 3, 2, 4, 4), 255, dtype=torch.uint8))
    expected = [(1 - mean) / std for mean, std in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    torch.testing.assert_close(found[0, :, 1, 2, 3], torch.tensor(expected), rtol=1e-5, atol=1e-5)
    kinetics = ClipNetwork("r3d_18", 2, frames=4, size=32).mean.flatten() / 255
    torch.testing.assert_close(kinetics, torch.tensor([0.43216, 0.394666, 0.37645]))


@pytest.mark.parametrize("name", ["c3d", "r2plus1d_small"])
def test_every_weight_gets_a_gradient(name):
    built = network(name, size=32)
    built(torch.rand(2, 3, 8, 32, 32) * 255).sum().backward()
    assert all(values.grad is not None for values in built.parameters())


@pytest.mark.parametrize(
    ("name", "frames", "size", "said"),
    [
        ("c3d", 7, 16, "c3d cannot take clips of 7 frames of 16 x 16 pixels"),
        ("c3d", 8, 15, "15 x 15 pixels"),
        ("mvit_v2_s", 8, 224, "takes clips of 16 frames of 224 x 224 pixels only, got 8 of 224"),
        ("mvit_v2_s", 4, 448, "got 4 of 448 x 448"),  # as many tokens as the right clip has
        ("timm:vgg11", 2, 20, "20 x 20 pixels"),
    ],
)
def test_clips_that_an_encoder_cannot_take_are_refused_before_training(name, frames, size, said):
    with pytest.raises(NetworkStructureError, match=said):
        network(name, frames=frames, size=size)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("c3d", {"depth": 3}, "c3d refuses the options .*depth"),
        ("r2plus1d_small", {"blocks": [1, 1]}, "expected four numbers"),
        ("r3d_18", {"depth": 3}, "torchvision's r3d_18 refuses"),
        ("timm:resnet18", {"depth": 3}, "timm's resnet18 refuses the arguments"),
        ("timm:no_such_model", {}, "has no model 'no_such_model'"),
        (
            "r2plus1d",
            {},
            r"no clip encoder 'r2plus1d'; there are c3d, .*timm:NAME; did you mean r2plus1d_18 or r2plus1d_small\?",
        ),
    ],
)
def test_what_cannot_be_built_is_refused(name, options, said):
    with pytest.raises(NetworkStructureError, match=said):
        ClipNetwork(name, 2, frames=8, size=32, options=options)


def test_all_impossible_numbers_are_told_at_once():
    with pytest.raises(SettingsError, match=r"(?s)3 problem.*classes: got 0.*frames: got 0.*size: got -1"):
        ClipNetwork("c3d", 0, frames=0, size=-1)


def test_every_entry_can_be_loaded_and_has_a_name_of_its_own():
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)
    assert all(callable(entry.load()) for entry in ENTRIES)
    assert find_encoder("timm:resnet18").hub == "timm"


def test_the_list_of_encoders_is_light():
    code = "import sys; import video_triplet.clips.encoders; print(*({'torch', 'timm', 'numpy'} & set(sys.modules)))"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=root)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == []
