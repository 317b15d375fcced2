"""Images without labels: finding them, and refusing those that cannot be used."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from nnunet_dsd.common.counting import counted, some
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.readers.reader import Reader
from nnunet_dsd.labelling.copies import copies_among

Images = dict[str, tuple[Path, ...]]

_some = partial(some, most=5)  # examples in a message
RESERVED = ("_seg", "_disagreement")  # so end the names of files beside an image


def find_images(folder: Path, dataset_json: Mapping[str, Any]) -> Images:
    """Return the files of each case in a folder of nnU-Net's naming, `CASE_0000` and so on, by name.

    Raises:
        DataError: if there is none, a name is no such name, or a case lacks a channel; all reasons at once.
    """
    ending, channels = dataset_json["file_ending"], len(dataset_json["channel_names"])
    found, misnamed = _by_case(folder, ending)
    problems = []
    if not found:
        others = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
        there = f"it holds {_some(others)}" if others else "it is empty"
        problems.append(f"{folder} holds no image named in nnU-Net's way, such as CASE_0000{ending}: {there}")
    elif misnamed:
        problems.append(
            f"{folder} holds images that are not named in nnU-Net's way, such as CASE_0000{ending}: {_some(misnamed)}. "
            "Rename them, or take them out of the folder"
        )
    incomplete = [_channels_of(name, files) for name, files in found.items() if not _is_whole(files, channels)]
    if incomplete:
        expected = f"one file with all or {channels}, from _0000 to _{channels - 1:04}" if channels > 1 else "_0000"
        problems.append(f"{folder}: expected of each case {expected}; {_some(incomplete)}")
    reserved = [name for name in found if name.endswith(RESERVED)]
    if reserved:
        problems.append(f"names of cases must not end in {' or '.join(RESERVED)}: {_some(reserved)}. Rename them")
    if problems:
        raise DataError("; ".join(problems))
    return {name: tuple(files.values()) for name, files in found.items()}


def case_images(folder: Path, names: Collection[str] | None, dataset_json: Mapping[str, Any]) -> Images:
    """Return the files of the named cases of a folder, or of all, those that are there."""
    found = _by_case(folder, dataset_json["file_ending"])[0] if folder.is_dir() else {}
    return {name: tuple(files.values()) for name, files in found.items() if names is None or name in names}


def _by_case(folder: Path, ending: str) -> tuple[dict[str, dict[int, Path]], list[str]]:
    """Return the files of each case by channel, and the files with the ending that are named otherwise."""
    pattern = re.compile(rf"(.+)_(\d{{4}}){re.escape(ending)}", re.DOTALL)
    found: dict[str, dict[int, Path]] = {}
    misnamed = []
    for path in sorted(folder.iterdir()):
        if not path.name.endswith(ending) or path.name.startswith(".") or path.is_dir():
            continue
        if match := pattern.fullmatch(path.name):
            found.setdefault(match[1], {})[int(match[2])] = path
        else:
            misnamed.append(path.name)
    return found, misnamed


def _is_whole(files: Mapping[int, Path], channels: int) -> bool:
    return list(files) in ([0], list(range(channels)))


def _channels_of(name: str, files: Mapping[int, Path]) -> str:
    return f"{name} has {', '.join(f'_{channel:04}' for channel in files)}"


def refuse_known_images(unlabelled: Images, known: Images, names: Collection[str]) -> None:
    """Refuse images that are cases of the data set already, by name or by content.

    Args:
        unlabelled: Images without labels.
        known: The data set's own that are there, labelled or for the test, by what a message calls them.
        names: Of all cases of the data set.

    Raises:
        DataError: naming them.
    """
    twice = [name for name in unlabelled if name in names]
    others = {name: paths[0] for name, paths in unlabelled.items() if name not in twice}
    copies = copies_among(others, {name: paths[0] for name, paths in known.items()})
    problems = [f"{name} is a case of the data set" for name in twice]
    problems += [f"{name} is a copy of {other}" for name, other in copies.items()]
    if problems:
        raise DataError(
            f"{counted(len(problems), 'image')} without labels cannot be used: {_some(problems, separator='; ')}. Take "
            "them out of the folder"
        )


def refuse_unfitting_images(images: Images, reader: Reader | None, *, channels: int) -> None:
    """Refuse images that cannot be read, or have other channels, from their headers alone.

    Args:
        images: By case.
        reader: nnU-Net's reader; None: it has one of its own, which finds out when it reads them.
        channels: How many a case has.

    Raises:
        DataError: naming every one of them.
    """
    if reader is None:
        return
    problems = []
    for name, paths in images.items():
        try:
            layouts = [reader.inspect(path) for path in paths]
        except DataError as error:
            problems.append(str(error))
            continue
        found = sum(layout.channels for layout in layouts)
        if found != channels:
            problems.append(f"{name} has {counted(found, 'channel')}, the data set {channels}")
        first, *others = (layout.geometry for layout in layouts)
        if any(other.size != first.size or not np.allclose(other.spacing_mm, first.spacing_mm) for other in others):
            problems.append(
                f"the channels of {name} have voxels of other numbers or sizes, and nnU-Net reads no such case"
            )
    if problems:
        raise DataError("; ".join(problems))


def refuse_damaged_images(paths: Iterable[Path], reader: Reader | None) -> None:
    """Refuse images that cannot be read to their end; SimpleITK reads some of them without a word, the rest as zeros.

    Args:
        paths: Of files whose headers can be read.
        reader: nnU-Net's reader; None: it has one of its own.

    Raises:
        DataError: naming every one of them.
    """
    if reader is None:
        return
    problems = []
    for path in paths:
        try:
            reader.read(path)
        except DataError as error:
            problems.append(str(error))
    if problems:
        raise DataError("; ".join(problems))
