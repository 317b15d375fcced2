"""Settings of a triplet training: the paper's by default, everything wrong reported at once."""

import pytest

from nnunet_dsd.common.errors import SettingsError
from video_triplet.settings import PRESETS, TripletSettings, find_preset, read_triplet_settings
from video_triplet.trainers.catalog import TRIPLET_ENTRIES
from video_triplet.trainers.experiment import find_video_trainer


def test_the_defaults_are_the_paper_s():
    settings = TripletSettings()
    assert (settings.learning_rate, settings.minimum_learning_rate) == (2e-4, 2e-6)
    assert (settings.epochs, settings.batch_size, settings.image_size) == (20, 64, 224)
    assert (settings.augmentation, settings.choose_epoch, settings.soft_weight) == ("paper", "best", 1)


def test_everything_wrong_is_said_at_once():
    with pytest.raises(SettingsError) as caught:
        TripletSettings(epochs=0, soft_weight=2, augmentation="strong", backbone=3)
    assert all(name in str(caught.value) for name in ("epochs", "soft_weight", "augmentation", "backbone"))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"batch_size": 10, "accumulate": 4}, "10 is not divisible by accumulate 4"),
        ({"minimum_learning_rate": 1.0}, "minimum_learning_rate 1.0 is above 0.0002"),
        ({"backbone_options": "[1]"}, "is not a JSON object"),
        ({"backbone_options": "{"}, "is not a JSON object"),
    ],
)
def test_values_that_do_not_go_together_are_refused(changes, said):
    with pytest.raises(SettingsError, match=said):
        TripletSettings(**changes)


def test_lists_in_backbone_options_become_tuples():
    assert TripletSettings(backbone_options='{"depths": [1, 2]}').backbone_arguments == {"depths": (1, 2)}


def test_an_unknown_key_is_refused_with_the_nearest():
    with pytest.raises(SettingsError, match="did you mean 'learning_rate'"):
        read_triplet_settings({"learning_rates": 1})


def test_what_makes_a_trainer_cannot_be_set_otherwise():
    trainer = find_video_trainer("SwinTripletTeacher")
    assert trainer.read_settings({"head_set": "triplet"}).heads == ("triplet",)
    with pytest.raises(SettingsError, match="head_set is 'triplet' in this trainer"):
        trainer.read_settings({"head_set": "multi-task"})


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_is_possible_with_every_trainer(preset):
    for entry in TRIPLET_ENTRIES:
        assert find_video_trainer(entry.name).read_settings(dict(find_preset(preset)))


def test_an_unknown_preset_names_those_there_are():
    with pytest.raises(SettingsError, match="authors-code-teacher"):
        find_preset("authors")


def test_teachers_and_students_have_different_seeds_and_the_paper_s_epochs():
    found = {
        (trainer.role, settings.epochs, settings.seed)
        for trainer in (find_video_trainer(entry.name) for entry in TRIPLET_ENTRIES)
        for settings in [trainer.read_settings({})]
    }
    assert found == {("teacher", 20, 1), ("student", 40, 2)}


def test_each_teacher_has_a_student_with_the_same_heads_and_backbone():
    names = {entry.name for entry in TRIPLET_ENTRIES}
    teachers = {name for name in names if name.endswith("Teacher")}
    assert len(teachers) == 4
    for name in teachers:
        teacher, student = (
            find_video_trainer(trainer).read_settings({}) for trainer in (name, name.replace("Teacher", "Student"))
        )
        assert (teacher.heads, teacher.backbone) == (student.heads, student.backbone)


def test_only_the_large_student_smooths_its_labels():
    smoothing = {
        entry.name: find_video_trainer(entry.name).read_settings({}).label_smoothing for entry in TRIPLET_ENTRIES
    }
    assert {name: value for name, value in smoothing.items() if value} == {"SwinTripletLargeStudent": 0.1}
