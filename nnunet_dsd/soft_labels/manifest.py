"""What a set of soft labels is of: the data they lie on, the models that made them, and who labels which case."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import write_json
from nnunet_dsd.common.json_files import Table, is_count, is_text, read_json
from nnunet_dsd.soft_labels.codec import Layout
from nnunet_dsd.soft_labels.names import MANIFEST

VERSION = 1


@dataclass(frozen=True)
class TeacherRecord:
    """One finished model.

    Attributes:
        model: Name of the model folder, `TRAINER__PLANS__CONFIGURATION`.
        fold: Which of its folds.
        checkpoint: Which of the fold's checkpoints.
        weights: Hash of its weights.
        trained_on: The data set's cases that it learned from.
    """

    model: str
    fold: str
    checkpoint: str
    weights: str
    trained_on: tuple[str, ...]

    @property
    def name(self) -> str:
        """The model and its fold, for messages."""
        return f"{self.model}, fold {self.fold}"


@dataclass(frozen=True)
class Manifest:
    """A set of soft labels.

    Attributes:
        dataset: `DatasetNNN_NAME`.
        preparation: Everything in plans that decides what preprocessed images look like.
        classes: K, classes with the background, or regions.
        regions: Channels are regions.
        channels: Image channels.
        mirroring: Predictions are the mean over mirrored images.
        in_sample: Cases may be labelled by models that were trained on them.
        teachers: All models.
        labelled: For each case of the data set that has soft labels, the positions of its teachers among `teachers`.
        unlabelled: Cases without labels, which all teachers label.
    """

    dataset: str
    preparation: Mapping[str, Any]
    classes: int
    regions: bool
    channels: int
    mirroring: bool
    in_sample: bool
    teachers: tuple[TeacherRecord, ...]
    labelled: Mapping[str, tuple[int, ...]]
    unlabelled: tuple[str, ...]

    @property
    def layout(self) -> Layout:
        """How the files hold probabilities."""
        return Layout(self.classes, self.regions)

    @property
    def cases(self) -> tuple[str, ...]:
        """Every case that has soft labels, the data set's own first; names are unique."""
        return (*self.labelled, *self.unlabelled)

    def teachers_of(self, case: str) -> tuple[int, ...]:
        """Return the positions of the teachers that label a case."""
        return self.labelled.get(case, tuple(range(len(self.teachers))))

    def leaks(self) -> list[str]:
        """Say which cases are labelled by a model that was trained on them; nothing where that was asked for."""
        if self.in_sample:
            return []
        return [
            f"'{case}' is labelled by {self.teachers[position].name}, which was trained on it"
            for case, positions in self.labelled.items()
            for position in positions
            if case in self.teachers[position].trained_on
        ]

    def as_json(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {"version": VERSION, **dataclasses.asdict(self)}

    def write(self, folder: Path) -> None:
        """Write the manifest of a set, whole or not at all."""
        write_json(folder / MANIFEST, self.as_json())


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a set.

    Raises:
        DataError: if it is missing, broken or says impossible things; all reasons at once.
    """
    path = folder / MANIFEST
    content = read_json(
        path,
        broken=lambda reason: f"{path} cannot be read ({reason}); make the soft labels anew",
        missing=f"there are no soft labels in {folder}: it has no {MANIFEST}. Make some with `nnunet-dsd soft-labels`",
    )
    problems: list[str] = []
    table = Table(content, str(path), ("version", *(spec.name for spec in dataclasses.fields(Manifest))), problems)
    table.required("version", f"{VERSION}; update this package", lambda value: value == VERSION, VERSION)
    teachers = table.required("teachers", "a list of models", _is_list_of_objects, [])
    manifest = Manifest(
        dataset=table.required("dataset", "the data set's name", is_text, ""),
        preparation=table.required("preparation", "an object", _is_object, {}),
        classes=table.required("classes", "a number of classes", lambda value: is_count(value, 1), 1),
        regions=table.required("regions", "true or false", _is_flag, False),
        channels=table.required("channels", "a number of channels", lambda value: is_count(value, 1), 1),
        mirroring=table.required("mirroring", "true or false", _is_flag, False),
        in_sample=table.required("in_sample", "true or false", _is_flag, False),
        teachers=tuple(_teacher(entry, f"{path}, teacher {n}", problems) for n, entry in enumerate(teachers)),
        labelled=_positions(table.required("labelled", "an object", _is_object, {}), len(teachers), path, problems),
        unlabelled=tuple(table.required("unlabelled", "a list of names", _is_names, [])),
    )
    problems += [f"{path}: {leak}" for leak in manifest.leaks()]
    if problems:
        raise DataError("; ".join(problems))
    return manifest


def _teacher(content: object, where: str, problems: list[str]) -> TeacherRecord:
    names = tuple(spec.name for spec in dataclasses.fields(TeacherRecord))
    table = Table(content, where, names, problems)
    texts = {name: table.required(name, "text", is_text, "") for name in names[:-1]}
    return TeacherRecord(**texts, trained_on=tuple(table.required("trained_on", "a list of names", _is_names, [])))


def _positions(
    content: Mapping[str, Any], teachers: int, path: Path, problems: list[str]
) -> dict[str, tuple[int, ...]]:
    good = {}
    for case, positions in content.items():
        if isinstance(positions, list) and positions and all(is_count(p, 0, teachers - 1) for p in positions):
            good[case] = tuple(positions)
        else:
            problems.append(f"{path}: the teachers of '{case}' are {positions!r}, expected numbers below {teachers}")
    return good


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, Mapping) for item in value)
