"""What is evaluated: named structures, each one label or the union of several (a region)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.datasets.names import FILE_ENDING, image_path, label_path
from nnunet_dsd.datasets.readers.choice import OVERWRITE_KEY, named_reader
from nnunet_dsd.datasets.readers.reader import Reader

MOST_DESCRIBED = 16
BACKGROUND, IGNORE = "background", "ignore"  # no structures
RESERVED = {"background": BACKGROUND, "ignore": IGNORE, "ignored": IGNORE, "ignorelabel": IGNORE}
RESERVED_FOR = {BACKGROUND: "the value 0", IGNORE: "voxels to leave out"}


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
        reader: nnU-Net's reader that the data set names; None: nnU-Net chooses by the ending and tries.
        unknown_reader: the name in the data set that is none of nnU-Net's readers, if it has one.
    """

    structures: tuple[Structure, ...]
    ignore_label: int | None = None
    file_ending: str = FILE_ENDING
    known_values: frozenset[int] | None = None
    reader: Reader | None = None
    unknown_reader: str | None = None

    def image_path(self, folder: Path, case: str) -> Path:
        """Path of the first channel of a case's image."""
        return image_path(folder, case, ending=self.file_ending)

    def label_path(self, folder: Path, case: str) -> Path:
        """Path of a case's reference or prediction."""
        return label_path(folder, case, ending=self.file_ending)

    def read_by(self, name: str) -> LabelSet:
        """Return the same with nnU-Net's reader of this name.

        Raises:
            DataError: if nnU-Net has none of that name.
        """
        return replace(self, reader=named_reader(name))


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
        DataError: if the file is missing, cannot be read, is not a dataset.json, or is one of nnU-Net v1.
    """
    content = read_json(
        path,
        missing=f"{path} does not exist; it is nnU-Net's dataset.json and names the labels.",
        unreadable=lambda reason: f"{path}, nnU-Net's dataset.json, cannot be read: {reason}.",
        broken=lambda reason: f"{path} is no JSON file ({reason}); nnU-Net's dataset.json is needed.",
    )
    if _is_of_version_1(content):
        raise DataError(
            f"{path} is of nnU-Net v1 or of the Medical Segmentation Decathlon: its labels go from values to names. "
            "Convert the data set with nnUNetv2_convert_old_nnUNet_dataset or nnUNetv2_convert_MSD_dataset, and give "
            "the dataset.json that this writes."
        )
    lacking = [key for key in ("labels", "file_ending") if not isinstance(content, dict) or key not in content]
    if lacking:
        raise DataError(f"{path} is no dataset.json of nnU-Net: it has no {' and no '.join(map(repr, lacking))}.")
    try:
        found = label_set(content["labels"], file_ending=content["file_ending"])
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    name = content.get(OVERWRITE_KEY)
    try:
        return replace(found, reader=named_reader(name))
    except DataError:
        return replace(found, unknown_reader=str(name))


def _is_of_version_1(content: Any) -> bool:
    """Whether labels go from values to names, or channels are called `modality`, as before nnU-Net 2."""
    if not isinstance(content, dict):
        return False
    labels = content.get("labels")
    turned = isinstance(labels, dict) and bool(labels) and all(_is_turned(*entry) for entry in labels.items())
    return turned or ("modality" in content and "channel_names" not in content and "file_ending" not in content)


def _is_turned(key: str, entry: Any) -> bool:
    return key.isdecimal() and isinstance(entry, str) and not entry.isdecimal()


def almost_reserved(names: Iterable[str]) -> list[str]:
    """Return a sentence for each name that is nearly one of nnU-Net's two words of no structure, and so is one."""
    meant = {name: RESERVED.get(re.sub(r"[\W_]+", "", name).casefold()) for name in names}
    return [
        f"{name!r} is taken as the name of a structure; nnU-Net's word for {RESERVED_FOR[word]} is `{word}`"
        for name, word in meant.items()
        if word is not None and name != word
    ]


def label_set(labels: Mapping[str, int | list[int]], *, file_ending: str = ".nii.gz") -> LabelSet:
    """Build a label set from the `labels` of a dataset.json: names to one value, or to several for regions.

    Raises:
        DataError: if there is no structure, a structure's values are impossible, or `ignore` is not one value above 0
            that no structure has.
    """
    if not isinstance(labels, Mapping):
        raise DataError(f"The labels {labels!r} are no names with whole numbers or lists of these.")
    ignore = _ignore_label(labels.get(IGNORE))
    values = {name: _values(name, entry) for name, entry in labels.items() if name != IGNORE}
    if mistaken := almost_reserved(name for name, entry in values.items() if min(entry, default=0) < 1):
        raise DataError(f"{'; '.join(mistaken)}. A structure's values are above 0.")
    structures = tuple(Structure(name, entry) for name, entry in values.items() if name != BACKGROUND)
    if not structures:
        raise DataError(f"The labels {dict(labels)} hold no structure besides {BACKGROUND} and {IGNORE}.")
    sharing = [structure.name for structure in structures if ignore in structure.labels]
    if sharing:
        raise DataError(
            f"The value {ignore} is left out as `{IGNORE}`, and is a value of {', '.join(sharing)} as well; it can be "
            "one of the two only."
        )
    known = frozenset({0}.union(*values.values(), () if ignore is None else (ignore,)))
    return LabelSet(structures, ignore, file_ending, known)


def _ignore_label(entry: Any) -> int | None:
    """Return the value to leave out, under nnU-Net's rule: one whole number, no list and no text."""
    if entry is None or (_is_whole(entry) and not isinstance(entry, str) and entry > 0):
        return None if entry is None else int(entry)
    raise DataError(
        f"`{IGNORE}` is {entry!r}; nnU-Net takes one whole number above 0 and no list or text, and so does an "
        "evaluation. To leave out several values, give their voxels one value in the references."
    )


def _values(name: str, entry: Any) -> tuple[int, ...]:
    """Return the label values of a name; digits in a text are taken as nnU-Net takes them."""
    entries = entry if isinstance(entry, list | tuple) else [entry]
    if not all(_is_whole(value) for value in entries):
        raise DataError(f"The label {name!r} is {entry!r}; a whole number or a list of these is needed.")
    return tuple(int(value) for value in entries)


def _is_whole(value: Any) -> bool:
    if isinstance(value, str):
        return value.isascii() and value.isdecimal()
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
