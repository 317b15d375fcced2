"""A tiny network and a tiny rendered data set, for tests that train."""

import csv
import json

from video_triplet.data.frame_sources import FolderFrames
from video_triplet.data.reading import open_dataset
from video_triplet.data.splits import make_splits
from video_triplet.trainers.experiment import Experiment, find_video_trainer
from video_triplet.trainers.run import Machine

TINY_SWIN = {"embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 2}
TINY = {
    "backbone": "swin_tiny_patch4_window7_224",
    "backbone_options": json.dumps(TINY_SWIN),
    "weights": "none",
    "image_size": 64,
    "epochs": 2,
    "batch_size": 8,
    "learning_rate": 1e-3,
}
CPU = Machine(accelerator="cpu", workers=0)


def tiny_settings(trainer="SwinTripletTeacher", **changes):
    """Settings of a trainer with a network of a few thousand weights."""
    return find_video_trainer(trainer).read_settings({**TINY, **changes})


def experiment(folder, trainer="SwinTripletTeacher", *, fold=1, soft_labels=None, protocol="inner", **changes):
    """An experiment on the rendered data set."""
    settings = tiny_settings(trainer, **changes)
    dataset = open_dataset(folder)
    splits = make_splits(dataset, "k-fold", folds=2, protocol=protocol, validation_videos=validation(protocol))
    return Experiment(
        trainer, settings, dataset, splits[fold - 1], FolderFrames(dataset, settings.image_size), soft_labels
    )


def validation(protocol):
    """One validation video for the honest protocol; the other decides by itself."""
    return 1 if protocol == "inner" else None


def options(values):
    """Settings as options of the command line."""
    return [text for name, value in values.items() for text in (f"--{name.replace('_', '-')}", str(value))]


def history(folder):
    """The epochs of a training as numbers."""
    with (folder / "history.csv").open() as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]
