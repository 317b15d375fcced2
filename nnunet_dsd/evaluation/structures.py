"""What is evaluated: named structures, each one label or the union of several (a region)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.errors import DataError

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
