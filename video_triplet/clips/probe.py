"""How much a frozen encoder knows about a task: a linear classifier on its features."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.utils.data import DataLoader

from nnunet_dsd.common.errors import DataError, ShapeError
from video_triplet.clips.clips import TestClips
from video_triplet.clips.networks import ClipNetwork
from video_triplet.clips.sources import ClipSource
from video_triplet.clips.videos import ClipVideo

Features = NDArray[np.float64]
Labels = NDArray[np.int64]
CLIPS = 3
STRENGTHS = np.logspace(-3, 2, 6)  # inverse of the L2 penalty; cross-validation takes the best
FOLDS = 3


def linear_probe_accuracy(train: tuple[Features, Labels], test: tuple[Features, Labels]) -> float:
    """Return the accuracy of a logistic regression on standardised features, a fraction of the test rows.

    The strength of its L2 penalty is chosen by cross-validation within the training rows.

    Args:
        train: Features `(N, F)` and labels `(N,)`.
        test: Likewise; never looked at before the score.

    Raises:
        ShapeError: if features and labels do not go together.
        DataError: if the training rows have one class only, or fewer of a class than cross-validation has folds.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    for features, labels in (train, test):
        if features.ndim != 2 or len(features) != len(labels) or features.shape[1] != train[0].shape[1]:
            raise ShapeError(f"features {features.shape} and labels {labels.shape} do not go together")
    counts = np.unique(train[1], return_counts=True)[1]
    if len(counts) < 2 or counts.min() < FOLDS:
        raise DataError(f"a probe needs two classes and {FOLDS} training videos of each, got {counts.tolist()}")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    search = GridSearchCV(model, {"logisticregression__C": STRENGTHS}, cv=FOLDS)
    search.fit(*train)
    return float(search.score(*test))


def video_features(
    network: ClipNetwork, videos: Sequence[ClipVideo], source: ClipSource, *, frames: int, size: int, stride: int = 1
) -> tuple[Features, Labels]:
    """Return the mean features of a few clips of each video, `(N, F)`, and the labels, `(N,)`.

    Args:
        network: In evaluation mode afterwards; its device is used.
        videos: N of them.
        source: Gives the frames.
        frames: Of a clip.
        size: Of a clip in pixels.
        stride: Between frames.
    """
    data = TestClips(videos, source, frames=frames, stride=stride, clips=CLIPS, size=size)
    loader: DataLoader[Any] = DataLoader(data, batch_size=8)
    device = next(network.parameters()).device
    network.eval()
    rows, labels = [], []
    for batch in loader:
        clips = batch["clips"].to(device)
        with torch.inference_mode():
            found = network.features(clips.flatten(0, 1)).float().view(len(clips), CLIPS, -1).mean(dim=1)
        rows.append(found.cpu().double().numpy())
        labels.append(batch["label"].numpy())
    return np.concatenate(rows), np.concatenate(labels).astype(np.int64)


def fresh_copy(network: ClipNetwork, seed: int) -> ClipNetwork:
    """Return the network with new random weights in all layers: what a probe finds where nothing was learned."""
    import copy

    fresh = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in fresh.modules():
            reset: Any = getattr(layer, "reset_parameters", None)
            if isinstance(layer, nn.Module) and callable(reset):
                reset()
    return fresh
