"""The network: heads, normalisation, and what timm refuses."""

import pytest
import torch
from triplet_workplace import TINY_SWIN

from nnunet_dsd.common.errors import NetworkStructureError, SetupError
from video_triplet.models.networks import BackboneFeatures, TripletNetwork

SIZES = {"triplet": 7, "instrument": 3, "verb": 4}


def tiny(**changes):
    arguments = {"image_size": 64, "options": TINY_SWIN, **changes}
    return TripletNetwork("swin_tiny_patch4_window7_224", SIZES, **arguments)


def test_each_head_gets_its_own_columns():
    network = tiny().eval()
    with torch.no_grad():
        outputs = network(torch.zeros(2, 3, 64, 64, dtype=torch.uint8))
        plain = network.backbone((0 - network.mean) / network.deviation * torch.ones(2, 3, 64, 64))
    assert {head: tuple(values.shape) for head, values in outputs.items()} == {
        "triplet": (2, 7),
        "instrument": (2, 3),
        "verb": (2, 4),
    }
    torch.testing.assert_close(torch.cat(list(outputs.values()), dim=1), plain)


def test_the_swin_of_the_paper_has_131_or_138_outputs():
    heads = {"triplet": 100, "instrument": 6, "verb": 10, "target": 15}
    for sizes, outputs in ((heads, 131), ({**heads, "phase": 7}, 138)):
        network = TripletNetwork("swin_tiny_patch4_window7_224", sizes, image_size=64, options=TINY_SWIN)
        assert network.backbone.num_classes == outputs == sum(network.head_sizes.values())


def test_images_are_normalised_inside_as_imagenet_s():
    network = tiny()
    seen = []
    network.backbone.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    network(torch.full((1, 3, 64, 64), 255, dtype=torch.uint8))
    expected = [(1 - mean) / std for mean, std in zip((0.485, 0.456, 0.406), (0.229, 0.224, 0.225), strict=True)]
    torch.testing.assert_close(seen[0][0, :, 0, 0], torch.tensor(expected), rtol=1e-5, atol=1e-5)


def test_probabilities_are_sigmoids_not_a_softmax():
    network = tiny().eval()
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        logits, found = network(images), network.probabilities(images)
    torch.testing.assert_close(found["triplet"], 1 / (1 + torch.exp(-logits["triplet"])))


def test_any_timm_model_serves():
    assert TripletNetwork("resnet18", SIZES, image_size=64).backbone.num_classes == 14


@pytest.mark.parametrize(
    ("changes", "error", "said"),
    [
        ({"options": {**TINY_SWIN, "depth": 3}}, NetworkStructureError, "has no options depth"),
        ({"options": {**TINY_SWIN, "embed_dim": -8}}, NetworkStructureError, "refuses the arguments"),
        ({"weights": "missing.pth"}, SetupError, "no file of pre-trained weights 'missing.pth'"),
    ],
)
def test_what_timm_cannot_build_is_refused(changes, error, said):
    with pytest.raises(error, match=said):
        tiny(**changes)


def test_an_unknown_backbone_is_refused_with_near_names():
    with pytest.raises(NetworkStructureError, match=r"no model 'swin_huge'; near: .*swin_base"):
        TripletNetwork("swin_huge", SIZES, image_size=224)


def test_an_image_size_that_the_network_cannot_take_is_refused():
    with pytest.raises(NetworkStructureError, match="20 x 20 pixels"):
        TripletNetwork("vgg11", SIZES, image_size=20)


def test_weights_come_from_a_local_file_whatever_its_number_of_classes(tmp_path):
    import timm

    options = {name: tuple(value) if isinstance(value, list) else value for name, value in TINY_SWIN.items()}
    source = timm.create_model("swin_tiny_patch4_window7_224", img_size=64, num_classes=1000, **options)
    torch.save(source.state_dict(), tmp_path / "weights.pth")
    network = tiny(weights=str(tmp_path / "weights.pth"))
    loaded = network.backbone.state_dict()
    assert torch.equal(loaded["patch_embed.proj.weight"], source.state_dict()["patch_embed.proj.weight"])
    assert loaded["head.fc.weight"].shape[0] == 14


def test_a_file_of_other_weights_is_refused(tmp_path):
    torch.save({"something": torch.zeros(3)}, tmp_path / "weights.pth")
    with pytest.raises(SetupError, match=r"do not fit swin_tiny.*matrices of the backbone"):
        tiny(weights=str(tmp_path / "weights.pth"))


@pytest.mark.parametrize(
    ("name", "options"), [("swin_tiny_patch4_window7_224", TINY_SWIN), ("resnet18", {}), ("vit_tiny_patch16_224", {})]
)
def test_pooled_features_through_the_classifier_are_the_logits_bitwise(name, options):
    network = TripletNetwork(name, SIZES, image_size=64, options=options).eval()
    features = BackboneFeatures(network.backbone)
    features.check(64)
    images = torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8)
    with torch.no_grad():
        found, expected = network.classify(features(network.normalised(images))), network(images)
    assert all(torch.equal(found[head], expected[head]) for head in SIZES)


def test_a_backbone_without_one_pooled_feature_vector_cannot_be_distilled():
    network = TripletNetwork("deit_tiny_distilled_patch16_224", SIZES, image_size=224)
    with pytest.raises(NetworkStructureError, match="no pooled features that one linear layer classifies"):
        BackboneFeatures(network.backbone).check(224)
