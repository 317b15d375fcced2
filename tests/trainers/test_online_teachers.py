"""Teachers that look at the augmented patches themselves, and show their bottlenecks."""

from pathlib import Path

import numpy as np
import pytest
import torch
from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor
from soft_label_place import SoftLabelPlace, first_batch
from torch.nn import functional
from trainer_workplace import REGIONS_IGNORE, read

from nnunet_dsd.common.errors import SettingsError, TeacherError
from nnunet_dsd.distillation.kd import Shown, feature_term
from nnunet_dsd.trainers.kd_loss import FEATURES, SOFT_LABELS
from nnunet_dsd.trainers.soft_label_data import UNLABELLED, unstack


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    return SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)


@pytest.fixture
def taught(labelled_folder, tmp_path, monkeypatch, nnunet):
    """A place with soft labels of two folds, of labelled cases and of three images without labels."""
    return SoftLabelPlace(labelled_folder(0, 1), tmp_path / "own", monkeypatch)


def look(student, batch):
    """The batch as the student's step sees it: images, and what was said of them."""
    images, soft = unstack(batch["data"], batch["keys"], student.layout)
    return images, soft, student.online.look(images, batch["keys"])


def nnunets_network(model, fold):
    predictor = nnUNetPredictor(device=torch.device("cpu"), allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(model), (fold,), "checkpoint_final.pth")
    return predictor.network.eval()


def test_images_without_labels_are_looked_at_by_all_and_cases_by_those_that_may(taught):
    """Fold 0 holds out ball_0 and fold 1 ball_4; nnU-Net's own predictor builds the networks of the expectation."""
    student = taught.student(teacher_online=True)
    batch = first_batch(student)
    images, soft = unstack(batch["data"], batch["keys"], student.layout)
    names = [f"{UNLABELLED}new_0", "ball_4"]
    with torch.no_grad():
        found = student.online.look(images, names).probabilities
        networks = [nnunets_network(taught.model_folder("nnUNetTrainerStock"), fold) for fold in (0, 1)]
        zero, one = (network(images).softmax(1) for network in networks)
    assert torch.allclose(found[0], (zero[0] + one[0]) / 2, atol=1e-5)
    assert torch.allclose(found[1], one[1], atol=1e-5)
    assert not torch.allclose(zero, one, atol=1e-2)
    assert not student.online.look(images, ["ball_1", "ball_2"]).probabilities.any()
    assert soft.probabilities.shape[1] == 0


def test_a_step_follows_what_the_teachers_say_of_the_augmented_patch(taught):
    student = taught.student(teacher_online=True, unlabelled_fraction=0.5)
    batch = first_batch(student)
    images, soft, looked = look(student, batch)
    assert student.network.training
    logits = student.network(images)[0].detach().double()
    teacher = looked.probabilities.double().clamp_min(1e-7).log()
    p, q = (teacher / 2).log_softmax(1), (logits / 2).log_softmax(1)
    divergence = (p.exp() * (p - q)).sum(1, keepdim=True)
    expected = 4 * (divergence * soft.inside).sum() / soft.inside.sum()
    result = student.train_step(batch)
    assert result["terms"][list(student.loss.last_terms).index(SOFT_LABELS)] == pytest.approx(float(expected), rel=1e-4)
    assert [n.name for n in student.soft_labels.manifest.teachers] == [
        f"nnUNetTrainerStock__nnUNetPlans__3d_fullres, fold {fold}" for fold in (0, 1)
    ]


def test_teachers_neither_learn_nor_change(taught):
    student = taught.student(teacher_online=True, kd_feature_weight=0.05)
    batch = first_batch(student)
    before = [parameter.clone() for network in student.online.networks for parameter in network.parameters()]
    student.train_step(batch)
    after = [parameter for network in student.online.networks for parameter in network.parameters()]
    assert all(torch.equal(old, new) and new.grad is None for old, new in zip(before, after, strict=True))
    assert not any("online" in key for key in student.network.state_dict())


def test_the_feature_term_is_the_attention_distance_over_rows_and_teachers():
    generator = torch.Generator().manual_seed(0)
    student = torch.randn(3, 4, 2, 3, 5, generator=generator)
    first, second = (torch.randn(2, 6, 2, 3, 5, generator=generator) for _ in range(2))

    def attention(features):
        return functional.normalize(features.double().pow(4).mean(1).flatten(1), dim=1)

    def distances(rows, features):
        return (attention(student[rows]) - attention(features)).square().sum(1)

    expected = torch.cat([distances([0, 2], first), distances([1, 2], second)]).mean()
    found = feature_term(student, [Shown((0, 2), first), Shown((1, 2), second)])
    assert found.item() == pytest.approx(expected.item(), rel=1e-5)
    assert feature_term(student, []).item() == 0


def test_features_grow_over_their_ramp_and_reach_the_encoder(taught):
    student = taught.student(teacher_online=True, kd_feature_weight=0.04, kd_feature_ramp=0.5)
    batch = first_batch(student)
    for progress, weight in ((0.1, 0.008), (0.25, 0.02), (0.5, 0.04), (1.0, 0.04)):
        student.loss.begin_epoch(progress)
        assert student.loss.weights[FEATURES] == pytest.approx(weight)
    images, soft, looked = look(student, batch)
    student.loss.teach(soft._replace(probabilities=looked.probabilities, shown=looked.shown))
    student.loss.terms(student.network(images), batch["target"])[FEATURES].backward()
    touched = {name for name, value in student.network.named_parameters() if value.grad is not None}
    assert any(name.startswith("encoder.stages.") for name in touched)
    assert not any("seg_layers" in name for name in touched)


def test_a_training_with_features_goes_on_and_leaves_a_stock_checkpoint(taught, without_progress_figure):
    settings = {"teacher_online": True, "kd_feature_weight": 0.05, "seed": 3, "augmentation": False}
    taught.student(epochs=1, **settings).run_training()
    path = Path(taught.student(**settings).output_folder) / "checkpoint_final.pth"
    again = taught.student(epochs=2, **settings)
    again.load_checkpoint(str(path))
    again.run_training()
    log = again.logger.local_logger.my_fantastic_logging
    assert np.isfinite(log["distillation/features"]).all()
    assert len(log["distillation/features"]) == 2
    own = nnunets_network(path.parent.parent, "all")
    own.load_state_dict(read(path)["network_weights"])


def test_teachers_of_other_weights_are_refused(taught):
    path = taught.model_folder("nnUNetTrainerStock") / "fold_1" / "checkpoint_final.pth"
    checkpoint = read(path)
    bias = checkpoint["network_weights"]["decoder.seg_layers.0.bias"]
    checkpoint["network_weights"]["decoder.seg_layers.0.bias"] = bias + 1
    torch.save(checkpoint, path)
    with pytest.raises(TeacherError, match="fold 1 has other weights now than when it made the soft labels"):
        taught.student(teacher_online=True).initialize()


def test_teachers_that_are_gone_are_named_together(taught):
    for fold in (0, 1):
        (taught.model_folder("nnUNetTrainerStock") / f"fold_{fold}" / "checkpoint_final.pth").unlink()
    with pytest.raises(TeacherError, match=r"(?s)fold 0.*fold 1"):
        taught.student(teacher_online=True).initialize()
    taught.student().initialize()  # what was stored needs them no longer


def test_teachers_of_another_spacing_cannot_look_at_the_patches(place):
    def coarser(plans):
        plans["configurations"]["3d_fullres"]["spacing"] = [2.0, 1.5, 1.5]

    place.label(place.teacher(plans="coarse", change=coarser), unlabelled=place.images())
    with pytest.raises(TeacherError, match=r"spacing of \[2.0, 1.5, 1.5\] mm"):
        place.student(teacher_online=True).initialize()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kd_feature_weight": 0.01}, "soft labels that were stored have no features"),
        ({"teacher_online": True, "unlabelled_target": "hard"}, "no effect on pseudo labels"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(taught, settings, said):
    with pytest.raises(SettingsError, match=said):
        taught.student(**settings)


def test_regions_are_looked_at_by_sigmoids(data_folder, all_label_kinds, nnunet, tmp_path, monkeypatch):
    place = SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch, REGIONS_IGNORE)
    model = place.teacher(fold=0)
    place.label(model, unlabelled=place.images())
    student = place.student(teacher_online=True)
    batch = first_batch(student)
    images, _, looked = look(student, batch)
    row = [name.startswith(UNLABELLED) for name in batch["keys"]].index(True)
    with torch.no_grad():
        expected = nnunets_network(model, 0)(images).sigmoid()
    assert torch.allclose(looked.probabilities[row], expected[row], atol=1e-5)
    assert np.isfinite(student.train_step(batch)["loss"])


def test_flat_patches_are_looked_at_too(place):
    place.label(place.teacher(fold=0, configuration="2d"), configuration="2d", unlabelled=place.images())
    student = place.student(configuration="2d", teacher_online=True, kd_feature_weight=0.05)
    assert np.isfinite(student.train_step(first_batch(student))["loss"])


@pytest.mark.parametrize("network", ["ResNet18UNet", "ResNet18FCN", "DynUNet"])
def test_other_networks_follow_the_bottleneck(labelled_folder, nnunet, tmp_path, monkeypatch, network):
    place = SoftLabelPlace(labelled_folder(0), tmp_path / "own", monkeypatch)
    wide = {"teacher_online": True, "kd_feature_weight": 0.05, "soft_labels": "soft"}
    plans = place.plans(settings={**wide, "feature_size": 4 if network != "DynUNet" else None})
    plans["configurations"]["3d_fullres"]["patch_size"] = [32, 32, 64]
    student = place.trainer(f"nnUNetTrainer{network}_KD", fold="all", plans=plans)
    result = student.train_step(first_batch(student))
    assert np.isfinite(result["loss"])
    assert result["terms"][2] > 0
