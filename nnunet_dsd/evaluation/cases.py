"""Evaluation of a folder of predictions against a folder of references, case by case."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from nnunet_dsd.common.errors import DataError, MisfitError, SetupError
from nnunet_dsd.common.machine import processes_for
from nnunet_dsd.common.workers import in_order
from nnunet_dsd.datasets.readers.reader import Reader
from nnunet_dsd.evaluation.images import read_labels, require_equal_geometry, resolve_reader
from nnunet_dsd.evaluation.label_values import require_known_values
from nnunet_dsd.evaluation.pairing import file_advice, pair_folders, raise_problems, require_evaluable
from nnunet_dsd.evaluation.results import Evaluation, Score
from nnunet_dsd.evaluation.scoring import DEFAULT, evaluate_arrays
from nnunet_dsd.evaluation.settings import EvaluationSettings
from nnunet_dsd.evaluation.structures import LabelSet


@dataclass(frozen=True)
class CaseJob:
    """One case to evaluate."""

    case: str
    prediction: Path
    reference: Path
    label_set: LabelSet
    reader: Reader
    settings: EvaluationSettings


@dataclass(frozen=True)
class CaseResult:
    """What came of a case: its scores, or else what is wrong with its files, and whether these fit the data set."""

    scores: tuple[Score, ...]
    problem: str = ""
    fits: bool = True


# One process evaluates 8 million voxels a second, and a second one takes 2 s to start, both measured on two busy cores
# (2026-11-27): six cases of 160^3 took 3.1 s in one process and 5.4 s in two. So a process is started for 5 s of work.
VOXELS_PER_PROCESS = 40e6
MOST_PROCESSES = 8

Tracker = Callable[[Iterable[CaseResult], int], Iterable[CaseResult]]


def _untracked(results: Iterable[CaseResult], total: int) -> Iterable[CaseResult]:
    return results


def evaluate_folders(
    predictions: Path,
    references: Path,
    label_set: LabelSet,
    *,
    settings: EvaluationSettings = DEFAULT,
    processes: int | None = 1,
    allow_missing: bool = False,
    track: Tracker = _untracked,
) -> Evaluation:
    """Evaluate every reference's prediction; predictions without a reference are left aside.

    Names and headers of all files are checked before any image is read.

    Args:
        predictions: folder with label images named like their references, as `nnUNetv2_predict` writes them.
        references: folder with reference label images, for example `labelsTs`.
        label_set: what to evaluate and how the files end.
        settings: of the measures.
        processes: that evaluate cases at the same time; 1: this one; None: as many as the images are worth. Others
            are spawned, so a script guards its main part by `if __name__ == "__main__"`.
        allow_missing: evaluate without the references that have no prediction; they are listed in the result.
        track: takes the results as they come and their number, and yields them on; shows progress.

    Raises:
        DataError: with everything that is wrong with the folders or the files; nothing is returned then.
        SetupError: if a process was killed.
    """
    ending, named = label_set.file_ending, label_set.label_path
    pairs = pair_folders(predictions, references, ending)
    reader = resolve_reader(predictions, label_set, named(references, (pairs.cases or pairs.missing)[0]))
    extent = require_evaluable(pairs, predictions, references, ending, reader=reader, allow_missing=allow_missing)
    jobs = [
        CaseJob(case, named(predictions, case), named(references, case), label_set, reader, settings)
        for case in pairs.cases
    ]
    processes = worthwhile_processes(extent.voxels) if processes is None else processes
    results = list(track(_run(jobs, processes), len(jobs)))
    if faulty := [result for result in results if result.problem]:
        raise_problems([result.problem for result in faulty], file_advice(result.fits for result in faulty))
    return Evaluation(
        structures=label_set.structures,
        scores=tuple(score for result in results for score in result.scores),
        surface_tolerance_mm=settings.surface_tolerance_mm,
        both_empty=settings.both_empty,
        missing=pairs.missing,
        length_unit=extent.length_unit,
        reader=reader.name,
    )


def evaluate_files(
    prediction: Path,
    reference: Path,
    label_set: LabelSet,
    *,
    case: str,
    settings: EvaluationSettings = DEFAULT,
    reader: Reader | None = None,
) -> tuple[Score, ...]:
    """Evaluate one case from its two label images; without a reader by the data set's, or the one that nnU-Net chooses.

    Raises:
        DataError: if a file cannot be read, holds values the data set does not have, or the two do not lie on the same
            voxels.
    """
    reader = reader or label_set.reader
    predicted, expected = read_labels(prediction, reader), read_labels(reference, reader)
    require_equal_geometry(predicted, expected)
    for volume in (predicted, expected):
        require_known_values(volume, label_set.known_values)
    return evaluate_arrays(
        predicted.array,
        expected.array,
        label_set.structures,
        spacing_mm=expected.geometry.array_spacing_mm,
        is_physical=expected.geometry.is_physical,
        case=case,
        ignore_label=label_set.ignore_label,
        settings=settings,
    )


def worthwhile_processes(voxels: int) -> int:
    """Return how many processes cases are worth, by the voxels of all their references."""
    return processes_for(voxels, each=VOXELS_PER_PROCESS, most=MOST_PROCESSES)


def _run(jobs: Sequence[CaseJob], processes: int) -> Iterator[CaseResult]:
    """Yield the results in the order of the jobs."""
    if processes < 1:
        raise SetupError(f"{processes} processes cannot evaluate anything; at least 1 is needed.")
    yield from in_order(_run_job, jobs, processes=processes)


def _run_job(job: CaseJob) -> CaseResult:
    try:
        scores = evaluate_files(
            job.prediction, job.reference, job.label_set, case=job.case, settings=job.settings, reader=job.reader
        )
    except DataError as error:
        return CaseResult((), problem=str(error), fits=not isinstance(error, MisfitError))
    return CaseResult(scores)
