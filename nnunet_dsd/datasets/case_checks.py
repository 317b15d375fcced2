"""One case of a source data set, checked: channels, numbers, label values, and where its label lies."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.geometry import geometry_difference
from nnunet_dsd.datasets.labels import LabelValues, inspect_values, translate
from nnunet_dsd.datasets.nifti import count_not_finite, require_whole_file
from nnunet_dsd.datasets.preparation import Preparation, prepared_voxels
from nnunet_dsd.datasets.sources import SourceCase
from nnunet_dsd.datasets.tumour_slices import SliceOrigin, TumourSlices, find_slices, place
from nnunet_dsd.datasets.volumes import Header, has_blank_header, read_header, read_image, split_channels


@dataclass(frozen=True)
class Findings:
    """What the check found.

    Attributes:
        problems: what stops the conversion.
        notes: what the user should know.
        output_bytes: about how much will be written.
        slices: the slices to take, if any.
        sheared: whether an image's axes are not at right angles.
    """

    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    output_bytes: int = 0
    slices: tuple[SliceOrigin, ...] = ()
    sheared: bool = False


def check_case(
    case: SourceCase,
    *,
    channels: int,
    values: LabelValues,
    preparation: Preparation,
    slicing: TumourSlices | None = None,
    same_voxels: bool = False,
) -> Findings:
    """Read a case's files to their ends, check channels, numbers, label values and geometry, and find its slices."""
    problems: list[str] = []
    notes: list[str] = []
    image = _check_volume(case.image, channels, problems)
    label = _check_volume(case.label, 1, problems) if case.label is not None else None
    if case.label is not None and label is not None:
        wrong, notes = inspect_values(case.label, values)
        problems += wrong
    if case.label is not None and image is not None and label is not None:
        _check_place(case.label, image, label, same_voxels=same_voxels, problems=problems, notes=notes)
    if image is not None and not image.geometry.is_orthogonal:
        notes.append(f"{case.image.name}: its axes are not at right angles, and are kept so")
    if problems or image is None:
        return Findings(tuple(problems), tuple(notes))
    if slicing is not None and case.label is not None:
        return _check_slices(case, case.label, image, notes, values=values, slicing=slicing)
    sheared = not image.geometry.is_orthogonal
    return Findings((), tuple(notes), _output_bytes(case, image, preparation), sheared=sheared)


def _check_place(
    path: Path, image: Header, label: Header, *, same_voxels: bool, problems: list[str], notes: list[str]
) -> None:
    """Add a problem where a label does not lie on its image's voxels, or a note where it is taken to do so.

    A blank header is no fault of a file that is otherwise sound. One with other faults may be another image's label.
    """
    difference = geometry_difference(image.geometry, label.geometry)
    if difference is None:
        return
    equal = label.geometry.size == image.geometry.size
    if equal and not problems and has_blank_header(path, label, image):
        notes.append(f"{path.name}: its header does not say where it lies; taken to lie on its image's voxels")
    elif equal and same_voxels:
        notes.append(f"{path.name}: taken to lie on its image's voxels (--same-voxels); its header says: {difference}")
    else:
        advice = ". --same-voxels takes it to lie there, since the sizes are equal" if equal else ""
        problems.append(f"{path} does not lie on its image's voxels: {difference}{advice}")


def _check_slices(
    case: SourceCase, path: Path, image: Header, notes: list[str], *, values: LabelValues, slicing: TumourSlices
) -> Findings:
    """Return the slices of a sound case, with a note where there is none."""
    label = place(translate(split_channels(read_image(path))[0], values), image.geometry)
    slices = find_slices(case.name, label, slicing)
    none = [] if slices else [f"{case.name}: no slice with tumour to take, left out"]
    output_bytes = sum(5 * origin.size[0] * origin.size[1] for origin in slices)  # float image and 8-bit label
    return Findings((), (*notes, *none), output_bytes, slices)


def _output_bytes(case: SourceCase, image: Header, preparation: Preparation) -> int:
    """Return at most how large a case becomes: as its files, or prepared, not compressed, float and 8-bit label."""
    if preparation.changes_nothing:
        return sum(path.stat().st_size for path in (case.image, case.label) if path is not None)
    return 5 * image.channels * prepared_voxels(image.geometry, preparation)


def _check_volume(path: Path, channels: int, problems: list[str]) -> Header | None:
    """Return a file's header, adding what is wrong to the problems; None if it cannot be read."""
    try:
        require_whole_file(path)
        header = read_header(path)
    except DataError as error:
        problems.append(str(error))
        return None
    if header.channels != channels:
        problems.append(f"{path} has {counted(header.channels, 'channel')}, expected {channels}")
    if header.is_floating_point and (voxels := count_not_finite(path)):
        problems.append(f"{path} holds numbers that are not finite in {counted(voxels, 'voxel')}")
    return header
