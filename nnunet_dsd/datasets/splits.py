"""Which cases are for training, for validation and for the test: the rules of the paper's authors' code, and nnU-Net's.

All of them start from the file order, the order of the file names by character.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nnunet_dsd.common.errors import SettingsError

AUTHORS_SEED = 0
NNUNET_SEED, NNUNET_FOLDS = 12345, 5


@dataclass(frozen=True)
class Fold:
    """Names of the cases to train on and to validate on, each in file order."""

    training: tuple[str, ...]
    validation: tuple[str, ...]


def hold_out_last(names: Sequence[str], count: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return all but the last `count` names, and those last ones, which are for the test.

    Raises:
        SettingsError: if `count` is negative or leaves fewer than two.
    """
    if not 0 <= count <= len(names) - 2:
        raise SettingsError(
            [f"{count} test cases of {len(names)}; allowed are 0 to {len(names) - 2}"], source="the split"
        )
    border = len(names) - count
    return tuple(names[:border]), tuple(names[border:])


def shuffled_fold(names: Sequence[str], validation_cases: int) -> Fold:
    """Shuffle the names with Python's `random.Random(0)` and validate on the last ones.

    Args:
        names: cases that are not for the test, in file order.
        validation_cases: how many to validate on.

    Raises:
        SettingsError: if either part would be empty.
    """
    if not 0 < validation_cases < len(names):
        raise SettingsError(
            [f"{validation_cases} validation cases of {len(names)}; allowed are 1 to {len(names) - 1}"],
            source="the split",
        )
    shuffled = list(names)
    random.Random(AUTHORS_SEED).shuffle(shuffled)
    validation = set(shuffled[-validation_cases:])
    return _fold(names, validation)


def folds_in_file_order(names: Sequence[str], cases_per_fold: int) -> tuple[Fold, ...]:
    """Validate fold k on the cases `cases_per_fold * k` and following; the last fold takes what is left.

    Raises:
        SettingsError: if there are not enough cases for two folds.
    """
    if len(names) <= cases_per_fold:
        raise SettingsError(
            [f"{len(names)} cases; more than {cases_per_fold} are needed for folds of {cases_per_fold}"],
            source="the split",
        )
    starts = range(0, len(names), cases_per_fold)
    return tuple(_fold(names, set(names[start : start + cases_per_fold])) for start in starts)


def nnunet_folds(names: Sequence[str]) -> tuple[Fold, ...]:
    """Divide names as nnU-Net divides the cases of a data set that has no split file.

    The sorted names are shuffled with NumPy's `RandomState(12345)` and cut into five parts, of which the first are
    larger by one where the number does not divide; fold k validates on part k.

    Raises:
        SettingsError: if there are fewer than five.
    """
    if len(names) < NNUNET_FOLDS:
        raise SettingsError(
            [f"{len(names)} cases; at least {NNUNET_FOLDS} are needed for {NNUNET_FOLDS} folds"], source="the split"
        )
    ordered = sorted(names)
    order = np.arange(len(ordered))
    np.random.RandomState(NNUNET_SEED).shuffle(order)
    return tuple(_fold(ordered, {ordered[i] for i in part}) for part in np.array_split(order, NNUNET_FOLDS))


def as_nnunet_splits(folds: Sequence[Fold]) -> list[dict[str, list[str]]]:
    """Return folds as nnU-Net's splits_final.json holds them."""
    return [{"train": list(fold.training), "val": list(fold.validation)} for fold in folds]


def _fold(names: Sequence[str], validation: set[str]) -> Fold:
    return Fold(
        training=tuple(name for name in names if name not in validation),
        validation=tuple(name for name in names if name in validation),
    )
