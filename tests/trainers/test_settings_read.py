"""The catalogue says which settings each trainer reads; here each trainer is watched while it reads them."""

import sys

import pytest
from soft_label_place import SoftLabelPlace
from test_backbone_trainers import FEATURE_SIZES, backbone_of
from test_hlfd import taught  # noqa: F401 - a fixture
from trainer_workplace import FROM_SOFT_LABELS, ON_MONAI_NETWORKS, TAUGHT, made_up_batch, start, trainer_class

from nnunet_dsd.config.settings import PART_OF, PARTS, setting_names
from nnunet_dsd.networks.backbones import BACKBONES
from nnunet_dsd.registry import find_trainer
from nnunet_dsd.trainers.catalog import ENTRIES

# Who asks for every value, to check, compare or write it, whatever the trainer does with it.
CHECKS = {"dataclasses", "nnunet_dsd.config.settings", "nnunet_dsd.common.declared_settings"}
FITTING = [32, 32, 64]  # a patch that ResNet18FCN does not pad
CHEAPEST = BACKBONES["DynUNet"]
NAMES = [entry.name for entry in ENTRIES]


@pytest.fixture
def seen(monkeypatch):
    """The names of the settings whose values were asked for by what is not a check of all of them."""
    names = set()

    def watched(self, name):
        asking = sys._getframe(1)
        checks = asking.f_globals.get("__name__") in CHECKS or asking.f_code.co_name in ("contradictions", "__eq__")
        if name in PART_OF and not checks and asking.f_code.co_name != "planned_settings":
            names.add(name)
        return object.__getattribute__(self, name)

    for owner in PARTS.values():
        monkeypatch.setattr(owner, "__getattribute__", watched)
    return names


def quick_plans(nnunet, name, settings, monkeypatch):
    """Plans for a trainer, which builds the cheapest network of its kind: its own code is watched, not MONAI's."""
    if name not in ON_MONAI_NETWORKS:
        return nnunet.plans(settings=settings)
    if BACKBONES[backbone_of(name)].u_shaped:
        monkeypatch.setattr(trainer_class(name), "backbone", CHEAPEST)
        return nnunet.plans(settings=settings)
    plans = nnunet.plans(settings={"feature_size": FEATURE_SIZES[backbone_of(name)], **settings})
    plans["configurations"]["3d_fullres"] |= {"patch_size": FITTING, "batch_size": 2}
    return plans


@pytest.fixture
def softly_taught(labelled_folder, tmp_path, monkeypatch, nnunet):
    """A workplace with soft labels, of images without labels too."""
    return SoftLabelPlace(labelled_folder(0), tmp_path / "own", monkeypatch)


def loaded_batch(trainer):
    """A batch of a trainer's own loader, which has soft labels."""
    return next(trainer.get_dataloaders()[0])


@pytest.mark.parametrize("name", NAMES)
def test_a_trainer_reads_the_settings_that_the_catalogue_says_and_no_others(nnunet, request, monkeypatch, seen, name):
    settings, batches = {}, made_up_batch
    if name in FROM_SOFT_LABELS:
        nnunet, settings["soft_labels"], batches = request.getfixturevalue("softly_taught"), "soft", loaded_batch
    if name in TAUGHT:
        settings["feedback_teacher"] = request.getfixturevalue("taught")()[1].settings.hlfd.feedback_teacher
    plans = quick_plans(nnunet, name, settings, monkeypatch)
    seen.clear()

    trainer = nnunet.trainer(name, plans=plans, fold="all" if name in FROM_SOFT_LABELS else 0)
    trainer.initialize()
    trainer.starts_from()
    trainer.configure_rotation_dummyDA_mirroring_and_inital_patch_size()
    start(trainer)
    trainer.train_step(batches(trainer))

    if not trainer.is_taught:
        seen.discard("feedback_teacher")  # asked for to say that it is not read
    declared = find_trainer(name).reads
    assert seen - set(trainer.fixed) == set(declared)
    assert len(declared) == len(set(declared))


def test_every_setting_is_read_by_some_trainer():
    assert {name for entry in ENTRIES for name in entry.reads} == set(setting_names())
