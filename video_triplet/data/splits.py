"""Splits of a data set into training, validation and test videos: the official ones, k-fold, or a file of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from video_triplet.data.inner_validation import inner_validation, usual_count
from video_triplet.data.split import PROTOCOLS, Protocol, Split, check_split
from video_triplet.data.split_files import read_split_file
from video_triplet.data.split_tables import (
    CROSS_VALIDATIONS,
    FIXED_SPLITS,
    OFFICIAL_NAMES,
    OFFICIAL_VALIDATION_VIDEOS,
    official_videos,
)
from video_triplet.data.videos import TripletDataset, video_name, video_order

__all__ = [
    "K_FOLD",
    "OFFICIAL_NAMES",
    "PROTOCOLS",
    "Protocol",
    "Split",
    "available_splits",
    "check_split",
    "make_splits",
]

K_FOLD = "k-fold"
USUAL_FOLDS = 5
Folds = Sequence[Sequence[str]]


def available_splits(dataset: TripletDataset) -> list[str]:
    """Return the splits for which the data set has all videos: official ones first, `"k-fold"` last."""
    return [name for name in OFFICIAL_NAMES if not _missing(name, dataset)] + [K_FOLD]


def make_splits(
    dataset: TripletDataset,
    name: str,
    *,
    protocol: Protocol | None = None,
    validation_videos: int | None = None,
    seed: int = 0,
    folds: int | None = None,
) -> list[Split]:
    """Return all folds of a family of splits, checked against the data set.

    Args:
        dataset: Where the videos are; their labels decide over the `"inner"` validation.
        name: An official name, `"k-fold"`, or the path of a split file, ending in `.json`.
        protocol: Where validation videos come from, see `Split`. Without it: `"inner"` for folds, `"official"` for an
            official split that is no cross-validation. For a split file only `"test-fold"` can be given, to allow it.
        validation_videos: How many, for `"inner"`; without it one in seven of the training videos.
        seed: Of `"inner"`, and of which videos k-fold puts together.
        folds: How many for k-fold; without it five, or as many as there are videos if those are fewer.

    Raises:
        LeakError: if a split file has a video in two parts.
        DataError: if the data set lacks videos, or the wishes do not go together.
    """
    _refuse_unused(name, protocol, validation_videos, folds)
    if name.endswith(".json"):
        _only_for(protocol, (None, "test-fold"), name)
        return read_split_file(Path(name), dataset, allow_test_fold=protocol == "test-fold")
    if name != K_FOLD:
        _check_official(name, dataset)
    if name in FIXED_SPLITS:
        _only_for(protocol, (None, "official"), name)
        splits = [_fixed_split(name)]
    else:
        parts = k_folds(list(dataset.videos), folds, seed) if name == K_FOLD else _official_folds(name)
        allowed: tuple[Protocol | None, ...] = (None, "inner", "test-fold")
        _only_for(protocol, allowed if name == K_FOLD else (*allowed, "official-loader", "official-figure"), name)
        splits = [
            _fold_split(name, parts, fold, protocol or "inner", dataset, validation_videos, seed)
            for fold in range(1, len(parts) + 1)
        ]
    for split in splits:
        check_split(split, dataset, allow_test_fold=protocol == "test-fold")
    return splits


def k_folds(videos: Sequence[str], folds: int | None, seed: int) -> list[list[str]]:
    """Part videos into folds of sizes that differ by one at most, at random by the seed.

    Raises:
        DataError: if there are fewer than two folds, or fewer videos than folds.
    """
    count = min(USUAL_FOLDS, len(videos)) if folds is None else folds
    if not 2 <= count <= len(videos):
        raise DataError(
            f"{counted(count, 'fold')} of {counted(len(videos), 'video')}; allowed are 2 up to the number of videos"
        )
    ordered = sorted(videos, key=video_order)
    order = np.random.default_rng(seed).permutation(len(ordered))
    return [[ordered[index] for index in sorted(part)] for part in np.array_split(order, count)]


def _refuse_unused(name: str, protocol: Protocol | None, validation_videos: int | None, folds: int | None) -> None:
    if folds is not None and name != K_FOLD:
        raise DataError(
            f"{counted(folds, 'fold was', 'folds were')} asked for, but the split {name} has folds "
            "of its own; leave that out"
        )
    inner = protocol in (None, "inner") and (name == K_FOLD or name in CROSS_VALIDATIONS)
    if validation_videos is not None and not inner:
        raise DataError(
            f"{counted(validation_videos, 'validation video was', 'validation videos were')} asked "
            f"for, but the split {name} with the protocol "
            f"{protocol or 'of its own'} decides them itself; leave that out, or use the protocol inner"
        )


def _only_for(protocol: Protocol | None, allowed: Sequence[Protocol | None], name: str) -> None:
    if protocol not in allowed:
        listed = ", ".join(value for value in allowed if value is not None)
        raise DataError(f"protocol {protocol!r} with the split {name}; allowed are {listed}")


def _missing(name: str, dataset: TripletDataset) -> list[str]:
    return [video for video in map(video_name, official_videos(name)) if video not in dataset.videos]


def _check_official(name: str, dataset: TripletDataset) -> None:
    if name not in OFFICIAL_NAMES:
        raise DataError(
            f"there is no split {name!r}; allowed are {', '.join((*OFFICIAL_NAMES, K_FOLD))}, or a file ending in .json"
        )
    missing = _missing(name, dataset)
    if missing:
        raise DataError(
            f"the split {name} has {len(official_videos(name))} videos, of which {dataset.root} lacks {len(missing)}: "
            f"{', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}. Add --split {K_FOLD} for the videos that "
            "are there, --split FILE.json for a split of your own, or the name of another official split"
        )


def _official_folds(name: str) -> list[list[str]]:
    return [[video_name(number) for number in fold] for fold in CROSS_VALIDATIONS[name]]


def _fixed_split(name: str) -> Split:
    training, validation, test = (
        tuple(video_name(number) for number in FIXED_SPLITS[name][part]) for part in ("training", "validation", "test")
    )
    return Split(name, 1, training, validation, test, "official")


def _fold_split(
    name: str,
    folds: Folds,
    fold: int,
    protocol: Protocol,
    dataset: TripletDataset,
    validation_videos: int | None,
    seed: int,
) -> Split:
    test = tuple(folds[fold - 1])
    others = [video for number, part in enumerate(folds, start=1) if number != fold for video in part]
    if protocol == "test-fold":
        return Split(name, fold, tuple(others), test, test, protocol)
    if protocol == "official-loader":
        validation = tuple(others[-OFFICIAL_VALIDATION_VIDEOS:])
    elif protocol == "official-figure":
        validation = tuple(folds[fold % len(folds)][:OFFICIAL_VALIDATION_VIDEOS])
    else:
        count = usual_count(len(others)) if validation_videos is None else validation_videos
        validation = inner_validation(dataset.subset(others), count=count, seed=seed)
    training = tuple(video for video in others if video not in validation)
    return Split(name, fold, training, validation, test, protocol)
