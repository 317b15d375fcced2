"""What is said before labelling starts, and when it has ended."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from pathlib import Path

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.machine import free_bytes
from nnunet_dsd.labelling.work import Work
from nnunet_dsd.soft_labels.folder import PLANES
from nnunet_dsd.trainers.preparation import IMAGE, LABELS

MIB = 2**20
# Of preprocessed voxels, as the files turn out on the data sets of the benchmarks; the planes' own size is the most.
COMPRESSED = 0.5


def announce(work: Work) -> Iterator[str]:
    """Yield what will be labelled by whom, and how much room it takes.

    Raises:
        SetupError: if there is less room on the disk.
    """
    manifest = work.soft_labels.manifest
    for number, teacher in enumerate(work.teachers):
        how = "" if teacher.takes_these_images else ", which prepares images in its own way"
        yield f"teacher {number + 1}: {teacher.record.name}{how}"
    own = len(manifest.labelled)
    alone = len(list(work.preprocessed.glob(f"*{LABELS}"))) - own
    yield f"{counted(own, 'labelled case')} and {counted(len(manifest.unlabelled), 'image')} without labels"
    if alone > 0 and not manifest.in_sample:
        yield (
            f"note: {counted(alone, 'labelled case has', 'labelled cases have')} no teacher that was not trained on "
            "them; a student learns them from their labels alone (--in-sample lets their own models label them)"
        )
    if manifest.in_sample:
        yield "note: cases are labelled by models that were trained on them, which are surer of them than of others"
    needed, free = _needed_bytes(work), free_bytes(work.soft_labels.folder)
    yield f"disk: about {needed / MIB:.0f} MiB, {free / MIB:.0f} MiB are free"
    if needed > free:
        raise SetupError(
            f"{work.soft_labels.folder} lies on a disk with {free / MIB:.0f} MiB left, and about {needed / MIB:.0f} "
            "MiB are needed: make room"
        )


def _needed_bytes(work: Work) -> float:
    """Estimate what is still to be written, from the preprocessed cases and the files of the other images."""
    soft_labels = work.soft_labels
    stored = {path.name.removesuffix(LABELS): _size(path) for path in work.preprocessed.glob(f"*{LABELS}")}
    sizes = [_size(work.preprocessed / f"{case}{IMAGE}") for case in stored]
    image = statistics.mean(sizes) if sizes else 0.0
    per_case = COMPRESSED * image * soft_labels.layout.planes / 4
    todo = soft_labels.missing()
    without_labels = [case for case in todo if case in soft_labels.manifest.unlabelled]
    return len(todo) * per_case + len(without_labels) * image


def summary(work: Work, left: list[str]) -> Iterator[str]:
    """Yield what was written, how much the teachers disagree, and what comes next."""
    soft_labels, request = work.soft_labels, work.request
    records = {case: soft_labels.record(case) for case in soft_labels.manifest.cases if soft_labels.is_done(case)}
    if records:
        size = sum(_size(soft_labels.path(case, PLANES)) for case in records)
        yield f"written: {soft_labels.folder}, {counted(len(records), 'case')}, {size / MIB:.1f} MiB of soft labels"
        ordered = sorted(records, key=lambda case: records[case].disagreement)
        values = [records[case].disagreement for case in ordered]
        yield (
            f"the teachers' disagreement is {statistics.median(values):.3g} nats in the median, from {values[0]:.3g} "
            f"({ordered[0]}) to {values[-1]:.3g} ({ordered[-1]}); `plan --max-disagreement` leaves images out"
        )
    if left:
        yield f"{counted(len(left), 'case is', 'cases are')} left: run the other parts, or this command once more"
        return
    yield (
        f"next: nnunet-dsd plan -d {request.dataset} -c {request.configuration} -p {request.plans} -o NAME "
        f"--soft-labels {request.name}, then nnUNetv2_train {request.dataset} {request.configuration} all "
        "-tr nnUNetTrainerKD -p NAME"
    )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
