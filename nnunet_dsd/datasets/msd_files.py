"""Files of a task of the Medical Segmentation Decathlon, and its dataset.json."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.json_files import read_json
from nnunet_dsd.datasets.sources import Listing, SourceCase, by_name, pair

# Folders of images and labels: the published layout, and one that copies of single tasks come in.
LAYOUTS = (("imagesTr", "labelsTr"), ("images", "labels"))


@dataclass(frozen=True)
class MsdDescription:
    """What a task's dataset.json says: names of the channels in order, label values by name in rising order."""

    name: str
    channels: tuple[str, ...]
    labels: Mapping[str, int]


@dataclass(frozen=True)
class MsdFiles:
    """A task's labelled cases, its unlabelled test images, and dataset.json if there is one."""

    source: Path
    listing: Listing
    unlabelled: tuple[SourceCase, ...]
    description: MsdDescription | None

    def required_description(self) -> MsdDescription:
        """Return what dataset.json says.

        Raises:
            DataError: if there is none.
        """
        if self.description is None:
            raise DataError(f"{self.source} has no dataset.json, which names channels and labels")
        return self.description


def find_files(source: Path) -> MsdFiles:
    """List a task's files.

    Raises:
        DataError: if the folder has none of the layouts, or its dataset.json is not understood.
    """
    folders = next((layout for layout in LAYOUTS if all((source / name).is_dir() for name in layout)), None)
    if folders is None:
        present = ", ".join(sorted(path.name for path in source.iterdir())[:10]) if source.is_dir() else ""
        found = f"holds {present or 'nothing'}" if source.is_dir() else "is no folder"
        raise DataError(
            f"{source} {found}; expected are imagesTr and labelsTr, or images "
            "and labels. Give the task's own folder, such as Task04_Hippocampus"
        )
    problems: list[str] = []
    images, labels = (by_name((source / name).iterdir(), problems) for name in folders)
    listing = pair(images, labels)
    test = source / "imagesTs"
    unlabelled = by_name(test.iterdir(), problems) if test.is_dir() else {}
    path = source / "dataset.json"
    content = _read_json(path) if path.is_file() else None
    if content is not None:
        problems += _missing_files(source, content)
    return MsdFiles(
        source,
        Listing(listing.cases, problems + listing.problems),
        tuple(SourceCase(name, image, None) for name, image in unlabelled.items()),
        None if content is None else _describe(path, content),
    )


def _read_json(path: Path) -> dict[str, Any]:
    content = read_json(path, broken=lambda reason: f"{path} is no JSON: {reason}")
    if not isinstance(content, dict):
        raise DataError(f"{path} holds {type(content).__name__}, expected an object")
    return content


def _missing_files(source: Path, content: Mapping[str, Any]) -> list[str]:
    """Return which training files dataset.json lists that are not there."""
    training = content.get("training")
    if not isinstance(training, list):
        return []
    entries = [entry for entry in training if isinstance(entry, dict)]
    listed = [Path(str(entry[kind])) for entry in entries for kind in ("image", "label") if kind in entry]
    return [
        f"dataset.json lists {path}, which is not there"
        for path in listed
        if not path.name.startswith(".") and not (source / path).is_file()
    ]


def _describe(path: Path, content: Mapping[str, Any]) -> MsdDescription:
    try:
        channels = _in_order(content["modality"])
        labels = _in_order(content["labels"])
        name = "".join(character for character in str(content["name"]) if character.isalnum())
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{path} is not as MSD writes it ({type(error).__name__}: {error}); expected are name, and modality and "
            "labels that map the numbers 0, 1, ... to names"
        ) from error
    if len(set(labels)) != len(labels):
        raise DataError(f"{path} gives a name to two labels: {', '.join(labels)}")
    return MsdDescription(
        name, channels, {"background": 0, **{label: value for value, label in enumerate(labels) if value}}
    )


def _in_order(names: Mapping[str, str]) -> tuple[str, ...]:
    numbers = sorted(int(number) for number in names)
    if numbers != list(range(len(numbers))):
        raise ValueError(f"numbers {numbers}")
    return tuple(str(names[str(number)]) for number in numbers)
