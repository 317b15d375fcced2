"""Dual self-distillation attached to networks of other libraries, in a plain PyTorch loop."""

import copy
import pickle

import numpy as np
import oracle
import pytest
import torch
from monai.networks.nets import AttentionUnet, SegResNet
from torch import nn

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError, ShapeError
from nnunet_dsd.config.settings import Settings
from nnunet_dsd.distillation.dual_settings import DualSettings
from nnunet_dsd.networks.attachment import DualSelfDistillation
from nnunet_dsd.networks.heads import DistillationOutput
from nnunet_dsd.networks.taps import detach
from nnunet_dsd.presets import PRESETS

SEGRESNET = {
    "encoders": ["down_layers.0", "down_layers.1", "down_layers.2"],
    "decoders": ["up_layers.1", "up_layers.0", "down_layers.3"],
}
ATTENTION = {
    "encoders": ["model.0", "model.1.submodule.0", "model.1.submodule.1.submodule.0"],
    "decoders": ["model.1.submodule.1", "model.1.submodule.1.submodule.1", "model.1.submodule.1.submodule.1.submodule"],
}
PAPER = DualSettings(**PRESETS["paper"].settings)


def segresnet(dimensions=2, classes=3):
    return SegResNet(spatial_dims=dimensions, init_filters=8, in_channels=1, out_channels=classes)


def attention_unet(dimensions=2, classes=3):
    return AttentionUnet(dimensions, 1, classes, channels=(4, 8, 8, 16), strides=(2, 2, 2))


def distilled(network=None, *, classes=3, **options):
    return DualSelfDistillation(network or segresnet(), num_classes=classes, **{**SEGRESNET, **options})


def batch(dimensions=2, classes=3, size=16):
    generator = torch.Generator().manual_seed(1)
    labels = torch.randint(classes, (2, 1, *[size] * dimensions), generator=generator).float()
    return labels + 0.1 * torch.randn(labels.shape, generator=generator), labels


@pytest.mark.parametrize("dimensions", [2, 3])
@pytest.mark.parametrize(
    ("build", "levels", "channels"),
    [(segresnet, SEGRESNET, [8, 16, 32, 16, 32, 64]), (attention_unet, ATTENTION, [4, 8, 8, 8, 8, 16])],
)
def test_a_dry_run_finds_channels_and_scales(build, levels, channels, dimensions):
    made = DualSelfDistillation(build(dimensions), num_classes=3, **levels)
    found = [*made.shape.encoders, *made.shape.decoders]
    assert [level.channels for level in found] == channels
    assert [level.scale for level in found] == [(s,) * dimensions for s in (1, 2, 4, 2, 4, 8)]


@pytest.mark.parametrize(("build", "levels"), [(segresnet, SEGRESNET), (attention_unet, ATTENTION)])
def test_a_plain_loop_learns_and_every_parameter_takes_part(build, levels):
    torch.manual_seed(0)
    made = DualSelfDistillation(build(), num_classes=3, **levels)
    optimizer = torch.optim.AdamW(made.parameters(), lr=3e-3)
    images, labels = batch()
    losses = []
    for _ in range(40):
        loss, terms = made.loss(made(images), labels)
        optimizer.zero_grad()
        loss.backward()
        assert [name for name, value in made.named_parameters() if value.grad is None] == []
        optimizer.step()
        losses.append(float(terms["output"]))
    assert losses[-1] < 0.6 * losses[0]


def test_the_loss_is_the_papers_formula():
    made = distilled(settings=PAPER)
    images, labels = batch()
    output = made(images)
    loss, terms = made.loss(output, labels)
    encoders = [oracle.as_array(logits) for logits in output.encoders]
    decoders = [oracle.as_array(logits) for logits in output.decoders]
    expected = sum(made.supervised_loss(logits, labels).item() for logits in (output.main, *output.decoders))
    for student, teacher in ((encoders[0], encoders[2]), (encoders[1], encoders[2])):
        expected += oracle.divergence_voxel_by_voxel(student, teacher, 3.0)
    for student, teacher in ((decoders[1], decoders[0]), (decoders[2], decoders[0])):
        expected += oracle.divergence_voxel_by_voxel(student, teacher, 3.0)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert set(terms) == set(made.weights())
    assert made.formula().startswith("1 * output + 1 * decoder_1")


def test_the_default_supervised_loss_is_dice_plus_cross_entropy_with_background():
    logits, labels = torch.randn(2, 3, 4, 4), torch.randint(3, (2, 1, 4, 4)).float()
    probabilities = logits.softmax(1).double().numpy()
    hot = np.eye(3)[labels.long().numpy()[:, 0]].transpose(0, 3, 1, 2)
    dice = 1 - (2 * (probabilities * hot).sum((2, 3)) + 1e-5) / ((probabilities + hot).sum((2, 3)) + 1e-5)
    entropy = -np.log((probabilities * hot).sum(1)).mean()
    assert distilled().supervised_loss(logits, labels).item() == pytest.approx(dice.mean() + entropy, rel=1e-5)


def test_regions_are_supervised_one_by_one():
    made = distilled(regions=True)
    logits, target = torch.randn(2, 3, 4, 4), torch.randint(2, (2, 3, 4, 4)).float()
    p, t = torch.sigmoid(logits).double().numpy(), target.double().numpy()
    dice = 1 - (2 * (p * t).sum((2, 3)) + 1e-5) / ((p + t).sum((2, 3)) + 1e-5)
    entropy = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert made.supervised_loss(logits, target).item() == pytest.approx(dice.mean() + entropy, rel=1e-5)
    loss, _ = made.loss(made(batch()[0]), (batch()[1] > 0).float().expand(-1, 3, -1, -1))
    assert torch.isfinite(loss)


def test_a_mask_takes_voxels_out_of_the_divergences():
    made = distilled(settings=DualSettings(eta=0.0))
    images, labels = batch()
    output = made(images)
    nothing = torch.zeros_like(labels)
    _, terms = made.loss(output, labels, mask=nothing)
    assert {float(value) for name, value in terms.items() if "kl" in name} == {0.0}


def test_in_eval_mode_the_network_is_as_it_was():
    network = segresnet()
    twin = copy.deepcopy(network).eval()
    made = distilled(network).eval()
    images, _ = batch()
    assert torch.equal(made(images), twin(images))
    assert network.state_dict().keys() == twin.state_dict().keys()
    twin.load_state_dict(network.state_dict())


def test_the_dry_run_leaves_modes_and_statistics_alone():
    network = attention_unet()
    network.model[0].eval()
    before = copy.deepcopy(network.state_dict())
    modes = [module.training for module in network.modules()]
    made = DualSelfDistillation(network, num_classes=3, **ATTENTION)
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    made.release()
    assert [module.training for module in network.modules()] == modes


def test_releasing_gives_the_bare_network_back():
    network = segresnet()
    made = distilled(network)
    images, labels = batch()
    made.loss(made(images), labels)[0].backward()
    released = made.release()
    assert released is network
    assert isinstance(network.train()(images), torch.Tensor)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in network.modules())
    assert not network._state_dict_hooks
    assert type(pickle.loads(pickle.dumps(network))) is SegResNet
    with pytest.raises(NetworkStructureError, match="no distillation heads to take off"):
        detach(network)
    assert isinstance(distilled(network)(images), DistillationOutput)


def test_released_hooks_of_others_stay():
    network, seen = segresnet(), []
    network.register_forward_hook(lambda *_: seen.append(1))
    distilled(network).release()
    seen.clear()
    network(batch()[0])
    assert seen == [1]


def test_only_the_heads_that_the_settings_need_are_built():
    made = distilled(settings=DualSettings(alpha=0.0, bottlenecks="separate"))
    keys = [name for name, _ in made.named_parameters() if name.startswith("heads.")]
    assert keys
    assert not any("encoder_" in key for key in keys)


def test_progress_drives_the_ramp():
    made = distilled(settings=DualSettings(distillation_ramp=0.5, alpha=1.0, reduction="sum"))
    made.progress = 0.25
    assert made.weights()["encoder_kl_1"] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoders": ["down_layers.0", "down_layers.9"]}, r"no module named 'down_layers\.9'; the children of 'down_"),
        ({"encoders": ["down_layers.1", "down_layers.0", "down_layers.2"]}, "list the levels from fine to coarse"),
        ({"encoders": ["down_layers.0", "down_layers.1"]}, "got 2 encoders and 3 decoders"),
        ({"encoders": ["down_layers.0"], "decoders": ["up_layers.1"]}, "at least 2 encoder levels"),
        ({"decoders": ["up_layers.1", "up_layers.1", "down_layers.3"]}, "'up_layers.1' is listed twice"),
        ({"encoders": ["down_layers", "down_layers.1", "down_layers.2"]}, "'down_layers' did not run"),
        ({"encoders": "down_layers.0"}, "encoders is the text 'down_layers.0'; a list of module paths"),
        (
            {"decoders": ["up_layers.2", "up_layers.1", "up_layers.0"]},
            r"decoder 'up_layers.2' \(scale \(1, 1\)\) must be coarser than encoder 'down_layers.0'",
        ),
        ({"num_classes": 4}, r"returns \(1, 3, 64, 64\) .* logits \(B, 4, \*S\)"),
        ({"example": torch.zeros(1, 1, 64)}, r"two or three axes, got \(1, 1, 64\)"),
        ({"example": torch.zeros(1, 2, 16, 16)}, r"SegResNet failed on an input of shape \(1, 2, 16, 16\)"),
    ],
)
def test_what_does_not_form_a_u_is_refused(options, message):
    network = segresnet()
    with pytest.raises(NetworkStructureError, match=message):
        DualSelfDistillation(network, **{"num_classes": 3, **SEGRESNET, **options})
    assert isinstance(network(torch.zeros(1, 1, 16, 16)), torch.Tensor)


def test_features_that_are_no_maps_are_named():
    class Pooled(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolution, self.flatten = nn.Conv2d(1, 2, 1), nn.Flatten()

        def forward(self, image):
            self.flatten(self.convolution(image))
            return self.convolution(image)

    with pytest.raises(NetworkStructureError, match=r"'flatten' gives \(1, 8192\), features \(B, C, \*S\) with 2"):
        DualSelfDistillation(Pooled(), encoders=["flatten", "convolution"], decoders=[], num_classes=2)


def test_an_input_that_cannot_be_guessed_is_asked_for():
    with pytest.raises(NetworkStructureError, match="give an example input"):
        DualSelfDistillation(nn.Linear(2, 2), encoders=["a", "b"], decoders=["c", "d"], num_classes=2)


def test_a_loss_of_something_else_is_refused():
    made = distilled().eval()
    images, labels = batch()
    with pytest.raises(ShapeError, match=r"got a Tensor; call \.train\(\) first"):
        made.loss(made(images), labels)


def test_a_network_that_returns_a_list_in_training_mode_is_refused_at_the_first_call():
    class DeeplySupervised(SegResNet):
        def forward(self, image):
            logits = super().forward(image)
            return [logits, logits] if self.training else logits

    made = distilled(DeeplySupervised(spatial_dims=2, init_filters=8, in_channels=1, out_channels=3))
    with pytest.raises(NetworkStructureError, match="in training mode DeeplySupervised returns a list"):
        made(batch()[0])


@pytest.mark.parametrize(
    ("regions", "target", "message"),
    [
        (False, torch.full((2, 1, 16, 16), 3.0), "values from 3 to 3, allowed are 0 to 2"),
        (False, torch.full((2, 1, 16, 16), -1.0), "values from -1 to -1, allowed are 0 to 2"),
        (False, torch.zeros(2, 3, 16, 16), r"shape \(2, 3, 16, 16\), expected \(2, 1, 16, 16\)"),
        (True, torch.zeros(2, 1, 16, 16), r"shape \(2, 1, 16, 16\), expected \(2, 3, 16, 16\)"),
        (True, torch.full((2, 3, 16, 16), 2.0), "values from 2 to 2, allowed are 0 to 1"),
    ],
)
def test_a_wrong_target_is_refused_with_what_is_allowed(regions, target, message):
    made = distilled(regions=regions)
    with pytest.raises(ShapeError, match=message):
        made.loss(made(batch()[0]), target)


def test_a_training_continues_from_its_state_with_heads():
    first, second = distilled(), distilled()
    assert any(key.startswith("heads.") for key in first.state_dict())
    assert not any("distillation_heads" in key for key in first.state_dict())
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    images, labels = batch()
    assert first.loss(first(images), labels)[0] == second.loss(second(images), labels)[0]


def test_heads_take_the_networks_precision():
    made = distilled(segresnet().double())
    output = made(batch()[0].double())
    assert {logits.dtype for logits in (output.main, *output.encoders, *output.decoders)} == {torch.float64}


def test_one_channel_needs_regions():
    with pytest.raises(NetworkStructureError, match="pass regions=True"):
        distilled(segresnet(classes=1), classes=1)
    made = distilled(segresnet(classes=1), classes=1, regions=True)
    _, terms = made.loss(made(batch()[0]), (batch()[1] > 0).float())
    assert terms["encoder_kl_1"] > 0


def test_a_replica_of_data_parallel_is_refused():
    network = segresnet()
    distilled(network)
    replica = network._replicate_for_data_parallel()
    with pytest.raises(NetworkStructureError, match="use DistributedDataParallel"):
        replica(batch()[0])


def test_features_of_a_forward_pass_that_failed_are_dropped_by_the_next():
    network = segresnet()
    made = distilled(network)
    fail = network.conv_final.register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        made(batch()[0])
    assert made.heads._features
    fail.remove()
    made.eval()(batch()[0])
    assert not made.heads._features


def test_all_settings_of_plans_are_refused_with_which_of_them_are_meant():
    with pytest.raises(SettingsError, match=r"got Settings, expected DualSettings, .* as \.dual"):
        distilled(settings=Settings())
