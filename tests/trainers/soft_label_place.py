"""Finished teachers, images without labels, and soft labels on a private copy of a small data set."""

import json
import shutil
from pathlib import Path

import numpy as np
import torch
from trainer_workplace import CLASSES, PLANS, Workplace, nested_balls, set_nnunet_folders, start, write_model

from nnunet_dsd.datasets.names import image_path
from nnunet_dsd.datasets.raw_format import write_volume
from nnunet_dsd.labelling.request import Request
from nnunet_dsd.labelling.run import label
from nnunet_dsd.labelling.work import prepare
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.names import SETS

RESULTS, UNLABELLED = "results", "unlabelled"
GEOMETRY = {"spacing_mm": (2.0, 1.0, 1.0), "origin_mm": (0.0, 0.0, 0.0)}


class SoftLabelPlace(Workplace):
    """A workplace of its own, with what labels and is labelled.

    It begins with a copy of a data set, and of what lies there of an earlier place's models, images and soft labels.
    """

    def __init__(self, shared, folder, patch, dataset=CLASSES):
        for part in (f"raw/{dataset}", f"preprocessed/{dataset}", RESULTS, UNLABELLED):
            if (shared / part).is_dir():
                shutil.copytree(shared / part, folder / part)
        set_nnunet_folders(patch, folder, folder / RESULTS)
        super().__init__(folder, folder / RESULTS)
        self.dataset, self.folder = dataset, folder
        self.preprocessed = folder / "preprocessed" / dataset

    def write_plans(self, name="tiny", **settings):
        """Small plans that preprocessed data are there for; returns them."""
        plans = self.plans(self.dataset, name=name, settings=settings)
        (self.preprocessed / f"{name}.json").write_text(json.dumps(plans))
        return plans

    def teacher(self, *, fold=0, plans=PLANS, trainer="nnUNetTrainerStock", configuration="3d_fullres", change=None):
        """A finished model with weights by chance; returns its folder."""
        made = self.plans(self.dataset, name=plans, settings={"seed": 10 + (fold if fold != "all" else 9)})
        if change is not None:
            change(made)
        model = self.trainer(trainer, self.dataset, plans=made, fold=fold, configuration=configuration)
        model.initialize()
        model.do_split()
        with torch.no_grad():  # a network by chance finds every class equally likely, and tells nothing apart
            for name, value in model.network.named_parameters():
                if "seg_layers" in name:
                    value.mul_(20)
        return write_model(model)

    def images(self, count=3, *, channels=1):
        """A folder of images without labels."""
        folder, rng = self.folder / UNLABELLED, np.random.default_rng(7)
        folder.mkdir(exist_ok=True)
        for index in range(count):
            image = (100.0 * nested_balls(rng) + rng.normal(0, 10, (16, 24, 24))).astype(np.float32)
            for channel in range(channels):
                write_volume(image_path(folder, f"new_{index}", channel=channel), image, **GEOMETRY)
        return folder

    def request(self, *teachers, name="soft", **changes):
        names = tuple(Path(teacher).name for teacher in teachers)
        given = {"dataset": self.dataset, "configuration": "3d_fullres", "plans": PLANS, "mirroring": False, **changes}
        return Request(teachers=names, name=name, **given)

    def label(self, *teachers, **changes):
        """Make soft labels; returns them."""
        request = self.request(*teachers, **changes)
        label(prepare(request), say=lambda line: None)
        return SoftLabelSet.open(self.preprocessed / SETS / request.name)

    def student(self, name="nnUNetTrainerKD", *, fold="all", configuration="3d_fullres", **settings):
        settings = {"soft_labels": "soft", "temperature": 2.0, **settings}
        return self.trainer(name, self.dataset, fold=fold, configuration=configuration, settings=settings)


def first_batch(student):
    """The batch that nnU-Net's loop would take first, and the student ready for it."""
    student.initialize()
    loader, _ = student.get_dataloaders()
    start(student)
    return next(loader)
