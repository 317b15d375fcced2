"""A narrow C3D on tiny clips, for tests that fine-tune."""

import json

import torch
from torch import nn

from video_triplet.clips.networks import create_encoder
from video_triplet.clips.reading import open_clips
from video_triplet.clips.sources import VideoFiles
from video_triplet.clips.splits import official_split
from video_triplet.trainers.clip_experiment import ClipExperiment, find_clip_trainer
from video_triplet.trainers.run import Machine

TINY = {
    "encoder": "c3d",
    "encoder_options": json.dumps({"width": 2}),
    "frames": 8,
    "clip_size": 16,
    "epochs": 2,
    "batch_size": 4,
    "learning_rate": 0.01,
}
CPU = Machine(accelerator="cpu", workers=0)
SIZE = (20, 24)


def clip_experiment(root, trainer="ClipFineTuningEpochSD", *, fraction=0.1, number=1, **changes):
    """An experiment on a made-up data set; its videos are decoded for each clip."""
    settings = find_clip_trainer(trainer).read_settings({**TINY, **changes})
    dataset = open_clips(root)
    split = official_split(dataset, number, validation_fraction=fraction)
    return ClipExperiment(trainer, settings, dataset, split, VideoFiles(dataset, SIZE))


def save_encoder(path, *, name="c3d", seed=11, **options):
    """Write a checkpoint as self-supervised pre-training leaves it: the encoder under a prefix, beside a head."""
    torch.manual_seed(seed)
    built, _ = create_encoder(name, frames=8, size=16, options={"width": 2, **options})
    state = {f"module.encoder_q.encoder.{key}": values for key, values in built.module.state_dict().items()}
    torch.save({"model": {**state, "module.encoder_q.fc.weight": nn.Linear(3, 2).weight.data}, "epoch": 5}, path)
    return built.module


def train_command(data, folder, *more, trainer="ClipFineTuningEpochSD", **changes):
    """The command line of a training on tiny clips."""
    settings = {**TINY, **changes}
    options = [text for name, value in settings.items() for text in (f"--{name.replace('_', '-')}", str(value))]
    command = ["train-clips", "-tr", trainer, "-o", str(folder), "--data", str(data), "--workers", "0"]
    return [*command, "--size", *map(str, SIZE), "--accelerator", "cpu", *options, *map(str, more)]
