"""Official splits of a clip data set, with a validation part taken from the training videos, whole sources together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SettingsError
from video_triplet.clips.groups import sources
from video_triplet.clips.videos import ClipDataset, refuse_classes_without
from video_triplet.data.provenance import LeakError

USUAL_FRACTION = 0.1


@dataclass(frozen=True)
class ClipSplit:
    """Names of the videos for one training.

    Attributes:
        name: The layout, `"ucf101"` or `"hmdb51"`.
        number: Of the official split, from 1.
        training: Videos whose labels train the network.
        validation: Videos of the official training list whose labels choose the epoch; may be empty.
        test: The official test list.
    """

    name: str
    number: int
    training: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def official_split(
    dataset: ClipDataset, number: int = 1, *, validation_fraction: float = USUAL_FRACTION, seed: int = 0
) -> ClipSplit:
    """Return an official split; validation videos come from its training list alone.

    Args:
        dataset: With its official lists.
        number: 1 to 3.
        validation_fraction: Of each class's training videos, as near as whole sources allow; 0 for no validation.
        seed: Of which sources validate.

    Raises:
        DataError: if there is no such split, a part has no video, the training part has none of a class, or no source
            can be set apart for validation.
        LeakError: if a video is in both lists.
        SettingsError: if the fraction is not from 0 to 0.5.
    """
    if not 0 <= validation_fraction <= 0.5:
        problem = f"validation fraction {validation_fraction}, allowed are 0 to 0.5"
        raise SettingsError([problem], source="the split")
    if number not in dataset.official:
        there = ", ".join(map(str, dataset.official)) or "none"
        raise DataError(f"{dataset.root} has no lists of split {number}; there are those of {there}")
    lists = dataset.official[number]
    shared = sorted(set(lists.training) & set(lists.test))
    if shared:
        raise LeakError(
            f"split {number} of {dataset.root} has {counted(len(shared), 'video')} in both training "
            f"and test, first: {shared[0]}; "
            "copy the official lists again"
        )
    for part, names in (("training", lists.training), ("test", lists.test)):
        if not names:
            raise DataError(f"split {number} of {dataset.root} has no {part} video that is there; check the data set")
    refuse_classes_without(dataset, lists.training, where=f"in the training list of split {number}")
    validation = choose_validation(dataset, lists.training, fraction=validation_fraction, seed=seed)
    training = tuple(name for name in lists.training if name not in validation)
    kept = tuple(name for name in lists.training if name in validation)
    return ClipSplit(dataset.layout, number, training, kept, lists.test)


def choose_validation(dataset: ClipDataset, names: Sequence[str], *, fraction: float, seed: int) -> frozenset[str]:
    """Choose whole sources for validation so that each class gives about a fraction of its videos.

    In an order drawn by the seed, a source goes to validation if that brings the classes' numbers of validation videos
    nearer to the fraction (sum of absolute differences) and leaves every class videos to train on. A class that has
    none then gets the source that does least harm to these numbers, if it has one that may go.

    Args:
        dataset: Whose videos they are.
        names: The training videos.
        fraction: 0 to 0.5.
        seed: Of the order; the same names in another order give the same choice.

    Raises:
        DataError: if not a single source can go.
    """
    if fraction == 0:
        return frozenset()
    members: dict[str, list[str]] = {}
    for name, source in sources(dataset.layout, sorted(names)).items():
        members.setdefault(source, []).append(name)
    keys = sorted(members)
    order = [keys[index] for index in np.random.default_rng(seed).permutation(len(keys))]
    counts = np.zeros((len(order), len(dataset.classes)), dtype=np.int64)
    for row, source in enumerate(order):
        np.add.at(counts[row], [dataset.videos[name].label for name in members[source]], 1)
    chosen = _choose_rows(counts, fraction)
    if not chosen:
        raise DataError(
            f"no source of the {len(names)} training videos can be set apart for validation and leave its classes "
            "others to train on; take more videos, or no validation with --validation-fraction 0"
        )
    return frozenset(name for row in chosen for name in members[order[row]])


def _choose_rows(counts: NDArray[np.int64], fraction: float) -> list[int]:
    total = counts.sum(axis=0)
    wanted = fraction * total
    taken = np.zeros_like(total)
    chosen: list[int] = []

    def harm(row: int) -> float:
        return float(np.abs(taken + counts[row] - wanted).sum() - np.abs(taken - wanted).sum())

    def leaves_some(row: int) -> bool:
        return bool(np.all((taken + counts[row] < total) | (counts[row] == 0)))

    for row in range(len(counts)):
        if harm(row) < 0 and leaves_some(row):
            chosen.append(row)
            taken = taken + counts[row]
    for label in np.flatnonzero(total):
        if not taken[label]:
            able = [r for r in np.flatnonzero(counts[:, label]).tolist() if r not in chosen and leaves_some(r)]
            if able:
                best = min(able, key=lambda row: round(harm(row), 9))  # min keeps the first of equals
                chosen.append(best)
                taken = taken + counts[best]
    return chosen
