"""A student learns from soft labels inside nnU-Net's own loop."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from soft_label_place import SoftLabelPlace, first_batch
from trainer_workplace import CLASSES, DATA_SETS, REGIONS_IGNORE, read, same_weights, stock_network

from nnunet_dsd.common.errors import CheckpointError, TeacherError
from nnunet_dsd.distillation.kd import distillation_term, soft_dice_term
from nnunet_dsd.soft_labels.folder import PLANES, SoftLabelSet
from nnunet_dsd.soft_labels.names import MANIFEST, SETS
from nnunet_dsd.trainers.kd_loss import LABELS, SOFT_DICE, SOFT_LABELS
from nnunet_dsd.trainers.soft_label_data import UNLABELLED, unlabelled_rows, unstack


@pytest.fixture
def place(data_folder, tmp_path, monkeypatch, nnunet):
    return SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch)


@pytest.fixture
def taught(labelled_folder, tmp_path, monkeypatch, nnunet):
    """A place with soft labels of fold 0, of labelled cases and of three images without labels."""
    return SoftLabelPlace(labelled_folder(0), tmp_path / "own", monkeypatch)


@pytest.fixture
def taught_of_cases(labelled_folder, tmp_path, monkeypatch, nnunet):
    """A place with soft labels of fold 0, of labelled cases alone."""
    return SoftLabelPlace(labelled_folder(0, images=False), tmp_path / "own", monkeypatch)


@pytest.fixture
def taught_by_two(labelled_folder, tmp_path, monkeypatch, nnunet):
    """A place with soft labels of two folds, of labelled cases and of three images without labels."""
    return SoftLabelPlace(labelled_folder(0, 1), tmp_path / "own", monkeypatch)


def split_batch(student, batch):
    return unstack(batch["data"], batch["keys"], student.soft_labels.layout)


def test_a_batch_has_images_with_and_without_labels(taught):
    student = taught.student(unlabelled_fraction=0.5)
    student.initialize()
    loader, _ = student.get_dataloaders()
    for _ in range(3):
        images, soft = split_batch(student, next(loader))
        assert images.shape == (2, 1, 8, 16, 16)
        assert sorted(soft.labelled) == [False, True]
        assert soft.probabilities.shape == (2, 3, 8, 16, 16)
        assert soft.inside[soft.labelled.index(False)].mean() > 0.2  # there are none past the border of the image
        sums = soft.probabilities.sum(1, keepdim=True)
        assert torch.allclose(sums, soft.inside, atol=1e-4)


def test_labelled_cases_without_a_teacher_have_no_soft_labels(taught):
    student = taught.student(unlabelled_fraction=0.0)
    student.initialize()
    cases, _ = student.get_tr_and_val_datasets()
    known = {name: cases.load_case(name)[0][:, :2, :2, :2][-1].mean() for name in cases.identifiers}
    assert known == {"ball_0": 1.0, "ball_1": 0.0, "ball_2": 0.0, "ball_3": 0.0, "ball_4": 0.0}


def test_soft_labels_are_cut_with_the_image(taught):
    student = taught.student()
    student.initialize()
    cases, _ = student.get_tr_and_val_datasets()
    for name in ("ball_0", f"{UNLABELLED}new_1"):
        stack, *_ = cases.load_case(name)
        place = (slice(None), slice(3, 9), slice(0, 7), slice(5, 24))
        whole = student.soft_labels.planes(name.removeprefix(UNLABELLED))[:]
        exact = student.soft_labels.layout.decode(torch.from_numpy(whole)).numpy()
        assert stack.shape == (1 + 3 + 1, 16, 24, 24)
        assert np.allclose(stack[place][1:4], exact[place], atol=1e-7)
        assert np.array_equal(stack[place][:1], np.asarray(stack.image[place]))


def test_soft_labels_go_through_space_as_the_image_does(taught):
    """With the image itself as a soft label, nnU-Net's spatial transforms must leave the two equal."""
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

    from nnunet_dsd.soft_labels.codec import Layout
    from nnunet_dsd.trainers.soft_label_data import CarriedSoftLabels

    generator = torch.Generator().manual_seed(0)
    first = torch.rand(1, 12, 20, 20, generator=generator)
    moves = SpatialTransform((8, 12, 12), 0, False, p_rotation=1, rotation=(-1, 1), p_scaling=1, scaling=(0.8, 1.2))
    for layout in (Layout(2), Layout(2, regions=True)):
        carried = CarriedSoftLabels(ComposeTransforms([moves, MirrorTransform((0, 1, 2))]), layout)
        stack = torch.cat([first, first, 1 - first, torch.ones_like(first)])
        torch.manual_seed(1)
        done = carried(image=stack, segmentation=torch.zeros(1, 12, 20, 20, dtype=torch.int16))["image"]
        inside = done[3] > 0
        whole = done[0].abs() > 0
        assert 0.5 < inside.float().mean() < 1.0
        deep = inside & (torch.nn.functional.avg_pool3d(inside[None].float(), 3, 1, 1)[0] == 1)
        assert torch.allclose(done[1][deep], done[0][deep], atol=1e-3)
        assert torch.allclose(done[1][inside] + done[2][inside], torch.ones(()), atol=1e-5)
        assert not done[1][~inside].any()
        assert whole.any()


def test_soft_labels_of_many_classes_are_taken_where_each_voxel_came_from(taught):
    """The image says which voxel along the first axis it is of, and so does the likeliest class of the soft labels."""
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform
    from batchgeneratorsv2.transforms.spatial.spatial import SpatialTransform
    from batchgeneratorsv2.transforms.utils.compose import ComposeTransforms

    from nnunet_dsd.soft_labels.codec import Layout
    from nnunet_dsd.trainers.soft_label_data import CarriedSoftLabels

    layout, size = Layout(40), (24, 24, 24)
    moves = SpatialTransform((16, 16, 16), 0, False, p_rotation=1, rotation=(-1, 1), p_scaling=1, scaling=(0.8, 1.2))
    carried = CarriedSoftLabels(ComposeTransforms([moves, MirrorTransform((0, 1, 2))]), layout)
    depth = torch.arange(24.0).view(1, 24, 1, 1).expand(1, *size)
    one_hot = torch.nn.functional.one_hot(depth[0].long(), 40).permute(3, 0, 1, 2).float()
    planes = layout.encode(one_hot).float()
    inside = torch.ones_like(depth).clone()
    inside[:, :, :3] = 0
    stack = torch.cat([depth, planes * inside, inside])
    for seed in range(3):
        np.random.seed(seed)
        torch.manual_seed(seed)
        done = carried(image=stack.clone(), segmentation=torch.zeros(1, *size, dtype=torch.int16))["image"]
        known = done[-1] > 0
        decoded = layout.decode(done[1:-1].to(layout.dtype))
        near = (decoded.argmax(0) - done[0]).abs()
        deep = known & (torch.nn.functional.avg_pool3d(known[None].float(), 3, 1, 1)[0] > 0.999)
        assert deep.float().mean() > 0.2
        assert near[deep].max() <= 0.5 + 1e-3
        assert not decoded[:, ~known].any()


def test_intensity_augmentation_leaves_soft_labels_alone(taught):
    student = taught.student(unlabelled_fraction=0.0)
    student.initialize()
    cases, _ = student.get_tr_and_val_datasets()
    _, _, patch, mirror = student.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    from nnunet_dsd.trainers.soft_label_data import CarriedSoftLabels

    transforms = student.get_training_transforms((8, 16, 16), (-0.1, 0.1), None, mirror, False)
    carried = CarriedSoftLabels(transforms, student.soft_labels.layout)
    stack = torch.from_numpy(cases.load_case("ball_0")[0][:, :10, :18, :18])
    assert patch is not None
    for seed in range(5):
        np.random.seed(seed)
        torch.manual_seed(seed)
        soft = carried(image=stack.clone(), segmentation=torch.zeros(1, 10, 18, 18, dtype=torch.int16))["image"][1:4]
        assert soft.min() >= 0
        assert soft.max() <= 1 + 1e-5


def test_the_loss_is_nnunets_on_labelled_rows_plus_the_divergence(taught):
    student = taught.student(unlabelled_fraction=0.5, kd_weight=0.7, temperature=2.0)
    batch = first_batch(student)
    images, soft = split_batch(student, batch)
    output = student.network(images)
    student.loss.teach(soft)
    found = student.loss(output, batch["target"])
    row = soft.labelled.index(True)
    own = student.loss.supervised([o[row : row + 1] for o in output], [t[row : row + 1] for t in batch["target"]])
    term = distillation_term([output[0]], soft.probabilities, soft.inside, weights=[1.0], temperature=2.0)
    assert found.item() == pytest.approx(own.item() + 0.7 * term.item(), rel=1e-5)
    assert student.loss.last_terms[LABELS].item() == pytest.approx(own.item())
    assert student.loss.last_terms[SOFT_LABELS].item() == pytest.approx(term.item())


def test_at_the_levels_of_deep_supervision_the_weights_are_nnunets(taught):
    student = taught.student(kd_levels=True)
    batch = first_batch(student)
    images, soft = split_batch(student, batch)
    output = student.network(images)
    student.loss.teach(soft)
    student.loss(output, batch["target"])
    weights = [float(weight) for weight in student.loss.supervised.weight_factors]
    expected = distillation_term(output, soft.probabilities, soft.inside, weights=weights, temperature=2.0)
    assert len(output) == len(weights) > 2
    assert student.loss.last_terms[SOFT_LABELS].item() == pytest.approx(expected.item(), rel=1e-6)


def test_the_dice_with_the_teachers_is_one_more_term(taught):
    student = taught.student(kd_dice_weight=0.3, kd_weight=0.5)
    batch = first_batch(student)
    images, soft = split_batch(student, batch)
    output = student.network(images)
    student.loss.teach(soft)
    found, terms = student.loss(output, batch["target"]), student.loss.last_terms
    dice = soft_dice_term([output[0]], soft.probabilities, soft.inside, weights=[1.0])
    assert terms[SOFT_DICE].item() == pytest.approx(dice.item(), rel=1e-5)
    assert found.item() == pytest.approx((terms[LABELS] + 0.5 * terms[SOFT_LABELS] + 0.3 * dice).item(), rel=1e-5)


def test_with_weight_zero_and_no_further_images_it_is_nnunets_loss(taught):
    student = taught.student(kd_weight=0.0, unlabelled_fraction=0.0)
    batch = first_batch(student)
    stock = taught.trainer("nnUNetTrainerStock", fold="all")
    stock.initialize()
    images, soft = split_batch(student, batch)
    output = student.network(images)
    student.loss.teach(soft)
    assert student.loss(output, batch["target"]).item() == pytest.approx(stock.loss(output, batch["target"]).item())


def test_validation_is_nnunets_own(taught):
    student = taught.student()
    student.initialize()
    _, validation = student.get_dataloaders()
    batch = next(validation)
    assert batch["data"].shape[1] == 1
    output = student.network(batch["data"])
    assert student.loss(output, batch["target"]) == student.loss.supervised(output, batch["target"])


def test_pseudo_labels_are_learned_as_labels(taught):
    student = taught.student(unlabelled_target="hard", unlabelled_fraction=0.5)
    batch = first_batch(student)
    images, soft = split_batch(student, batch)
    output = student.network(images)
    student.loss.teach(soft)
    found = student.loss(output, batch["target"])
    assert found.item() == pytest.approx(student.loss.supervised(output, batch["target"]).item(), rel=1e-6)


def test_a_whole_training_is_continued_as_it_was(taught, without_progress_figure):
    whole = taught.student(epochs=2)
    whole.run_training()
    folder = Path(whole.output_folder)
    assert len(whole.logger.local_logger.my_fantastic_logging["distillation/soft_labels"]) == 2
    stock_network(whole).load_state_dict(read(folder / "checkpoint_final.pth")["network_weights"])
    again = taught.student(epochs=3)
    again.load_checkpoint(str(folder / "checkpoint_final.pth"))
    assert again.current_epoch == 2
    again.run_training()
    assert len(again.logger.local_logger.my_fantastic_logging["distillation/soft_labels"]) == 3


def test_other_soft_labels_are_refused_when_a_training_goes_on(taught):
    student = taught.student()
    student.initialize()
    path = Path(student.output_folder) / "checkpoint_latest.pth"
    student.save_checkpoint(str(path))
    manifest = student.soft_labels.folder / MANIFEST
    manifest.write_text(manifest.read_text().replace('"weights": "', '"weights": "0'))
    with pytest.raises(CheckpointError, match="taught by other soft labels than 'soft' are now"):
        taught.student().load_checkpoint(str(path))


def test_starting_from_a_finished_training_takes_all_its_weights(taught):
    start_from = "nnUNetTrainerStock__nnUNetPlans__3d_fullres/fold_0/checkpoint_final.pth"
    student = taught.student(start_from=start_from)
    student.on_train_start()
    weights = read(taught.results / CLASSES / start_from)["network_weights"]
    assert same_weights(weights, student.network.state_dict())


def test_a_continued_training_does_not_start_again(taught):
    start_from = "nnUNetTrainerStock__nnUNetPlans__3d_fullres/fold_0/checkpoint_final.pth"
    student = taught.student(start_from=start_from)
    student.initialize()
    path = Path(student.output_folder) / "checkpoint_latest.pth"
    student.save_checkpoint(str(path))
    weights = {key: value.clone() for key, value in student.network.state_dict().items()}
    student = taught.student(start_from=start_from)
    student.load_checkpoint(str(path))
    student.on_train_start()
    assert same_weights(weights, student.network.state_dict())


@pytest.mark.parametrize(
    ("start_from", "said"),
    [("nowhere.pth", "there is neither nowhere.pth nor"), ("wide", "belongs to another architecture")],
)
def test_a_start_that_is_missing_or_of_another_architecture_is_refused(taught, start_from, said):
    def widen(plans):
        kwargs = plans["configurations"]["3d_fullres"]["architecture"]["arch_kwargs"]
        kwargs["features_per_stage"] = [2 * width for width in kwargs["features_per_stage"]]

    if start_from == "wide":
        start_from = str(taught.teacher(plans="wide", change=widen) / "fold_0" / "checkpoint_final.pth")
    with pytest.raises(CheckpointError, match=said):
        taught.student(start_from=start_from).on_train_start()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"soft_labels": None}, "a student needs soft labels.*are: soft"),
        ({"soft_labels": "other"}, None),
        ({"max_disagreement": 1e-9, "unlabelled_fraction": None}, None),
        ({"unlabelled_fraction": 0.5}, None),
    ],
)
def test_what_cannot_be_taught_is_refused_before_training(taught_of_cases, change, said):
    expected = {
        "other": "there are no soft labels in .*other",
        0.5: "unlabelled_fraction is 0.5, but they are of labelled cases alone",
    }
    said = said or expected.get(change.get("soft_labels")) or expected.get(change.get("unlabelled_fraction"))
    student = taught_of_cases.student(**change)
    if said is None:  # labelled cases are never left out
        student.initialize()
        return
    with pytest.raises((TeacherError, Exception), match=said):
        student.initialize()


def test_a_limit_that_leaves_no_image_is_refused(taught_by_two):
    with pytest.raises(TeacherError, match=r"1e-09 leaves none of 3 images; the least is [\d.e-]+ nats"):
        taught_by_two.student(max_disagreement=1e-9).initialize()


def test_images_that_teachers_disagree_on_are_left_out(taught_by_two):
    found = SoftLabelSet.open(taught_by_two.preprocessed / SETS / "soft")
    values = sorted(found.record(name).disagreement for name in found.manifest.unlabelled)
    student = taught_by_two.student(max_disagreement=(values[0] + values[1]) / 2)
    student.initialize()
    assert len(student.images_without_labels) == 1
    cases, _ = student.get_tr_and_val_datasets()
    assert len(cases.without_labels) == 1


def test_soft_labels_that_are_not_finished_are_refused(taught):
    student = taught.student()
    folder = taught.preprocessed / "soft_labels" / "soft" / "cases"
    (folder / "new_0.json").unlink()
    with pytest.raises(TeacherError, match=r"1 case is not labelled yet \(new_0\).*goes on where it was stopped"):
        student.initialize()


def test_soft_labels_with_lost_files_are_refused(taught):
    (taught.preprocessed / "soft_labels" / "soft" / "cases" / f"new_0{PLANES}").unlink()
    with pytest.raises(TeacherError, match=r"files of theirs are gone \(new_0.b2nd\)"):
        taught.student().initialize()


def test_soft_labels_of_cases_that_are_gone_are_refused(taught):
    for path in (taught.preprocessed / "nnUNetPlans_3d_fullres").glob("ball_0*"):
        path.unlink()
    with pytest.raises(TeacherError, match=r"no longer among the preprocessed ones \(ball_0\)"):
        taught.student().initialize()


def test_soft_labels_of_other_plans_are_refused(taught):
    plans = taught.plans(settings={"soft_labels": "soft"})
    plans["configurations"]["3d_fullres"]["spacing"] = [1.0, 1.0, 1.0]
    with pytest.raises(TeacherError, match=r"spacing \[2.0, 1.0, 1.0\], the student's with \[1.0, 1.0, 1.0\]"):
        taught.trainer("nnUNetTrainerKD", fold="all", plans=plans).initialize()


def test_teachers_that_know_the_validation_cases_are_refused_unless_asked_for(taught):
    """Fold 0 was trained on ball_4, which fold 1 holds out; a student of fold 1 would hear of its labels."""
    with pytest.raises(TeacherError, match=r"fold 0 was trained on 1 of the 1 validation cases.*\(ball_4\)"):
        taught.student(fold=1).initialize()
    taught.student(fold=1, kd_known_cases=True).initialize()
    taught.student(fold=0).initialize()


def test_a_second_stage_is_refused(taught_of_cases):
    plans = taught_of_cases.plans(settings={"soft_labels": "soft"})
    plans["configurations"]["3d_cascade_fullres"] = {"inherits_from": "3d_fullres", "previous_stage": "3d_lowres"}
    plans["configurations"]["3d_lowres"] = {**plans["configurations"]["3d_fullres"]}
    with pytest.raises(Exception, match="second stage of a cascade"):
        taught_of_cases.trainer("nnUNetTrainerKD", fold=0, plans=plans, configuration="3d_cascade_fullres").initialize()


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("batch", [2, 3, 8])
def test_rows_without_labels_are_the_nearest_number_and_leave_one_labelled(fraction, batch):
    rows = unlabelled_rows(fraction, batch)
    assert rows == (0 if fraction == 0 else min(range(1, batch), key=lambda n: (abs(n - fraction * batch), -n)))


def test_batches_of_one_leave_no_room(taught):
    plans = taught.plans(settings={"soft_labels": "soft"})
    plans["configurations"]["3d_fullres"]["batch_size"] = 1
    with pytest.raises(TeacherError, match="batches of 1 leave no room for images without labels"):
        taught.trainer("nnUNetTrainerKD", fold="all", plans=plans).initialize()


def test_stock_nnunet_sees_nothing_of_soft_labels(taught):
    stock = taught.trainer("nnUNetTrainer", fold="all")
    training, validation = stock.do_split()
    assert sorted(training) == sorted(validation) == [f"ball_{index}" for index in range(5)]
    training, validation = taught.trainer("nnUNetTrainer", fold=0).do_split()
    assert sorted([*training, *validation]) == [f"ball_{index}" for index in range(5)]
    fingerprint = json.loads((taught.preprocessed / "dataset_fingerprint.json").read_text())
    assert len(fingerprint["shapes_after_crop"]) == 5


@pytest.mark.parametrize("dataset", [name for name in DATA_SETS if name != CLASSES])
def test_regions_and_ignored_voxels(data_folder, all_label_kinds, nnunet, tmp_path, monkeypatch, dataset):
    place = SoftLabelPlace(data_folder, tmp_path / "own", monkeypatch, dataset)
    place.label(place.teacher(fold=0), unlabelled=place.images())
    student = place.student(unlabelled_fraction=0.5)
    batch = first_batch(student)
    _, soft = split_batch(student, batch)
    if dataset == REGIONS_IGNORE:
        assert soft.probabilities.shape[1] == 2
    result = student.train_step(batch)
    assert np.isfinite(result["loss"])
    assert result["terms"][1] > 0


@pytest.mark.parametrize("network", ["ResNet18UNet", "ResNet18FCN", "DynUNet"])
def test_other_networks_are_taught_alike(taught, network):
    plans = taught.plans(settings={"soft_labels": "soft", "feature_size": 4 if network != "DynUNet" else None})
    plans["configurations"]["3d_fullres"]["patch_size"] = [32, 32, 64]
    student = taught.trainer(f"nnUNetTrainer{network}_KD", fold="all", plans=plans)
    batch = first_batch(student)
    assert np.isfinite(student.train_step(batch)["loss"])


def test_flat_patches_are_taught_too(place):
    teacher = place.teacher(fold=0, configuration="2d")
    place.label(teacher, configuration="2d", unlabelled=place.images())
    student = place.student(configuration="2d")
    batch = first_batch(student)
    images, soft = split_batch(student, batch)
    assert images.shape[2:] == soft.probabilities.shape[2:] == (24, 24)
    assert np.isfinite(student.train_step(batch)["loss"])


@pytest.mark.parametrize("classes", [3, 40])
def test_a_batch_is_taken_apart_as_it_was_stored(classes):
    from nnunet_dsd.soft_labels.codec import Layout

    layout, generator = Layout(classes), torch.Generator().manual_seed(0)
    exact = torch.softmax(4 * torch.randn(2, classes, 3, 4, 5, generator=generator), dim=1)
    stored = torch.stack([layout.encode(row) for row in exact])
    images, inside = torch.rand(2, 2, 3, 4, 5), torch.ones(2, 1, 3, 4, 5)
    handed = torch.stack([layout.decode(row) for row in stored]) if layout.is_dense else stored.float()
    found, soft = unstack(torch.cat([images, handed, inside], dim=1), [f"{UNLABELLED}a", "b"], layout)
    assert torch.equal(found, images)
    assert torch.equal(soft.inside, inside)
    assert soft.labelled == (False, True)
    assert torch.allclose(soft.probabilities, torch.stack([layout.decode(row) for row in stored]))
