"""The trainers for MONAI's networks: each takes a step, continues as if never stopped, and is rebuilt for inference."""

import math

import pytest
import torch
from torch.nn import functional
from trainer_workplace import (
    FROM_SOFT_LABELS,
    ON_MONAI_NETWORKS,
    TAUGHT,
    made_up_batch,
    read,
    same_weights,
    shrink_transformers,
    trainer_class,
)

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError
from nnunet_dsd.networks.backbones import BACKBONES, NetworkRequest, build_backbone
from nnunet_dsd.networks.taps import HEADS_NAME
from nnunet_dsd.trainers import backbones, variants

# Patches that every one but DynUNet has to pad, and what it computes on.
PATCHES = {
    **dict.fromkeys(("UNETR", "VNet", "UNetPlusPlus"), (12, 24, 16)),
    **dict.fromkeys(("SwinUNETR", "ResNet18UNet", "ResNet18FCN"), (20, 40, 32)),
    "DynUNet": (8, 16, 16),
}
SIZES = {
    **dict.fromkeys(("UNETR", "VNet", "UNetPlusPlus"), (16, 32, 16)),
    **dict.fromkeys(("SwinUNETR", "ResNet18UNet", "ResNet18FCN"), (32, 64, 32)),
    "DynUNet": (8, 16, 16),
}
U_SHAPED = [name for name, backbone in BACKBONES.items() if backbone.u_shaped]
FEATURE_SIZES = {"UNETR": 4, "UNetPlusPlus": 4, "ResNet18UNet": 8, "ResNet18FCN": 4}  # narrow, so that tests are quick
DUAL = [f"nnUNetTrainer{name}_DSD" for name in U_SHAPED]
# What MISSU saves, loads and leaves to inference is the same code on every network: one without padding, one with.
DISTILLED = [*DUAL, "nnUNetTrainerDynUNet_MISSU", "nnUNetTrainerUNETR_MISSU"]


def backbone_of(name):
    return name.removeprefix("nnUNetTrainer").partition("_")[0]


# Every variant on the cheapest network, three on the others; the classes are made by one rule.
STEPPING = [
    *(name for name in ON_MONAI_NETWORKS if backbone_of(name) == "DynUNet" and name not in TAUGHT + FROM_SOFT_LABELS),
    *(
        f"nnUNetTrainer{name}{kind}"
        for name in ("UNETR", "SwinUNETR", "VNet", "UNetPlusPlus", "ResNet18UNet")
        for kind in ("", "_DSD", "_MISSU")
    ),
    "nnUNetTrainerResNet18FCN",
]

every_trainer = pytest.mark.parametrize("name", ON_MONAI_NETWORKS)
every_backbone = pytest.mark.parametrize("backbone", U_SHAPED)


@pytest.fixture(autouse=True, scope="module")
def small_transformers():
    with pytest.MonkeyPatch.context() as patch:
        shrink_transformers(patch)
        yield


def plans_for(nnunet, name, *, patch=None, configuration="3d_fullres", **settings):
    narrow = {"feature_size": FEATURE_SIZES.get(backbone_of(name))}
    plans = nnunet.plans(settings={"optimiser": "sgd", **narrow, **settings})
    changed = {"patch_size": list(patch or PATCHES[backbone_of(name)]), "batch_size": 1}
    plans["configurations"][configuration] |= changed
    return plans


def make(nnunet, name, **options):
    return nnunet.initialized(name, plans=plans_for(nnunet, name, **options))


def rebuilt(trainer):
    """The network as nnU-Net's inference builds it: by the class, from the plans."""
    return type(trainer).build_network_architecture(
        trainer.plans_manager,
        trainer.configuration_manager,
        trainer.num_input_channels,
        trainer.label_manager.num_segmentation_heads,
        enable_deep_supervision=False,
    )


def test_the_table_of_classes_is_the_catalogue():
    assert set(backbones.TRAINERS) == set(ON_MONAI_NETWORKS)
    assert len(ON_MONAI_NETWORKS) == 6 * 11 + 3


@every_trainer
def test_a_class_is_importable_under_its_name_and_keeps_what_makes_its_variant(name):
    trainer = trainer_class(name)
    assert getattr(backbones, name) is trainer
    assert (trainer.__module__, trainer.__name__) == (backbones.__name__, name)
    variant = backbones.VARIANTS[name.removeprefix(f"nnUNetTrainer{backbone_of(name)}")]
    assert issubclass(trainer, variant)
    assert trainer.fixed == variant.fixed
    assert variant.defaults.items() <= trainer.defaults.items()


def first_step(trainer):
    torch.manual_seed(3)  # VNet has dropout
    return trainer.train_step(made_up_batch(trainer))


class Trained:
    """A trainer after its first step, and what was seen of that step; tests only look at it."""

    def __init__(self, name, trainer):
        self.name, self.trainer = name, trainer
        self.before = {k: value.clone() for k, value in trainer.network.named_parameters() if value.requires_grad}
        self.first_loss = float(first_step(trainer)["loss"])
        parameters = dict(trainer.network.named_parameters())
        self.without_gradient = [key for key in self.before if parameters[key].grad is None]
        self.unmoved = [key for key, value in self.before.items() if torch.equal(parameters[key], value)]
        self.checkpoint = f"{trainer.output_folder}/checkpoint_latest.pth"
        trainer.save_checkpoint(self.checkpoint)


@pytest.fixture(scope="module")
def trained(workplace, request):
    """One network trained for a step, for all tests of it, which run one after the other."""
    return Trained(request.param, make(workplace, request.param))


def each_trained(names):
    return pytest.mark.parametrize("trained", names, indirect=True)


@each_trained(STEPPING)
def test_a_step_moves_every_trainable_parameter_and_the_checkpoint_has_monais_keys(trained):
    assert math.isfinite(trained.first_loss)
    assert trained.without_gradient == []
    convolutions = {key for key, value in trained.before.items() if key.endswith("weight") and value.ndim == 5}
    assert convolutions
    assert convolutions.isdisjoint(trained.unmoved)
    checkpoint = read(trained.checkpoint)
    assert checkpoint["trainer_name"] == trained.name
    assert checkpoint["network_weights"].keys() == rebuilt(trained.trainer).state_dict().keys()
    assert not any(HEADS_NAME in key for key in checkpoint["network_weights"])


@each_trained(DISTILLED)
def test_the_network_that_inference_builds_gives_bitwise_the_same_output(trained):
    image = made_up_batch(trained.trainer)["data"]
    network = rebuilt(trained.trainer)
    network.load_state_dict(trained.trainer.network.state_dict())
    with torch.no_grad():
        assert torch.equal(trained.trainer.network.eval()(image), network.eval()(image))


@each_trained(DUAL)
def test_the_output_is_that_of_monais_network_on_the_padded_patch(trained):
    backbone, trainer = backbone_of(trained.name), trained.trainer
    image = made_up_batch(trainer)["data"]
    margins = []
    for patch, size in zip(reversed(PATCHES[backbone]), reversed(SIZES[backbone]), strict=True):
        margins += [(size - patch) // 2, size - patch - (size - patch) // 2]
    planned = trainer.configuration_manager.network_arch_init_kwargs
    request = NetworkRequest(
        in_channels=1,
        out_channels=3,
        patch_size=SIZES[backbone],
        planned=planned,
        feature_size=FEATURE_SIZES.get(backbone),
    )
    whole = build_backbone(BACKBONES[backbone], request)
    whole.load_state_dict(trainer.network.state_dict())
    with torch.no_grad():
        expected = whole.eval()(functional.pad(image, margins))
        window = tuple(slice(start, start + size) for start, size in zip(margins[-2::-2], image.shape[2:], strict=True))
        assert torch.equal(trainer.network.eval()(image), expected[(..., *window)])


@each_trained(DISTILLED)
def test_the_step_after_loading_is_bitwise_the_one_without_interruption(workplace, trained):
    continued = workplace.trainer(trained.name, plans=plans_for(workplace, trained.name))
    continued.load_checkpoint(trained.checkpoint)  # the optimiser has momentum by then
    trained.trainer.current_epoch = 1
    losses = []
    for one in (trained.trainer, continued):
        torch.manual_seed(3)  # VNet has dropout
        one.on_train_epoch_start()
        losses.append(float(one.train_step(made_up_batch(one, 10))["loss"]))
    assert losses[0] == losses[1]
    assert same_weights(trained.trainer.heads().state_dict(), continued.heads().state_dict())
    assert same_weights(trained.trainer.network.state_dict(), continued.network.state_dict())


@each_trained([f"nnUNetTrainer{name}" for name in U_SHAPED])
def test_with_every_distillation_weight_at_zero_the_loss_is_the_plain_networks(workplace, trained):
    off = {"alpha": 0.0, "beta": 0.0, "eta": 0.0}
    distilled = make(workplace, f"{trained.name}_DSD", **off)
    assert float(first_step(distilled)["loss"]) == trained.first_loss


@every_backbone
def test_two_dimensional_plans_train(nnunet, backbone):
    name = f"nnUNetTrainer{backbone}_DSD"
    plans = plans_for(nnunet, name, patch=(24, 40), configuration="2d")
    trainer = nnunet.initialized(name, configuration="2d", plans=plans)
    assert torch.isfinite(torch.as_tensor(trainer.train_step(made_up_batch(trainer))["loss"]))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nnUNetTrainerUNETR", ("adamw", 1e-4, "constant")),
        ("nnUNetTrainerSwinUNETR_DSDFeatureL2", ("adamw", 1e-4, "constant")),
        ("nnUNetTrainerVNet_DSD", ("sgd", 1e-2, "poly")),
        ("nnUNetTrainerDynUNet", ("sgd", 1e-2, "poly")),
    ],
)
def test_transformers_train_as_in_the_paper_and_convolutions_as_in_nnunet(nnunet, name, expected):
    plans = plans_for(nnunet, name)
    block = plans["configurations"]["3d_fullres"]["self_distillation"]
    for key in ("optimiser", "learning_rate", "weight_decay", "schedule"):
        del block[key]
    settings = nnunet.trainer(name, plans=plans).settings.training
    assert (settings.optimiser, settings.initial_learning_rate, settings.schedule) == expected


def test_padding_and_its_cost_are_in_the_log(nnunet):
    trainer = make(nnunet, "nnUNetTrainerUNETR")
    with open(trainer.log_file) as log:
        text = log.read()
    assert "UNETR cannot take patches of (12, 24, 16): they are padded with zeros to (16, 32, 16)" in text
    assert "1.78 times the voxels" in text
    plain = make(nnunet, "nnUNetTrainerUNETR", patch=(16, 32, 16))
    with open(plain.log_file) as log:
        assert "padded" not in log.read()[len(text) :]


def test_a_patch_too_small_is_refused_before_training(nnunet):
    trainer = nnunet.trainer("nnUNetTrainerVNet_DSD", plans=plans_for(nnunet, "nnUNetTrainerVNet", patch=(8, 16, 16)))
    with pytest.raises(NetworkStructureError, match=r"patch size \(8, 16, 16\) leaves a single voxel.*\(16, 16, 32\)"):
        trainer.initialize()


def test_a_feature_size_reaches_the_network_and_survives_into_inference(nnunet):
    trainer = make(nnunet, "nnUNetTrainerUNETR_DSD", feature_size=8)
    assert trainer.network.encoder1.layer.conv1.conv.out_channels == 8
    assert rebuilt(trainer).encoder1.layer.conv1.conv.out_channels == 8


def test_a_feature_size_is_refused_where_it_would_do_nothing(nnunet):
    with pytest.raises(SettingsError, match="feature_size: applies to UNETR"):
        nnunet.trainer("nnUNetTrainerDSD", settings={"feature_size": 16})


def test_missu_detaches_its_teachers_unless_the_plans_say_otherwise(nnunet):
    plans = nnunet.plans()
    del plans["configurations"]["3d_fullres"]["self_distillation"]["detach_teacher"]
    assert nnunet.trainer("nnUNetTrainerMISSU", plans=plans).settings.dual.detach_teacher
    assert not nnunet.trainer("nnUNetTrainerMISSU", settings={"detach_teacher": False}).settings.dual.detach_teacher


def test_a_stock_only_copy_of_another_architecture_is_refused(nnunet, tmp_path):
    from nnunet_dsd.common.errors import CheckpointError
    from nnunet_dsd.trainers.export import export_checkpoint

    trainer = make(nnunet, "nnUNetTrainerDynUNet_DSD")
    path = f"{trainer.output_folder}/checkpoint_final.pth"
    trainer.save_checkpoint(path)
    with pytest.raises(CheckpointError, match="only nnUNetTrainerDynUNet_DSD can build"):
        export_checkpoint(
            path, tmp_path / "copy.pth", plans=plans_for(nnunet, "DynUNet"), dataset_json=nnunet.dataset_json()
        )


def test_the_plain_variant_is_the_baseline_without_deep_supervision():
    assert backbones.VARIANTS[""] is variants.nnUNetTrainerBasic
