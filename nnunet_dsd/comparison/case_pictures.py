"""Which cases are drawn from which files, or why none is; found out before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.case_choice import ShownCase, choose_cases
from nnunet_dsd.comparison.drawn_predictions import require_evaluated_images, unreadable_images
from nnunet_dsd.comparison.image_files import ImageFiles
from nnunet_dsd.comparison.runs import RunList
from nnunet_dsd.comparison.scores import Scores
from nnunet_dsd.evaluation.structures import LabelSet, read_label_set

FILE_ENDING = ".nii.gz"


@dataclass(frozen=True)
class CasePictures:
    """The cases to draw.

    Attributes:
        shown: which, and which predictions of them; none where they cannot be drawn.
        files: where their images lie; None where they cannot be drawn.
        problem: why they cannot be drawn; an empty text if they can.
    """

    shown: tuple[ShownCase, ...] = ()
    files: ImageFiles | None = None
    problem: str = ""


def case_pictures(run_list: RunList, scores: Scores) -> CasePictures:
    """Choose the cases to draw and look at their label images.

    Raises:
        DataError: if a prediction is not the one that was evaluated: pictures of it would be of another model.
    """
    others = [method for method in scores.methods if method != run_list.baseline_method]
    if problem := _lacking(run_list, others):
        return CasePictures(problem=problem)
    shown = choose_cases(scores, baseline=run_list.baseline_method, method=others[0])
    if not shown:
        return CasePictures(problem=_why_none(scores, (run_list.baseline_method, others[0])))
    try:
        files = _image_files(run_list, scores)
    except DataError as error:
        return CasePictures(problem=str(error))
    if problems := unreadable_images(shown, files):
        if run_list.dataset_json is None:
            problems.append(f"No `dataset_json` is named, so that files ending in {FILE_ENDING} were looked for.")
        return CasePictures(problem=" ".join(problems))
    require_evaluated_images(shown, scores.structures, files)
    return CasePictures(shown, files)


def _lacking(run_list: RunList, others: list[str]) -> str:
    """Say which piece of a list of runs is missing."""
    if not others:
        return "There is no method besides the baseline."
    lacking = [name for name in ("images", "references") if getattr(run_list, name) is None]
    if lacking:
        return (
            f"No folder of {' and '.join(lacking)} is known: give --images and --references, or list the runs in a "
            "file for --runs, with `images`, `references`, `dataset_json`, and `predictions` of each run."
        )
    return ""


def _why_none(scores: Scores, methods: tuple[str, str]) -> str:
    """Say why no case can be chosen for a baseline and a method."""
    without = [name for name in methods if all(one.run.predictions is None for one in scores.of(name))]
    if without:
        return (
            f"No run of {' and none of '.join(without)} names its folder of `predictions`. Scores that lie where "
            "`nnunet-dsd evaluate` writes them, among the predictions, need none; list others in a file for --runs."
        )
    return f"There is no case with a Dice and predictions of both {methods[0]} and {methods[1]}."


def _image_files(run_list: RunList, scores: Scores) -> ImageFiles:
    """Return where the images lie, to be read as they were evaluated.

    Where evaluations do not tell, or were read differently, the reader is the dataset.json's or nnU-Net's choice; that
    what is read is what was evaluated is checked by the voxels of each structure in any case.
    """
    if run_list.images is None or run_list.references is None:
        raise DataError(_lacking(run_list, ["any"]))
    if run_list.dataset_json is None:
        labels = LabelSet(scores.structures, file_ending=FILE_ENDING)
    else:
        labels = read_label_set(run_list.dataset_json)
    if len(scores.readers) == 1:
        labels = labels.read_by(*scores.readers)
    return ImageFiles(run_list.images, run_list.references, labels, run_list.dataset_json is not None)


def published(text: str, run_list: RunList) -> str:
    """Return a text without the folders of a list of runs: where files lie on this machine is no matter of a report."""
    predictions = [run.predictions for run in run_list.runs]
    folders = {folder for folder in (run_list.images, run_list.references, *predictions) if folder is not None}
    folders |= {run.evaluation.parent for run in run_list.runs}
    folders |= {run_list.dataset_json.parent} if run_list.dataset_json else set()
    for folder in sorted({str(folder) for folder in folders} - {"."}, key=len, reverse=True):
        text = text.replace(f"{folder}/", "").replace(folder, folder.rpartition("/")[2])
    return text
