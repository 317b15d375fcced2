"""A data set of random labels with 30 triplets, images beside it, and predictions that know something of the labels."""

import numpy as np
from metric_oracle import random_vocabulary
from PIL import Image

from video_triplet.data.videos import TripletDataset, Video
from video_triplet.predictions.file import Predictions

VOCABULARY = random_vocabulary(30, seed=3)


def make_dataset(root, videos=("VID01", "VID02"), frames=25, vocabulary=VOCABULARY, images=False):
    rng = np.random.default_rng(0)
    found = {}
    for name in videos:
        labels = (rng.random((frames, len(vocabulary.triplets))) < 0.04).astype(np.uint8)
        labels[np.arange(6), np.arange(6)] = 1
        found[name] = Video(name, root / name, np.arange(frames), {"triplet": labels})
        if images:
            (root / name).mkdir(parents=True)
            for frame in range(frames):
                pixels = rng.integers(0, 255, (48, 86, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(root / name / f"{frame:06d}.png")
    return TripletDataset(root, "cholect50", vocabulary, found)


def make_predictions(dataset, videos, seed=1, kind="predictions", models=()):
    rng = np.random.default_rng(seed)
    chosen = dataset.subset(videos)
    labels = np.concatenate([video.labels["triplet"] for video in chosen])
    values = np.clip(rng.random(labels.shape) * 0.6 + 0.3 * labels, 0, 1).astype(np.float32)
    ids = np.repeat(np.arange(len(chosen)), [len(video) for video in chosen])
    frames = np.concatenate([video.frames for video in chosen])
    return Predictions(dataset.vocabulary, tuple(videos), ids, frames, {"triplet": values}, models, kind)
