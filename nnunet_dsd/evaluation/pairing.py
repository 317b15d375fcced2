"""Which prediction belongs to which reference, and whether the two lie on the same voxels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, MisfitError
from nnunet_dsd.datasets.geometry import Geometry
from nnunet_dsd.datasets.names import label_path
from nnunet_dsd.datasets.readers.reader import Reader
from nnunet_dsd.evaluation.images import geometry_differences, read_geometry
from nnunet_dsd.evaluation.measures import LengthUnit

MOST_IN_FULL = 5
# What nnU-Net leaves beside its predictions: nnUNetv2_predict, and the validation of a training.
LEFT_BY_NNUNET = ("predict_from_raw_data_args.json", "summary.json")
REPAIR = (
    "Repair these files or copy them again, then evaluate again. To evaluate without them, move them to another "
    "folder; where it is the prediction that you move, give --allow-missing as well."
)

CHOOSE = (
    "Evaluate images with the dataset.json and the plans of their own data set: --dataset-json names another "
    "dataset.json; plans.json lies in PREDICTIONS, or in the model folder that holds them."
)


@dataclass(frozen=True)
class Pairs:
    """The cases of two folders, by name and sorted.

    Attributes:
        cases: those with a prediction and a reference.
        missing: those with a reference only.
        unreferenced: those with a prediction only.
    """

    cases: tuple[str, ...]
    missing: tuple[str, ...]
    unreferenced: tuple[str, ...]


@dataclass(frozen=True)
class Extent:
    """What the headers of an evaluation's references say.

    Attributes:
        length_unit: mm where all references say how large a voxel is, voxels where none does.
        voxels: how many there are, over all references that have a prediction.
    """

    length_unit: LengthUnit
    voxels: int


@dataclass
class _Headers:
    """What was found in the headers of predictions and references.

    Attributes:
        references: geometry of each case's reference, where both of its files could be read.
        unreadable: an error per file that could not be read.
        elsewhere: a message per prediction that does not lie on its reference's voxels.
    """

    references: dict[str, Geometry] = field(default_factory=dict)
    unreadable: list[DataError] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)


def require_order(predictions: Path, references: Path) -> None:
    """Check that the two folders are not given the wrong way round, by the files that nnU-Net leaves in predictions.

    Raises:
        DataError: if only the folder of references holds one.
    """
    left = [name for name in LEFT_BY_NNUNET if (references / name).is_file()]
    if left and not any((predictions / name).is_file() for name in LEFT_BY_NNUNET):
        raise DataError(
            f"{references} was given as the folder of references, but nnU-Net wrote predictions into it (it holds "
            f"{left[0]}), and {predictions} was given as the folder of predictions. The order is: nnunet-dsd "
            f"evaluate PREDICTIONS REFERENCES. If predictions are to be the references, copy the label images alone."
        )


def pair_folders(predictions: Path, references: Path, file_ending: str) -> Pairs:
    """Pair the files of two folders by their names.

    Raises:
        DataError: if a folder does not exist, or holds no such file.
    """
    predicted = _case_names(predictions, file_ending, kind="prediction")
    expected = _case_names(references, file_ending, kind="reference")
    return Pairs(
        cases=tuple(sorted(predicted & expected)),
        missing=tuple(sorted(expected - predicted)),
        unreferenced=tuple(sorted(predicted - expected)),
    )


def require_evaluable(
    pairs: Pairs,
    predictions: Path,
    references: Path,
    file_ending: str,
    *,
    allow_missing: bool,
    reader: Reader | None = None,
) -> Extent:
    """Check, before any image is read, that predictions are there and have their references' geometry.

    Args:
        pairs: of the two folders.
        predictions: folder.
        references: folder.
        file_ending: of both.
        allow_missing: accept references without a prediction, as long as one has one.
        reader: of both; None takes the one that nnU-Net chooses for a file.

    Raises:
        DataError: with everything that was found.
    """
    if not pairs.cases:
        raise DataError(_nothing_common(pairs, predictions, references, file_ending))
    missing = () if allow_missing else pairs.missing
    problems = [f"{name}{file_ending} has no prediction in {predictions}" for name in missing]
    advice = ["Predict the missing cases, or leave them out with --allow-missing."] if missing else []
    found = _read_headers(pairs.cases, predictions, references, file_ending, reader)
    unreadable = [str(error) for error in found.unreadable]
    if unreadable:
        advice.append(file_advice(not isinstance(error, MisfitError) for error in found.unreadable))
    if found.elsewhere:
        advice.append("Predict from the images the references were drawn on, or resample the predictions onto them.")
    if problems or unreadable or found.elsewhere:
        raise_problems([*problems, *unreadable, *_shortened(found.elsewhere)], " ".join(advice))
    voxels = sum(math.prod(geometry.size) for geometry in found.references.values())
    return Extent(_length_unit(found.references, file_ending), voxels)


def _length_unit(references: Mapping[str, Geometry], file_ending: str) -> LengthUnit:
    """Return the unit of lengths of all references; raise where some say how large a voxel is and others do not."""
    physical = [case for case, geometry in references.items() if geometry.is_physical]
    others = [case for case in references if case not in set(physical)]
    if physical and others:
        raise DataError(
            f"{len(physical)} references have a spacing, such as {physical[0]}{file_ending}, and "
            f"{len(others)} have none, such as {others[0]}{file_ending}: lengths in mm and in voxels "
            'make no mean. Put a spacing file {"spacing": [z, y, x]} beside each reference, or beside none.'
        )
    return "voxels" if others else "mm"


def _read_headers(
    cases: Sequence[str], predictions: Path, references: Path, file_ending: str, reader: Reader | None
) -> _Headers:
    """Read the headers of all cases, and compare each prediction's with its reference's."""
    found = _Headers()
    for case in cases:
        geometries: dict[Path, Geometry] = {}
        for path in (label_path(each, case, ending=file_ending) for each in (predictions, references)):
            try:
                geometries[path] = read_geometry(path, reader, "labels")
            except DataError as error:
                found.unreadable.append(error)
        if len(geometries) == 2:
            prediction, reference = geometries
            found.references[case] = geometries[reference]
            differences = geometry_differences(*geometries.values())
            head = f"{prediction} does not lie on its reference's voxels:"
            found.elsewhere += ["\n".join([head, *differences])] if differences else []
    return found


def _nothing_common(pairs: Pairs, predictions: Path, references: Path, file_ending: str) -> str:
    """Say that no prediction has a reference's name, with the first names of both sides."""
    return (
        f"No prediction has the name of a reference, so there is no evaluation:\n"
        f"  - {predictions} holds {_first(pairs.unreferenced, file_ending)}\n"
        f"  - {references} holds {_first(pairs.missing, file_ending)}\n"
        f"A prediction is named like its reference, for example {pairs.missing[0]}{file_ending}. Give two folders of "
        "the same cases, or rename the predictions; nnUNetv2_predict names them after the images of its input folder, "
        "without the channel's _0000."
    )


def _first(names: Sequence[str], file_ending: str) -> str:
    """List the first names, and how many there are beyond them."""
    more = f" and {len(names) - MOST_IN_FULL} more" if len(names) > MOST_IN_FULL else ""
    return ", ".join(f"{name}{file_ending}" for name in names[:MOST_IN_FULL]) + more


def _shortened(problems: Sequence[str]) -> list[str]:
    """Return the first problems of several lines in full, and of the others the first line only."""
    return [*problems[:MOST_IN_FULL], *(problem.partition("\n")[0] for problem in problems[MOST_IN_FULL:])]


def file_advice(fitting: Iterable[bool]) -> str:
    """Return what to do about faulty files, by whether each of them fits the data set and so must be damaged."""
    kinds = set(fitting)
    return " ".join([*([CHOOSE] if False in kinds else []), *([REPAIR] if True in kinds else [])])


def raise_problems(problems: Sequence[str], advice: str) -> None:
    """Raise one error that lists all problems.

    Raises:
        DataError: always.
    """
    listed = "\n".join("  - " + problem.replace("\n", "\n    ") for problem in problems)
    raise DataError(
        f"{counted(len(problems), 'problem')} with the files, so there is no evaluation:\n{listed}\n{advice}"
    )


def _case_names(folder: Path, file_ending: str, *, kind: str) -> set[str]:
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; the one with the {kind}s is needed.")
    names = {path.name for path in folder.glob(f"*{file_ending}") if path.is_file() and not path.name.startswith(".")}
    if not names:
        raise DataError(
            f"{folder} holds no {kind} ending in {file_ending}, but {_endings(folder)}; give the folder with the label "
            "images, or a dataset.json with their `file_ending`."
        )
    return {name[: -len(file_ending)] for name in names}


def _endings(folder: Path) -> str:
    """Name the first endings of a folder's files, such as `.nii.gz` for `a.nii.gz`."""
    files = [path for path in folder.iterdir() if path.is_file()]
    found = sorted({"".join(path.suffixes[-2 if path.suffix == ".gz" else -1 :]) or "none" for path in files})
    return ", ".join([*found[:MOST_IN_FULL], *(["..."] if found[MOST_IN_FULL:] else [])]) or "no file"
