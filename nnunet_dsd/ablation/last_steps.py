"""What the last steps of a study need, tried on its own cases before the first training.

Trainings take days. A reference that cannot be scored, or a folder that cannot be written, is found here, and not when
the first training has ended.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from nnunet_dsd.ablation.checks import fold_cases
from nnunet_dsd.ablation.places import Places
from nnunet_dsd.ablation.runs import Run
from nnunet_dsd.ablation.study import ALL_CASES, Study
from nnunet_dsd.common.errors import DataError, DistillationError, SetupError
from nnunet_dsd.common.files import write_json, write_problem
from nnunet_dsd.common.machine import usable_processes
from nnunet_dsd.common.workers import for_each
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.readers.reader import Reader
from nnunet_dsd.evaluation.images import geometry_differences, planned_reader, read_geometry, read_labels
from nnunet_dsd.evaluation.label_values import require_known_values
from nnunet_dsd.evaluation.structures import LabelSet, read_label_set
from nnunet_dsd.steps.program import argv

TRIED_FILE = ".tried.json"
MOST_PROCESSES = 8
FEW = 16  # so many references are read sooner than other processes start
MOST_TOLD = 5
DRAWN_CASES = 3

State = tuple[str | int, ...]


@dataclass(frozen=True)
class ScoredCase:
    """A case that the study will score.

    Attributes:
        reference: Its label image.
        image: Its first channel; may be missing for cases whose raw data were removed.
    """

    reference: Path
    image: Path

    def state(self, trial: str) -> State:
        """Tells a trial of this case from other trials, and from one before its files were changed."""
        files = [path.stat() for path in (self.reference, self.image) if path.is_file()]
        return trial, str(self.reference), *(number for file in files for number in (file.st_size, file.st_mtime_ns))


def last_step_problems(study: Study, runs: Sequence[Run], places: Places) -> list[str]:
    """Return what would end a study after its trainings: programs, folders, references that cannot be scored.

    What was tried before and has not changed is not tried again; `mark_tried` notes it.

    Args:
        study: The study.
        runs: Those that are not finished.
        places: Where its files are.
    """
    if not runs:
        return []
    problems = [*_missing_programs(study), *_unwritable(places)]
    try:
        labels = read_label_set(places.dataset_json)
        scored = scored_cases(study, runs, places)
    except DataError as error:
        return [*problems, str(error)]
    tried, reader = _tried(places), _reader(study, places, labels)
    trial = _scoring_trial(labels, reader)
    to_try = [case for case in scored if case.state(trial) not in tried]
    processes = usable_processes(MOST_PROCESSES) if len(to_try) > FEW else 1
    work = partial(_case_problem, labels=labels, reader=reader)
    found = [problem for problem in for_each(work, to_try, processes=processes, description="references") if problem]
    more = [f"{len(found) - MOST_TOLD} more such references"] if len(found) > MOST_TOLD else []
    return [*problems, *found[:MOST_TOLD], *more]


def picture_problem(study: Study, runs: Sequence[Run], places: Places) -> str:
    """Return why the report will have no pictures of cases, found by drawing some; an empty text if it will."""
    from nnunet_dsd.common.drawing import save_png
    from nnunet_dsd.comparison.case_choice import MEDIAN, Prediction, ShownCase
    from nnunet_dsd.comparison.image_files import ImageFiles
    from nnunet_dsd.comparison.overlays import contour_figure

    labels, scored = read_label_set(places.dataset_json), scored_cases(study, runs, places)
    tried, reader = _tried(places), _reader(study, places, labels)
    trial = _drawing_trial(labels, reader)
    if all(case.state(trial) in tried for case in scored):
        return ""
    shown = []
    for case in scored[:: max(1, len(scored) // DRAWN_CASES)][:DRAWN_CASES]:
        prediction = Prediction(case.reference.parent, 1.0, "reference", ())
        shown.append(ShownCase(MEDIAN, case.reference.name.removesuffix(labels.file_ending), 0.0, *[prediction] * 2))
    files = ImageFiles(scored[0].image.parent, scored[0].reference.parent, replace(labels, reader=reader))
    try:
        with TemporaryDirectory() as folder:
            figure = contour_figure(shown, labels.structures, files, baseline="reference", method="reference")
            save_png(figure, Path(folder) / "cases.png", dpi=40)
    except Exception as error:
        # Whatever it is, it costs the report its pictures and nothing else, as in nnunet_dsd.comparison.figure_files.
        return str(error) if isinstance(error, DistillationError) else f"{type(error).__name__}: {error}"
    return ""


def mark_tried(study: Study, runs: Sequence[Run], places: Places, *, drawn: bool) -> None:
    """Note the cases that were tried, so that the next call does not read them again.

    Args:
        study: The study.
        runs: Those whose cases were tried.
        places: Where its files are.
        drawn: Whether drawing was tried too, and need not be told again.
    """
    labels = read_label_set(places.dataset_json)
    reader = _reader(study, places, labels)
    trials = [_scoring_trial(labels, reader), *([_drawing_trial(labels, reader)] if drawn else [])]
    tried = _tried(places)
    new = {case.state(trial) for case in scored_cases(study, runs, places) for trial in trials} - tried
    if new:
        write_json(places.study / TRIED_FILE, [*sorted(tried, key=str), *sorted(new, key=str)])


def scored_cases(study: Study, runs: Sequence[Run], places: Places) -> list[ScoredCase]:
    """Return the cases that runs will be scored on; all that may be, where nnU-Net has not made its folds yet.

    Raises:
        DataError: if the folds cannot be read.
    """
    ending, test = places.file_ending(), study.evaluate_on == "test"
    references = places.test_labels if test else places.training_references
    images = places.test_images if test else places.raw / "imagesTr"
    if test or not places.splits.is_file():
        listed = (path.name for path in references.glob(f"*{ending}") if not path.name.startswith("."))
        names = {name.removesuffix(ending) for name in listed}
    else:
        folds = {run.fold for run in runs} - {ALL_CASES}
        names = {case for fold in folds for case in fold_cases(places, fold)}
    return [
        ScoredCase(label_path(references, name, ending=ending), image_path(images, name, ending=ending))
        for name in sorted(names)
    ]


def _missing_programs(study: Study) -> list[str]:
    problems = []
    for name in ("nnUNetv2_train", "nnunet-dsd", *(["nnUNetv2_predict"] if study.evaluate_on == "test" else [])):
        try:
            argv((name,))
        except SetupError as error:
            problems.append(str(error))
    return problems


def _unwritable(places: Places) -> list[str]:
    if problem := write_problem(places.study):
        return [f"the study cannot be written to {places.study}: {problem}; give another folder with -o"]
    return []


def _reader(study: Study, places: Places, labels: LabelSet) -> Reader | None:
    """Return the reader of the study's images, as its evaluations will choose it; None: the one for a file."""
    plans = places.preprocessed / f"{study.from_plans}.json"
    return (planned_reader(plans) if plans.is_file() else None) or labels.reader


def _case_problem(case: ScoredCase, *, labels: LabelSet, reader: Reader | None) -> str:
    """Read a reference as its evaluation will; return what is wrong with it."""
    if not case.reference.is_file():
        return f"{case.reference} is missing, the reference of a validation case; preprocess the data set again"
    try:
        reference = read_labels(case.reference, reader)
        require_known_values(reference, labels.known_values)
    except DataError as error:
        return str(error)
    return _other_voxels(case, reader)


def _other_voxels(case: ScoredCase, reader: Reader | None) -> str:
    """Say where an image, and so its prediction, lies on other voxels than its reference."""
    try:
        image, reference = read_geometry(case.image, reader), read_geometry(case.reference, reader, "labels")
    except DataError:
        return ""  # the image is needed for pictures only, which say so themselves
    differences = geometry_differences(image, reference)
    if not differences:
        return ""
    listed = "\n".join(differences).replace("prediction", "image")
    return f"{case.image} does not lie on its reference's voxels, so that its prediction cannot be scored:\n{listed}"


def _scoring_trial(labels: LabelSet, reader: Reader | None) -> str:
    """Tell reading references with these labels and this reader from reading them otherwise."""
    known = None if labels.known_values is None else sorted(labels.known_values)
    structures = sorted((one.name, one.labels) for one in labels.structures)
    read = [structures, labels.ignore_label, known, labels.file_ending, reader.name if reader else None]
    return hashlib.sha256(json.dumps(read).encode()).hexdigest()


def _drawing_trial(labels: LabelSet, reader: Reader | None) -> str:
    return f"drawn {_scoring_trial(labels, reader)}"


def _tried(places: Places) -> set[State]:
    try:
        return {tuple(state) for state in json.loads((places.study / TRIED_FILE).read_text(encoding="utf-8"))}
    except (OSError, ValueError, TypeError):
        return set()
