"""Training, validation and prediction mirror along the axes that the settings allow, and along no other."""

import numpy as np
import pytest
import torch
from trainer_workplace import PLAIN, read, write_model

from nnunet_dsd.common.errors import CheckpointError, SettingsError
from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.trainers.export import export_model

FINAL = "checkpoint_final.pth"
PSEUDO_2D = [8, 32, 32]  # flat enough for nnU-Net's augmentation in slices
NAMES = ["nnUNetTrainerDSD", "nnUNetTrainerStock", "nnUNetTrainerBasic", "nnUNetTrainerMISSU", "nnUNetTrainerDynUNet"]


def planned(nnunet, *, patch_size=None, configuration="3d_fullres", **settings):
    plans = nnunet.plans(settings=settings)
    if patch_size:
        plans["configurations"][configuration]["patch_size"] = patch_size
    return plans


def mirrored_axes(trainer):
    """The axes of the mirroring among a trainer's transforms; None where there is no mirroring."""
    from batchgeneratorsv2.transforms.spatial.mirroring import MirrorTransform

    rotation, dummy_2d, _, mirror_axes = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    patch = trainer.configuration_manager.patch_size
    scales = trainer._get_deep_supervision_scales()
    transforms = trainer.get_training_transforms(patch, rotation, scales, mirror_axes, dummy_2d)
    found = [one for one in transforms.transforms if isinstance(one, MirrorTransform)]
    return found[0].allowed_axes if found else None


def predictor_of(folder):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    predictor = nnUNetPredictor(device=torch.device("cpu"), perform_everything_on_device=False, allow_tqdm=False)
    predictor.initialize_from_trained_model_folder(str(folder), (0,), FINAL)
    return predictor


def flips_of(predictor, shape):
    """Which axes the predictor flips, from what a network that notes its inputs is given."""
    seen = []

    def network(patch):
        seen.append(patch.clone())
        return patch.clone()

    image = torch.arange(float(np.prod(shape))).reshape(1, 1, *shape)
    predictor.network = network
    assert torch.equal(predictor._internal_maybe_mirror_and_predict(image), image)  # flipped back
    subsets = [[axis for axis in range(len(shape)) if mask >> axis & 1] for mask in range(2 ** len(shape))]
    return [next(s for s in subsets if torch.equal(torch.flip(image, [2 + a for a in s]), one)) for one in seen]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("configuration", "patch_size", "asked", "used"),
    [
        ("3d_fullres", None, None, (0, 1, 2)),
        ("3d_fullres", None, [0, 1], (0, 1)),
        ("3d_fullres", None, [2], (2,)),
        ("3d_fullres", None, [], None),
        ("3d_fullres", PSEUDO_2D, [1], (1,)),
        ("3d_fullres", PSEUDO_2D, [], None),
        ("2d", None, None, (0, 1)),
        ("2d", None, [1], (1,)),
        ("2d", None, [], None),
    ],
)
def test_training_mirrors_along_the_axes_asked_for_only(nnunet, name, configuration, patch_size, asked, used):
    plans = planned(nnunet, patch_size=patch_size, configuration=configuration, mirror_axes=asked)
    trainer = nnunet.trainer(name, plans=plans, configuration=configuration)
    trainer.initialize()
    _, dummy_2d, _, _ = trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    assert dummy_2d == (patch_size == PSEUDO_2D)
    assert mirrored_axes(trainer) == used
    assert trainer.inference_allowed_mirroring_axes == used


@pytest.mark.parametrize(
    ("asked", "flips"),
    [([], [[]]), ([2], [[], [2]]), ([1, 0], [[], [0], [0, 1], [1]]), (None, None)],
)
def test_prediction_by_stock_nnunet_follows_from_the_model_and_from_its_copy(nnunet, tmp_path, asked, flips):
    trainer = nnunet.trainer(settings={"mirror_axes": asked})
    trainer.initialize()
    trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    model = write_model(trainer)
    export_model(model, tmp_path / "copy", checkpoint=FINAL)
    for folder in (model, tmp_path / "copy"):
        found = flips_of(predictor_of(folder), (2, 3, 4))
        assert len(found) == 8 if flips is None else sorted(found) == flips


def test_a_student_follows_too(nnunet):
    teacher = nnunet.trainer("nnUNetTrainerStock", plans=nnunet.plans(name="teacher"))
    teacher.initialize()
    write_model(teacher)
    settings = {"feedback_teacher": "nnUNetTrainerStock__teacher__3d_fullres", "mirror_axes": [1]}
    student = nnunet.initialized("nnUNetTrainerHLFD", settings=settings)
    assert mirrored_axes(student) == (1,)


def test_a_whole_training_writes_its_axes_and_validates_with_them(nnunet, without_progress_figure, monkeypatch):
    from nnunetv2.inference.predict_from_raw_data import nnUNetPredictor

    asked = []
    manual = nnUNetPredictor.manual_initialization

    def noted(self, *arguments):
        asked.append(arguments[-1])
        return manual(self, *arguments)

    monkeypatch.setattr(nnUNetPredictor, "manual_initialization", noted)
    trainer = nnunet.trainer(settings={"epochs": 1, "mirror_axes": []})
    trainer.run_training()
    trainer.perform_actual_validation(save_probabilities=False)
    assert read(f"{trainer.output_folder}/{FINAL}")["inference_allowed_mirroring_axes"] is None
    assert asked == [None]


@pytest.mark.parametrize(("before", "now"), [(None, []), ([], None), ([0], [1])])
def test_a_training_is_not_continued_with_other_axes(nnunet, before, now):
    trainer = nnunet.initialized(settings={"mirror_axes": before, "epochs": 5})
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    with pytest.raises(CheckpointError, match="mirror_axes was"):
        nnunet.trainer(settings={"mirror_axes": now, "epochs": 5}).load_checkpoint(path)
    nnunet.trainer(settings={"mirror_axes": before, "epochs": 5}).load_checkpoint(path)


def test_a_checkpoint_from_before_the_setting_was_mirrored_along_all_axes(nnunet):
    trainer = nnunet.initialized(settings={"epochs": 5})
    path = f"{trainer.output_folder}/checkpoint_latest.pth"
    trainer.save_checkpoint(path)
    content = read(path)
    del content["self_distillation_settings"]["mirror_axes"]
    torch.save(content, path)
    nnunet.trainer(settings={"epochs": 5}).load_checkpoint(path)
    with pytest.raises(CheckpointError, match=r"mirror_axes was None, is \(\)"):
        nnunet.trainer(settings={"epochs": 5, "mirror_axes": []}).load_checkpoint(path)


def test_a_finished_training_that_is_continued_keeps_the_axes_it_was_trained_with(nnunet, without_progress_figure):
    trainer = nnunet.trainer(settings={"epochs": 1})
    trainer.run_training()
    path = f"{trainer.output_folder}/{FINAL}"
    again = nnunet.trainer(settings={"epochs": 1, "mirror_axes": []})
    again.load_checkpoint(path)
    again.run_training()
    assert read(path)["inference_allowed_mirroring_axes"] == (0, 1, 2)


@pytest.mark.parametrize(
    ("configuration", "axes", "said"),
    [
        ("2d", [2], r"mirror_axes: got \[2\], but patches of \[24, 24\] have the axes 0, 1 only"),
        ("3d_fullres", [3], "at most 2"),
        ("3d_fullres", [-1], "at least 0"),
        ("3d_fullres", [1, 1], "each number once"),
        ("3d_fullres", [0.5], "whole number"),
        ("3d_fullres", [True], "whole number"),
        ("3d_fullres", "0", "list of whole numbers"),
        ("3d_fullres", 0, "list of whole numbers"),
    ],
)
@pytest.mark.parametrize("name", ["nnUNetTrainerDSD", "nnUNetTrainerStock"])
def test_axes_that_are_not_there_are_refused_before_any_folder_is_made(nnunet, name, configuration, axes, said):
    plans = nnunet.plans(network=PLAIN)
    plans["configurations"][configuration][PLANS_KEY]["mirror_axes"] = axes
    with pytest.raises(SettingsError, match=said):
        nnunet.trainer(name, plans=plans, configuration=configuration)
    assert not nnunet.results.exists()
