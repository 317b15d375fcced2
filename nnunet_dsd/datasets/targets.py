"""Where a converted data set goes: nnU-Net's folders, and what must not be there yet."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError, SetupError
from nnunet_dsd.common.files import write_problem
from nnunet_dsd.common.json_files import json_or_none
from nnunet_dsd.datasets.splits import Fold, as_nnunet_splits
from nnunet_dsd.nnunet_folders import nnunet_folder

SPLITS_FILE = "splits_final.json"
NNUNET_FOLDERS = ("nnUNet_raw", "nnUNet_preprocessed", "nnUNet_results")


@dataclass(frozen=True)
class Target:
    """A data set's folder in nnUNet_raw, and its splits file in nnUNet_preprocessed (None: nnU-Net makes the folds)."""

    name: str
    raw: Path
    splits: Path | None


def find_target(number: int, name: str, folds: Sequence[Fold], *, folds_of_cases: bool = True) -> Target:
    """Say where a data set goes.

    Args:
        number: of the data set, 1 to 999.
        name: letters, digits, hyphens and underscores.
        folds: the folds to write; none leaves them to nnU-Net.
        folds_of_cases: whether these are the folds as they will be written; otherwise an existing splits file is left
            to `require_own_splits`.

    Raises:
        SettingsError: if number or name cannot be.
        SetupError: if a folder of nnU-Net is missing or cannot be written to, or the data set is there already, or its
            number is taken.
    """
    _check_name(number, name)
    full_name = f"Dataset{number:03d}_{name}"
    raw = nnunet_folder("nnUNet_raw") / full_name
    _check_number(number, full_name)
    if raw.exists():
        raise SetupError(f"{raw} exists; delete it, or give another number with -d")
    _require_writable("nnUNet_raw", raw)
    if not folds and not os.environ.get("nnUNet_preprocessed"):
        return Target(full_name, raw, None)
    preprocessed = nnunet_folder("nnUNet_preprocessed") / full_name
    present = {path.name for path in preprocessed.iterdir()} if preprocessed.is_dir() else set()
    if folds and present == {SPLITS_FILE}:
        if folds_of_cases:
            require_own_splits(preprocessed / SPLITS_FILE, folds)
    elif present:
        raise _left_over(preprocessed, present)
    if folds:
        _require_writable("nnUNet_preprocessed", preprocessed)
    return Target(full_name, raw, preprocessed / SPLITS_FILE if folds else None)


def require_own_splits(path: Path, folds: Sequence[Fold]) -> None:
    """Refuse a splits file of other folds; nnU-Net would keep it.

    Raises:
        SetupError: if there is one.
    """
    if path.exists() and not _holds(path, folds):
        raise _left_over(path.parent, [path.name])


def require_disk_space(target: Target, needed_bytes: int) -> None:
    """Refuse to start without room for the data set.

    Raises:
        SetupError: if fewer bytes are free.
    """
    free = shutil.disk_usage(target.raw.parent).free
    if free < needed_bytes:
        raise SetupError(
            f"{free / 1e9:.2f} GB are free at {target.raw.parent}; {target.name} needs about "
            f"{needed_bytes / 1e9:.2f} GB. Free some space, or let nnUNet_raw be a folder on another disk"
        )


def _require_writable(variable: str, folder: Path) -> None:
    if problem := write_problem(folder):
        raise SetupError(
            f"The data set cannot be written to {folder}: {problem}. Let {variable} be a folder that can be written to"
        )


def _check_name(number: int, name: str) -> None:
    problems = []
    if not 1 <= number <= 999:
        problems.append(f"number {number}; allowed are 1 to 999")
    if not re.fullmatch(r"[A-Za-z0-9_-]+", name):
        problems.append(f"name {name!r}; allowed are letters, digits, hyphens and underscores")
    if problems:
        raise SettingsError(problems, source="the data set's number and name")


def _check_number(number: int, full_name: str) -> None:
    """Refuse a number that another data set has in any folder: nnU-Net would not know which one is meant."""
    for variable in NNUNET_FOLDERS:
        value = os.environ.get(variable)
        found = sorted(Path(value).glob(f"Dataset{number:03d}*")) if value else []
        taken = [path for path in found if path.name != full_name]
        if taken:
            raise SetupError(f"number {number} is taken by {taken[0]}; give another with -d")


def _left_over(folder: Path, names: Iterable[str]) -> SetupError:
    """Return the refusal of what nnU-Net would mix with the new data set: it keeps a split and preprocessed cases."""
    return SetupError(
        f"{folder} holds {', '.join(sorted(names))} of an earlier data set of this name; "
        "delete the folder, or give another number with -d"
    )


def _holds(path: Path, folds: Sequence[Fold]) -> bool:
    """Return whether a splits file holds these folds and no others."""
    return bool(folds) and bool(json_or_none(path) == as_nnunet_splits(folds))
