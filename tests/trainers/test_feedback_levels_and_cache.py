"""Levels of feedback that a user names, and the memory of what a teacher shows."""

import copy
from pathlib import Path

import pytest
import torch
from test_hlfd import NAME, initialized, taught  # noqa: F401 - a fixture
from trainer_workplace import made_up_batch

from nnunet_dsd.common.errors import NetworkStructureError, SettingsError, TeacherError
from nnunet_dsd.config.settings import PLANS_KEY
from nnunet_dsd.distillation.hierarchical import Place
from nnunet_dsd.networks.feedback_cache import GIBIBYTE, RememberingTeacher

UNCHANGED = {"augmentation": False, "feedback_cache": 1.0}


def log_of(student):
    return Path(student.log_file).read_text()


def test_named_levels_replace_those_found_by_rule(taught):  # noqa: F811
    _, student = taught(
        feedback_features="encoder.stages.1, encoder.stages.2,encoder.stages.3",
        feedback_teacher_features="encoder.stages.0,encoder.stages.2.0,encoder.stages.2,encoder.stages.3",
        feedback_teacher_maps="decoder.stages.0,decoder.stages.2",
    )
    initialized(student)
    text = log_of(student)
    assert "ufd: the student's encoder.stages.1 follows the teacher's encoder.stages.2.0, encoder.stages.2" in text
    assert "ifd_1: the student's encoder.stages.2 follows the teacher's encoder.stages.3" in text
    assert "upd: the student's decoder.stages.0 follows the teacher's decoder.stages.0, decoder.stages.2" in text
    assert torch.isfinite(torch.as_tensor(student.train_step(made_up_batch(student))["loss"]))
    batch = made_up_batch(student)
    guide = student.teachers[0](batch["data"])
    student.heads().teach([guide])
    shown = student.network.train()(batch["data"]).student
    seen = {}
    network = copy.deepcopy(student.network)
    for name in ("encoder.stages.1", "encoder.stages.3"):
        network.get_submodule(name).register_forward_hook(lambda _, __, out, key=name: seen.update({key: out}))
    network.eval()(batch["data"])
    assert torch.allclose(shown.features[0], seen["encoder.stages.1"])
    assert torch.allclose(shown.features[-1], seen["encoder.stages.3"])


def test_naming_the_levels_of_the_rule_changes_nothing(taught):  # noqa: F811
    _, by_rule = taught()
    _, named = taught(
        feedback_features=",".join(f"encoder.stages.{i}" for i in range(4)),
        feedback_maps=",".join(f"decoder.stages.{i}" for i in range(3)),
        feedback_teacher_features=",".join(f"encoder.stages.{i}" for i in range(4)),
        feedback_teacher_maps=",".join(f"decoder.stages.{i}" for i in range(3)),
    )
    losses = [float(initialized(one).train_step(made_up_batch(one))["loss"]) for one in (by_rule, named)]
    assert losses[0] == losses[1]


def test_a_level_that_is_not_there_is_named_with_its_neighbours(taught):  # noqa: F811
    _, student = taught(feedback_maps="decoder.stages.0,decoder.stages.7")
    with pytest.raises(NetworkStructureError, match=r"no module named 'decoder.stages.7'; the children of 'decoder.st"):
        student.initialize()
    _, student = taught(feedback_teacher_maps="decoder.stages.0,decoder.stages.7")
    with pytest.raises(TeacherError, match=r"the teacher's levels were not found: .*'decoder.stages.7'"):
        student.initialize()


def test_too_few_named_levels_are_refused(taught):  # noqa: F811
    _, student = taught(feedback_features="encoder.stages.0,encoder.stages.3")
    with pytest.raises(NetworkStructureError, match="the student has 2 encoder and 3 decoder levels"):
        student.initialize()


@pytest.mark.parametrize("method", ["hlfd", "skd", "at", "dkd"])
def test_a_remembering_teacher_trains_the_student_alike(taught, method):  # noqa: F811
    _, plain = taught(feedback=method, augmentation=False)
    _, remembering = taught(feedback=method, **UNCHANGED)
    losses = []
    for student in (plain, remembering):
        initialized(student)
        steps = [student.train_step(made_up_batch(student, seed)) for seed in (0, 1, 0, 1)]
        losses.append([float(step["loss"]) for step in steps])
    assert losses[0] == losses[1]
    assert remembering.guides[0].describe().startswith("the teacher knew 4 of 8 patches")


@pytest.fixture
def teacher_and_places(taught):  # noqa: F811
    _, student = taught()
    initialized(student)
    return student.teachers[0], student.teachers[0].asked


def test_a_teacher_holds_only_what_is_asked_for(teacher_and_places):
    teacher, places = teacher_and_places
    views = teacher(torch.randn(1, 1, 8, 16, 16))
    assert {place.kind for place in places} == {"feature", "map", "output"}
    assert all(place.of(views).numel() for place in places)
    assert views.features[0].numel() == views.maps[-1].numel() == 0
    teacher.ask([Place("feature", 0)])
    assert teacher(torch.randn(1, 1, 8, 16, 16)).features[0].numel()
    teacher.ask([])
    with pytest.raises(ValueError, match="what the teacher is to show"):
        RememberingTeacher(teacher, gibibytes=1.0)


def counted(teacher):
    """Count the images that the teacher really looks at."""
    seen = []
    teacher.network.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    return seen


def test_only_new_patches_are_shown_to_the_teacher(teacher_and_places):
    teacher, places = teacher_and_places
    remembering = RememberingTeacher(teacher, gibibytes=1.0)
    seen = counted(teacher)
    images = torch.randn(4, 1, 8, 16, 16)
    first = remembering(images[:2])
    mixed = remembering(images[[1, 2, 2, 3]])
    assert seen == [2, 2]
    expected = teacher(images[[1, 2, 2, 3]])
    for place in places:
        assert torch.allclose(place.of(mixed), place.of(expected), atol=1e-4)
        assert torch.equal(place.of(mixed)[0], place.of(first)[1])


def test_a_full_memory_keeps_what_it_has_and_asks_for_the_rest(teacher_and_places):
    teacher, _ = teacher_and_places
    images = torch.randn(2, 1, 8, 16, 16)
    one = RememberingTeacher(teacher, gibibytes=1.0)
    one(images[:1])
    limited = RememberingTeacher(teacher, gibibytes=1.5 * one.kept_bytes / GIBIBYTE)
    seen = counted(teacher)
    for _ in range(2):
        views = limited(images)
    assert seen == [2, 1]
    assert limited.kept_bytes <= limited.limit_bytes
    assert torch.allclose(views.output, teacher(images).output, atol=1e-4)


def test_memory_is_not_shared_with_the_batch(teacher_and_places):
    teacher, _ = teacher_and_places
    remembering = RememberingTeacher(teacher, gibibytes=1.0)
    images = torch.randn(1, 1, 8, 16, 16)
    shown = remembering(images)
    kept = shown.output.clone()
    shown.output.zero_()
    assert torch.equal(remembering(images).output, kept)


def test_a_memory_is_refused_while_patches_are_augmented(taught):  # noqa: F811
    with pytest.raises(SettingsError, match=r"feedback_cache: got 1.0 with augmentation.*--no-augmentation"):
        taught(feedback_cache=1.0)


def test_the_log_says_what_was_remembered(taught, without_progress_figure):  # noqa: F811
    _, student = taught(**UNCHANGED)
    initialized(student)
    student.on_train_epoch_end([student.train_step(made_up_batch(student))])
    assert "the teacher knew 0 of 2 patches" in log_of(student)


def values_of(trainer, batch):
    """Which values of a batch are not the preprocessed cases' own, nor the padding's 0."""
    known = {0.0}
    for case in batch["keys"]:
        data, *_ = trainer.dataset_class(trainer.preprocessed_dataset_folder).load_case(case)
        known |= set(torch.as_tensor(data[:]).float().flatten().tolist())
    return set(batch["data"].float().flatten().tolist()) - known


@pytest.mark.parametrize("augmentation", [True, False])
def test_without_augmentation_patches_are_the_cases_own_values(nnunet, augmentation):
    trainer = nnunet.initialized("nnUNetTrainerStock", settings={"augmentation": augmentation})
    loader, _ = trainer.get_dataloaders()
    changed = values_of(trainer, next(loader))
    assert bool(changed) is augmentation
    assert (trainer.inference_allowed_mirroring_axes is None) is not augmentation


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"feedback_features": "encoder.stages.3,encoder.stages.1,encoder.stages.0"},
            "encoder levels are named from fine",
        ),
        (
            {"feedback_features": "encoder.stages.0,encoder.stages.0,encoder.stages.3"},
            "stages.0' is named twice",
        ),
        ({"feedback_maps": "decoder.stages.2,decoder.stages.0"}, "decoder levels are named"),
    ],
)
def test_levels_in_another_order_are_refused(taught, settings, message):  # noqa: F811
    _, student = taught(**settings)
    with pytest.raises(NetworkStructureError, match=message):
        student.initialize()


def test_a_smaller_memory_does_not_hinder_continuing(taught, nnunet):  # noqa: F811
    _, student = taught(**UNCHANGED)
    initialized(student)
    student.train_step(made_up_batch(student))
    student.save_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    plans = copy.deepcopy(student.plans_manager.plans)
    plans["configurations"]["3d_fullres"][PLANS_KEY]["feedback_cache"] = 0.5
    continued = nnunet.trainer(NAME, plans=plans)
    continued.load_checkpoint(f"{student.output_folder}/checkpoint_latest.pth")
    assert continued.guides[0].limit_bytes == GIBIBYTE // 2
