"""What is evaluated: named structures, each one label or the union of several (a region)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import DataError

MOST_DESCRIBED = 16
NOT_EVALUATED = ("background", "ignore")


@dataclass(frozen=True)
class Structure:
    """A structure and the label values it consists of; several values make a region, as in nnU-Net's dataset.json.

    Raises:
        DataError: if there is no value, or one is below 1: 0 is the background.
    """

    name: str
    labels: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.labels or min(self.labels) < 1:
            raise DataError(
                f"Structure {self.name!r} has the label values {list(self.labels)}; one or several above 0 are needed."
            )

    def mask(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Voxels of a label image (any shape) that belong to the structure."""
        return np.isin(labels, self.labels)


@dataclass(frozen=True)
class LabelSet:
    """What is evaluated in a data set, and how its files end.

    Attributes:
        structures: named label values.
        ignore_label: the label value for `ignore`, if the data set has one.
        file_ending: of predictions and references.
        known_values: every label value the data set has; None: not known, so any value is accepted.
    """

    structures: tuple[Structure, ...]
    ignore_label: int | None = None
    file_ending: str = ".nii.gz"
    known_values: frozenset[int] | None = None


def described(structures: Sequence[Structure]) -> str:
    """List structures with their label values, the first of many, for a message."""
    texts = [f"{one.name} {'+'.join(map(str, one.labels))}" for one in structures[:MOST_DESCRIBED]]
    more = f" and {len(structures) - MOST_DESCRIBED} more" if len(structures) > MOST_DESCRIBED else ""
    return ", ".join(texts) + more


def other_labels(first: Sequence[Structure], second: Sequence[Structure]) -> tuple[str, str, str]:
    """Describe two sets of structures that are not the same, and say what is likely.

    Args:
        first: of one data set.
        second: of the other.

    Returns:
        What each of them has, without what both have where they are many, and the likely reason.
    """
    shared = set(first) & set(second)
    if max(len(first), len(second)) > MOST_DESCRIBED:
        sides = [[one for one in side if one not in shared] for side in (first, second)]
    else:
        sides = [list(first), list(second)]
    names = {one.name for one in first} & {one.name for one in second}
    if shared == set(first) or shared == set(second):
        reason = "One has all labels of the other and more: perhaps an earlier version of the same data set."
    elif names == {one.name for one in first} == {one.name for one in second}:
        reason = "The names are the same and the values are not: perhaps one data set was numbered anew."
    elif names:
        reason = "They share some names only: perhaps two versions of a data set, or two data sets of one organ."
    else:
        reason = "They have no name in common: most likely these are two different data sets."
    first_text, second_text = (described(side) or "nothing besides" for side in sides)
    return first_text, second_text, reason


def read_label_set(path: Path) -> LabelSet:
    """Read the structures from nnU-Net's dataset.json; background and `ignore` are no structures.

    Raises:
        DataError: if the file is missing or is not a dataset.json.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        labels, ending = content["labels"], content["file_ending"]
    except FileNotFoundError as error:
        raise DataError(f"{path} does not exist; it is nnU-Net's dataset.json and names the labels.") from error
    except ValueError as error:
        raise DataError(f"{path} is no JSON file ({error}); nnU-Net's dataset.json is needed.") from error
    except (KeyError, TypeError) as error:
        raise DataError(f"{path} is no dataset.json with `labels` and `file_ending`: {error!r}.") from error
    return label_set(labels, file_ending=ending)


def label_set(labels: Mapping[str, int | list[int]], *, file_ending: str = ".nii.gz") -> LabelSet:
    """Build a label set from the `labels` of a dataset.json: names to one value, or to several for regions.

    Raises:
        DataError: if there is no structure, or a structure's values are impossible.
    """
    try:
        values = {name: tuple(int(value) for value in np.atleast_1d(entry)) for name, entry in labels.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise DataError(f"The labels {labels} are no names with whole numbers or lists of these: {error}.") from error
    structures = tuple(Structure(name, entry) for name, entry in values.items() if name not in NOT_EVALUATED)
    if not structures:
        raise DataError(f"The labels {dict(labels)} hold no structure besides {' and '.join(NOT_EVALUATED)}.")
    ignore = labels.get("ignore")
    known = frozenset({0}.union(*values.values()))
    return LabelSet(structures, ignore if isinstance(ignore, int) else None, file_ending, known)
