"""Whether the label images that are to be drawn are those that were evaluated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.case_choice import Prediction, ShownCase
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.evaluation.images import Volume, require_equal_geometry
from nnunet_dsd.evaluation.structures import Structure


def unreadable_images(shown: Sequence[ShownCase], files: ImageFiles) -> list[str]:
    """Return a sentence for every label image of the cases that is not there or cannot be read."""
    problems = []
    for case in shown:
        sides = ((case.baseline.run, case.baseline.folder), (case.method.run, case.method.folder))
        for whose, folder in (("the references", files.references), *sides):
            try:
                files.read(folder, case.case)
            except DataError as error:
                problems.append(f"{whose}: {error}")
    return list(dict.fromkeys(problems))


def require_evaluated_images(shown: Sequence[ShownCase], structures: Sequence[Structure], files: ImageFiles) -> None:
    """Check by the sizes of all structures that the folders of predictions hold what was evaluated.

    Args:
        shown: the cases to draw.
        structures: of the evaluations.
        files: where the references lie.

    Raises:
        DataError: with every prediction that is missing, lies on other voxels than its reference, or has another size
            than its evaluation says.
    """
    problems = [problem for case in shown for problem in _problems(case, structures, files)]
    if problems:
        listed = "\n".join("  - " + problem.replace("\n", "\n    ") for problem in problems)
        dataset_json = "" if files.labels_are_known else " If the data set has an `ignore` label, name `dataset_json`."
        raise DataError(
            f"The cases cannot be drawn, because their label images are not those that were evaluated:\n{listed}\n"
            "In the list of runs, `predictions` must be the folder that the run's evaluation was made from: name that "
            "folder, or evaluate this one again with `nnunet-dsd evaluate`. Leave `predictions` out to compare without "
            f"pictures.{dataset_json}"
        )


def _problems(case: ShownCase, structures: Sequence[Structure], files: ImageFiles) -> Iterator[str]:
    reference = files.read(files.references, case.case)
    for prediction in (case.baseline, case.method):
        try:
            labels = files.read(prediction.folder, case.case)
            require_equal_geometry(labels, reference)
        except DataError as error:
            yield f"{prediction.run}: {error}"
            continue
        found = _sizes(labels, reference, structures, files.labels.ignore_label)
        yield from _differences(prediction, case.case, structures, found)


def _sizes(
    labels: Volume, reference: Volume, structures: Sequence[Structure], ignore_label: int | None
) -> tuple[int, ...]:
    """Count the voxels of each structure, as an evaluation does."""
    considered = True if ignore_label is None else reference.array != ignore_label
    return tuple(int(np.count_nonzero(structure.mask(labels.array) & considered)) for structure in structures)


def _differences(
    prediction: Prediction, case: str, structures: Sequence[Structure], found: Sequence[int]
) -> Iterator[str]:
    for structure, there, evaluated in zip(structures, found, prediction.voxels, strict=True):
        if there != evaluated:
            yield (
                f"{prediction.run}, case {case}: {structure.name} has {there} voxels in {prediction.folder}, and "
                f"{evaluated} in the evaluation"
            )
