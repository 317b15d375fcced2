"""What keeps soft labels from teaching a training, all found before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class

from nnunet_dsd.common.counting import counted, some
from nnunet_dsd.soft_labels.folder import PLANES, SoftLabelSet
from nnunet_dsd.trainers.preparation import IMAGE, PROPERTIES, preparation_of
from nnunet_dsd.trainers.soft_label_data import unlabelled_rows
from nnunet_dsd.trainers.stored_shapes import stored_shape

ANEW = "make the soft labels anew for these plans, under another name"


def soft_label_problems(found: SoftLabelSet, trainer: Any) -> list[str]:
    """Return why soft labels cannot teach a training; nothing where they can.

    Args:
        found: The soft labels.
        trainer: A `nnUNetTrainerKD` that is not initialized yet.
    """
    if trainer.is_cascaded:
        return ["the second stage of a cascade cannot be taught by soft labels; train it as nnU-Net does"]
    if problems := _problems_of_kind(found, trainer):
        return problems
    if missing := found.missing():
        return [
            f"{counted(len(missing), 'case is', 'cases are')} not labelled yet ({some(missing)}): run the same "
            "`nnunet-dsd soft-labels` once more, which goes on where it was stopped"
        ]
    return [*_problems_of_cases(found, trainer), *_problems_of_fraction(found, trainer), *_known_cases(found, trainer)]


def _problems_of_kind(found: SoftLabelSet, trainer: Any) -> list[str]:
    manifest, problems = found.manifest, []
    if manifest.dataset != trainer.plans_manager.dataset_name:
        return [f"they are of {manifest.dataset}, this training of {trainer.plans_manager.dataset_name}"]
    now = preparation_of(trainer.plans_manager, trainer.configuration_manager)
    for name in sorted(now.keys() | manifest.preparation.keys()):
        before = manifest.preparation.get(name)
        if before != now.get(name):
            problems.append(
                f"their images were prepared with {name} {before}, the student's with {now.get(name)}: {ANEW}"
            )
    heads = trainer.label_manager.num_segmentation_heads
    if (manifest.classes, manifest.regions) != (heads, trainer.label_manager.has_regions):
        problems.append(f"they have {manifest.classes} classes or regions, the student {heads}: {ANEW}")
    return problems


def _problems_of_cases(found: SoftLabelSet, trainer: Any) -> list[str]:
    """Say which cases are gone, or no longer what they were."""
    folder = Path(trainer.preprocessed_dataset_folder)
    there = set(infer_dataset_class(str(folder)).get_identifiers(str(folder)))
    gone = [case for case in found.manifest.labelled if case not in there]
    if gone:
        return [f"they label cases that are no longer among the preprocessed ones ({some(gone)}): {ANEW}"]
    lost = [
        path.name
        for case in found.manifest.cases
        for path in (found.path(case, PLANES), *_image_files(found, case))
        if not path.is_file()
    ]
    if lost:
        return [f"files of theirs are gone ({some(lost)}): {ANEW}"]
    changed = [
        case for case in found.manifest.labelled if stored_shape(folder, case)[1:] != tuple(found.record(case).shape)
    ]
    return [f"cases have another size than when they were labelled ({some(changed)}): {ANEW}"] if changed else []


def _image_files(found: SoftLabelSet, case: str) -> list[Any]:
    if case in found.manifest.labelled:
        return []
    return [found.images / f"{case}{ending}" for ending in (IMAGE, PROPERTIES)]


def _problems_of_fraction(found: SoftLabelSet, trainer: Any) -> list[str]:
    settings = trainer.settings.kd
    fraction, batch, names = settings.unlabelled_fraction, trainer.batch_size, found.manifest.unlabelled
    if fraction and not names:
        return [
            f"unlabelled_fraction is {fraction}, but they are of labelled cases alone: leave it out, or label images"
        ]
    if fraction == 0 or not names:
        return []
    problems = []
    if unlabelled_rows(fraction or 0.5, batch) == 0:
        problems.append(f"batches of {batch} leave no room for images without labels: plan larger ones (--batch-size)")
    limit = settings.max_disagreement
    if limit is not None and len(found.disagreeing(names, limit=limit)) == len(names):
        least = min(found.record(name).disagreement for name in names)
        problems.append(
            f"max_disagreement {limit} leaves none of {counted(len(names), 'image')}; the least is {least:.3g} nats"
        )
    return problems


def _known_cases(found: SoftLabelSet, trainer: Any) -> list[str]:
    """Say which teachers have seen validation cases of this training."""
    if trainer.settings.kd.kd_known_cases:
        return []
    training, validation = trainer.do_split()
    held_out = set(validation) - set(training)
    known = {teacher.name: sorted(held_out & set(teacher.trained_on)) for teacher in found.manifest.teachers}
    return [
        f"its teacher {name} was trained on {len(cases)} of the {len(held_out)} validation cases of this training "
        f"({some(cases)}): train the student on fold all and test it on other cases, or pass --kd-known-cases if the "
        "validation scores do not matter"
        for name, cases in known.items()
        if cases
    ]
