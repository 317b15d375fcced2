"""Images without labels: finding them, and refusing those that cannot be used."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.hashes import file_hash
from nnunet_dsd.datasets.readers.reader import Reader

Images = dict[str, tuple[Path, ...]]


def find_images(folder: Path, dataset_json: Mapping[str, Any]) -> Images:
    """Return the files of each case in a folder of nnU-Net's naming, `CASE_0000` and so on, by name.

    Raises:
        DataError: if there is none, or a case lacks a channel.
    """
    ending, channels = dataset_json["file_ending"], len(dataset_json["channel_names"])
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.glob(f"*_[0-9][0-9][0-9][0-9]{ending}")):
        found.setdefault(path.name.removesuffix(ending)[:-5], []).append(path)
    if not found:
        raise DataError(f"{folder} holds no image named in nnU-Net's way, such as CASE_0000{ending}")
    incomplete = [name for name, paths in found.items() if len(paths) not in (1, channels)]
    if incomplete:
        raise DataError(
            f"{folder}: expected {counted(channels, 'channel')} of each case, or one file with all; "
            f"{', '.join(f'{name} has {len(found[name])} files' for name in incomplete[:3])}"
        )
    return {name: tuple(paths) for name, paths in found.items()}


def refuse_known_images(unlabelled: Images, known: Images) -> None:
    """Refuse images that are cases of the data set already, by name or by content.

    Args:
        unlabelled: Images without labels.
        known: The data set's own, labelled or for the test.

    Raises:
        DataError: naming them.
    """
    twice = [name for name in unlabelled if name in known]
    sizes: dict[int, list[tuple[str, Path]]] = {}
    for name, paths in known.items():
        sizes.setdefault(paths[0].stat().st_size, []).append((name, paths[0]))
    copies = [
        f"{name} is a copy of {other}"
        for name, paths in unlabelled.items()
        if name not in twice
        for other, path in sizes.get(paths[0].stat().st_size, [])
        if file_hash(path) == file_hash(paths[0])
    ]
    if problems := [*(f"{name} is a case of the data set" for name in twice), *copies]:
        raise DataError(
            f"{counted(len(problems), 'image')} without labels cannot be used: {'; '.join(problems[:5])}"
            f"{'; ...' if len(problems) > 5 else ''}. Take them out of the folder"
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
            found = sum(reader.inspect(path).channels for path in paths)
        except DataError as error:
            problems.append(str(error))
            continue
        if found != channels:
            problems.append(f"{name} has {counted(found, 'channel')}, the data set {channels}")
    if problems:
        raise DataError("; ".join(problems))


def case_images(folder: Path, names: Sequence[str], dataset_json: Mapping[str, Any]) -> Images:
    """Return the files of the named cases of a folder, those that are there."""
    found = find_images(folder, dataset_json) if folder.is_dir() else {}
    return {name: found[name] for name in names if name in found}
