"""What is said before labelling starts, and when it has ended."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from pathlib import Path

from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.common.machine import free_bytes
from nnunet_dsd.labelling.work import Work
from nnunet_dsd.soft_labels.folder import PLANES
from nnunet_dsd.trainers.preparation import IMAGE, LABELS, PROPERTIES

MIB = 2**20
# As the files turn out in benchmarks/soft_label_files.py, rather more than less.
COMPRESSED = 0.3  # of a plane's own size
DISAGREEMENT_BYTES = 0.7  # of a voxel


def announce(work: Work) -> Iterator[str]:
    """Yield what will be labelled by whom, and how much room it takes.

    Raises:
        SetupError: if there is less room on the disk.
    """
    manifest = work.soft_labels.manifest
    for number, teacher in enumerate(work.teachers):
        how = "" if teacher.takes_these_images else ", which prepares images in its own way"
        yield f"teacher {number + 1}: {teacher.record.name}{how}"
    for teacher in work.teachers:
        if teacher.split_is_newer:
            yield (
                f"note: {teacher.record.name} has no validation results, and splits_final.json was written after its "
                "training: if that is another split than it was trained with, it labels cases that it has seen; put "
                "back the split of then"
            )
    own = len(manifest.labelled)
    alone = len(work.cases) - own
    yield f"{counted(own, 'labelled case')} and {counted(len(manifest.unlabelled), 'image')} without labels"
    if alone > 0 and not manifest.in_sample:
        yield (
            f"note: {counted(alone, 'labelled case has', 'labelled cases have')} no teacher that was not trained on "
            "them; a student learns them from their labels alone (--in-sample lets their own models label them)"
        )
    if manifest.in_sample:
        yield "note: cases are labelled by models that were trained on them, which are surer of them than of others"
    needed, free = needed_bytes(work), free_bytes(work.soft_labels.folder)
    yield f"disk: about {needed / MIB:.0f} MiB, {free / MIB:.0f} MiB are free"
    if needed > free:
        raise SetupError(
            f"{work.soft_labels.folder} lies on a disk with {free / MIB:.0f} MiB left, and about {needed / MIB:.0f} "
            "MiB are needed: make room"
        )


def needed_bytes(work: Work) -> float:
    """Estimate what is still to be written: images without labels are taken to be as large as the other cases."""
    soft_labels, layout = work.soft_labels, work.soft_labels.layout
    todo = soft_labels.missing()
    own = [case for case in todo if case in soft_labels.manifest.labelled]
    others = len(todo) - len(own)
    measured = work.cases if others else own
    voxels = dict(zip(measured, _voxels(work, measured), strict=True))
    per_voxel = COMPRESSED * layout.planes * layout.dtype.itemsize + DISAGREEMENT_BYTES
    needed = per_voxel * sum(voxels[case] for case in own)
    if others:
        files = [work.preprocessed / f"{case}{ending}" for case in work.cases for ending in (IMAGE, LABELS, PROPERTIES)]
        stored = sum(_size(path) for path in files) / len(work.cases)
        needed += others * (per_voxel * statistics.mean(voxels.values()) + stored)
    return needed


def _voxels(work: Work, cases: Sequence[str]) -> list[int]:
    """Return how many voxels preprocessed cases have, from the heads of their files."""
    dataset = infer_dataset_class(str(work.preprocessed))(str(work.preprocessed), list(cases))
    return [math.prod(dataset.load_case(case)[0].shape[1:]) for case in cases]


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
