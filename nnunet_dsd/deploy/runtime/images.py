"""Reading images and writing label maps, whole or not at all."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK
from numpy.typing import NDArray

from nnunet_dsd.common.files import PARTIAL_PREFIX, whole_file
from nnunet_dsd.deploy.runtime.description import Description
from nnunet_dsd.deploy.runtime.headers import check_nifti
from nnunet_dsd.graphs.runtime.folders import DeployedModelError

FLAT = 999.0  # nnU-Net gives a flat image slices as thick as this many pixels


@dataclass(frozen=True)
class Case:
    """An image: its name, and a file for each channel, or one with all."""

    name: str
    files: tuple[Path, ...]


@dataclass(frozen=True)
class Geometry:
    """Where an image lies: voxel size in mm, origin and direction as in its file; None: it has none."""

    spacing: tuple[float, ...] | None
    origin: tuple[float, ...] | None
    direction: tuple[float, ...] | None


def find_cases(images: Path, ending: str) -> list[Case]:
    """Return the cases among images named `CASE_0000` with an ending, a file for each channel, in order.

    Args:
        images: A folder, or one file.
        ending: Such as `.nii.gz`.

    Raises:
        DeployedModelError: if there are none.
    """
    if not images.exists():
        raise DeployedModelError(f"there is no {images}")
    paths = sorted(images.iterdir()) if images.is_dir() else [images]
    by_name: dict[str, list[Path]] = {}
    for path in paths:
        named = re.fullmatch(rf"(.+)_\d{{4}}{re.escape(ending)}", path.name)
        if named and not path.name.startswith(PARTIAL_PREFIX):
            by_name.setdefault(named[1], []).append(path)
    if not by_name:
        raise DeployedModelError(f"{images}: no images named such as CASE_0000{ending}, a file for each channel")
    return [Case(name, tuple(channels)) for name, channels in by_name.items()]


def read_image(case: Case, description: Description) -> tuple[NDArray[np.float32], tuple[float, ...], Geometry]:
    """Return a case's channels `(C, *S)`, its spacing in mm in the order of S, and where it lies.

    Raises:
        DeployedModelError: if it cannot be read, or its channels are not the model's or not of one size and spacing.
    """
    names = [path.name for path in case.files]
    expected = [f"{case.name}_{number:04d}{description.file_ending}" for number in range(len(names))]
    if names != expected:
        raise DeployedModelError(f"its channels are {', '.join(names)}, expected {', '.join(expected)}")
    read = [_read(path) for path in case.files]
    if len({(array.shape[1:], geometry) for array, geometry in read}) > 1:
        raise DeployedModelError("its channels differ in size, spacing, origin or direction")
    array = np.vstack([one for one, _ in read], dtype=np.float32, casting="unsafe")
    if len(array) != len(description.channels):
        raise DeployedModelError(
            f"{len(array)} image channels, expected {len(description.channels)} "
            f"({', '.join(description.channels)}) in files such as {case.name}_0000{description.file_ending}"
        )
    geometry = read[0][1]
    if description.reader == "picture" or geometry.spacing is None:
        return array, (FLAT, 1.0, 1.0), Geometry(None, None, None)
    edges = [abs(value) for value in geometry.spacing[::-1]]
    if len(edges) == 2 and len(description.patch_size) == 3:
        raise DeployedModelError("it is a flat image, and the model takes volumes")
    if len(edges) == 2:
        edges = [FLAT * max(edges), *edges]
    spacing = tuple(edges)
    if not all(np.isfinite(edge) and edge > 0 for edge in spacing):
        raise DeployedModelError(f"its voxels are {spacing} mm; write the right spacing into its file")
    return array, spacing, geometry


def _read(path: Path) -> tuple[NDArray[Any], Geometry]:
    check_nifti(path)
    try:
        image = SimpleITK.ReadImage(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise DeployedModelError(f"{path} cannot be read ({reason})") from error
    array = SimpleITK.GetArrayFromImage(image)
    if image.GetNumberOfComponentsPerPixel() > 1:  # a picture's colours are its channels
        array = np.moveaxis(array, -1, 0)
        array = array[:, None] if array.ndim == 3 else array
    elif array.ndim < 4:
        array = array.reshape((1,) * (4 - array.ndim) + array.shape)
    axes = image.GetDimension()
    if axes < 4:
        return array, Geometry(image.GetSpacing(), image.GetOrigin(), image.GetDirection())
    turned = np.reshape(image.GetDirection(), (axes, axes))[:3, :3].ravel()  # the fourth axis are channels
    return array, Geometry(image.GetSpacing()[:3], image.GetOrigin()[:3], tuple(turned.tolist()))


def write_labels(labels: NDArray[Any], geometry: Geometry, path: Path) -> None:
    """Write a label map `(*S)`, three axes, where its image lies, as a whole or not at all.

    Raises:
        DeployedModelError: if it cannot be written, as on a full disk.
    """
    flat = geometry.spacing is None or len(geometry.spacing) == 2
    image = SimpleITK.GetImageFromArray(labels[0] if flat else labels)
    if geometry.spacing is not None:
        image.SetSpacing(geometry.spacing)
        image.SetOrigin(geometry.origin)
        image.SetDirection(geometry.direction)
    try:
        with whole_file(path) as partial:
            SimpleITK.WriteImage(image, str(partial), True)
            _require_same(partial, image)
    except (RuntimeError, OSError) as error:
        reason = str(error).strip().splitlines()[-1]
        raise DeployedModelError(f"{path} cannot be written ({reason}); is the disk full?") from error


def _require_same(path: Path, image: Any) -> None:
    """Read a file again: on a full disk SimpleITK writes a part, or nothing, and does not say so.

    Raises:
        OSError: if it is not what was written.
    """
    written = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    if not np.array_equal(written, SimpleITK.GetArrayFromImage(image)):
        raise OSError("what was written is not what is there")


def missing_outputs(cases: Sequence[Case], folder: Path, ending: str) -> list[Case]:
    """Return the cases that have no label map in a folder yet."""
    return [case for case in cases if not (folder / f"{case.name}{ending}").is_file()]
