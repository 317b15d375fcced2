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
    """A structure and the label values it consists of; several values make a region, as in nnU-Net's dataset.json."""

    name: str
    labels: tuple[int, ...]

    def mask(self, labels: NDArray[np.integer[Any]]) -> NDArray[np.bool_]:
        """Voxels of a label image (any shape) that belong to the structure."""
        return np.isin(labels, self.labels)


@dataclass(frozen=True)
class LabelSet:
    """The structures of a data set, its label value for `ignore` if it has one, and how its files end."""

    structures: tuple[Structure, ...]
    ignore_label: int | None = None
    file_ending: str = ".nii.gz"


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
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DataError(f"{path} is no dataset.json with `labels` and `file_ending`: {error!r}.") from error
    return label_set(labels, file_ending=ending)


def label_set(labels: Mapping[str, int | list[int]], *, file_ending: str = ".nii.gz") -> LabelSet:
    """Build a label set from the `labels` of a dataset.json: names to one value, or to several for regions."""
    structures = tuple(
        Structure(name, tuple(int(value) for value in np.atleast_1d(values)))
        for name, values in labels.items()
        if name not in NOT_EVALUATED
    )
    if not structures:
        raise DataError(f"The labels {dict(labels)} hold no structure besides {' and '.join(NOT_EVALUATED)}.")
    ignore = labels.get("ignore")
    return LabelSet(structures, ignore if isinstance(ignore, int) else None, file_ending)
