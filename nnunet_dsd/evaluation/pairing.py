"""Which prediction belongs to which reference, and whether the two lie on the same voxels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.errors import DataError
from nnunet_dsd.evaluation.images import geometry_differences, read_geometry

MOST_IN_FULL = 5


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
    pairs: Pairs, predictions: Path, references: Path, file_ending: str, *, allow_missing: bool
) -> None:
    """Check, before any image is read, that predictions are there and have their references' geometry.

    Args:
        pairs: of the two folders.
        predictions: folder.
        references: folder.
        file_ending: of both.
        allow_missing: accept references without a prediction, as long as one has one.

    Raises:
        DataError: with everything that was found.
    """
    missing = pairs.missing if not pairs.cases or not allow_missing else ()
    problems = [f"{name}{file_ending} has no prediction in {predictions}" for name in missing]
    advice = ["Predict the missing cases, or leave them out with --allow-missing."] if missing else []
    elsewhere = [
        problem
        for case in pairs.cases
        if (problem := geometry_problem(predictions / f"{case}{file_ending}", references / f"{case}{file_ending}"))
    ]
    if elsewhere:
        advice.append("Predict from the images the references were drawn on, or resample the predictions onto them.")
    if problems or elsewhere:
        raise_problems([*problems, *_shortened(elsewhere)], " ".join(advice))


def geometry_problem(prediction: Path, reference: Path) -> str:
    """Say what is wrong with the headers of two images; empty if nothing is."""
    try:
        differences = geometry_differences(read_geometry(prediction), read_geometry(reference))
    except DataError as error:
        return str(error)
    return "\n".join([f"{prediction} does not lie on its reference's voxels:", *differences]) if differences else ""


def _shortened(problems: Sequence[str]) -> list[str]:
    """Return the first problems of several lines in full, and of the others the first line only."""
    return [*problems[:MOST_IN_FULL], *(problem.partition("\n")[0] for problem in problems[MOST_IN_FULL:])]


def raise_problems(problems: Sequence[str], advice: str) -> None:
    """Raise one error that lists all problems.

    Raises:
        DataError: always.
    """
    listed = "\n".join("  - " + problem.replace("\n", "\n    ") for problem in problems)
    raise DataError(f"{len(problems)} problem(s) with the files, so there is no evaluation:\n{listed}\n{advice}")


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
