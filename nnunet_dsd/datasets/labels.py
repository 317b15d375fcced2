"""Label values of a source data set and the values they become."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from nnunet_dsd.common.counting import counted
from nnunet_dsd.datasets.volumes import read_image

MOST_VALUES_LISTED = 8


@dataclass(frozen=True)
class LabelValues:
    """Which values a label image may hold.

    Attributes:
        targets: value in the source -> value to write, 0 to 255.
        corrections: value that was released by mistake -> the value of the source that was meant.
    """

    targets: Mapping[int, int]
    corrections: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def unchanged(cls, count: int) -> LabelValues:
        """The values 0 to `count` - 1, as they are."""
        return cls({value: value for value in range(count)})


def count_values(array: NDArray[Any]) -> dict[float, int]:
    """Return how many voxels of a label of shape (Z, Y, X) hold each value, in rising order."""
    counts: Counter[float] = Counter()
    for plane in array:
        values, numbers = np.unique(plane, return_counts=True)
        counts.update({float(value): int(number) for value, number in zip(values, numbers, strict=True)})
    return dict(sorted(counts.items()))


def inspect_values(path: Path, values: LabelValues) -> tuple[list[str], list[str]]:
    """Read a label image; return problems (values not allowed) and notes (values to be corrected, empty labels).

    Raises:
        DataError: if it cannot be read.
    """
    image = read_image(path)
    counts = count_values(sitk.GetArrayViewFromImage(image))
    unknown = [value for value in counts if value not in values.targets and value not in values.corrections]
    problems = [f"{path} holds {_listed(unknown, counts)}; allowed are {_allowed(values)}"] if unknown else []
    notes = [
        f"{path.name}: {wrong} is taken as {meant} in {counted(counts[wrong], 'voxel')}"
        for wrong, meant in values.corrections.items()
        if wrong in counts
    ]
    if set(counts) == {0.0}:
        notes.append(f"{path.name}: nothing but background")
    return problems, notes


def _listed(unknown: list[float], counts: Mapping[float, int]) -> str:
    shown = ", ".join(
        f"the value {value:g} in {counted(counts[value], 'voxel')}" for value in unknown[:MOST_VALUES_LISTED]
    )
    more = len(unknown) - MOST_VALUES_LISTED
    return f"{shown} and {more} other values" if more > 0 else shown


def _allowed(values: LabelValues) -> str:
    return ", ".join(str(value) for value in values.targets)


def translate(label: sitk.Image, values: LabelValues) -> sitk.Image:
    """Return a label image of 8-bit values as they are to be written, with the same geometry."""
    source = sitk.GetArrayViewFromImage(label)
    written = np.zeros(source.shape, np.uint8)
    meant = {**values.targets, **{wrong: values.targets[right] for wrong, right in values.corrections.items()}}
    for value, target in meant.items():
        if target:
            written[source == value] = target
    image = sitk.GetImageFromArray(written)
    image.CopyInformation(label)
    return image
