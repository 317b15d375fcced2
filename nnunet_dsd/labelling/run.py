"""Labelling: everything is checked first, then case after case is labelled and written; what is there stays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from nnunetv2.preprocessing.preprocessors.default_preprocessor import DefaultPreprocessor
from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.files import exclusive, require_writable
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.common.progress import track
from nnunet_dsd.datasets.readers.choice import PLANS_KEY, named_reader
from nnunet_dsd.labelling.prediction import Panel, PreparedCase, Verdict
from nnunet_dsd.labelling.request import Request
from nnunet_dsd.labelling.teachers import Teacher, find_teachers, who_labels_what
from nnunet_dsd.labelling.unlabelled import (
    Images,
    case_images,
    find_images,
    refuse_known_images,
    refuse_unfitting_images,
)
from nnunet_dsd.nnunet_folders import nnunet_folder
from nnunet_dsd.plans import dataset_folder, read_plans
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.manifest import Manifest, read_manifest
from nnunet_dsd.soft_labels.names import MANIFEST, SETS
from nnunet_dsd.trainers.preparation import preparation_of, preprocess, save_preprocessed, stored_blocks


@dataclass(frozen=True)
class Work:
    """A request whose data, teachers and images are there and fit.

    Attributes:
        request: What was asked for.
        plans: The student's.
        manager: The student's configuration.
        dataset_json: Of the data set.
        preprocessed: Folder of the student's preprocessed cases.
        teachers: All of them.
        images: Files of every case, labelled ones as far as they are there.
        soft_labels: What will be written.
    """

    request: Request
    plans: PlansManager
    manager: ConfigurationManager
    dataset_json: dict[str, Any]
    preprocessed: Path
    teachers: list[Teacher]
    images: Images
    soft_labels: SoftLabelSet


def prepare(request: Request) -> Work:
    """Find and check everything that a request names; nothing is written.

    Raises:
        DataError: if the data set, its plans or its images are not as they must be.
        TeacherError: if a model cannot teach.
    """
    folder = dataset_folder(request.dataset)
    planned = read_plans(folder, request.plans)
    if request.configuration not in planned["configurations"]:
        known = ", ".join(planned["configurations"])
        raise DataError(f"{request.plans} have no configuration '{request.configuration}'; they have: {known}")
    plans = PlansManager(planned)
    manager = plans.get_configuration(request.configuration)
    if manager.previous_stage_name:
        raise DataError(
            f"{request.configuration} is the second stage of a cascade, which learns from its first stage's "
            "predictions too: label for 3d_fullres or 3d_lowres"
        )
    dataset_json = read_object(folder / "dataset.json", broken=lambda reason: f"{folder / 'dataset.json'}: {reason}")
    preprocessed = folder / manager.data_identifier
    cases = _labelled_cases(preprocessed, request)
    teachers = find_teachers(
        request,
        plans=plans,
        manager=manager,
        dataset_json=dataset_json,
        cases=cases,
        splits=folder / "splits_final.json",
    )
    raw = nnunet_folder("nnUNet_raw") / folder.name
    unlabelled = _unlabelled_images(request, raw, planned, dataset_json)
    labelled = who_labels_what(teachers, cases, in_sample=request.in_sample)
    if not labelled and not unlabelled:
        raise DataError(
            f"every one of {counted(len(teachers), 'model')} was trained on every case, so none may label it. Take "
            "folds of a cross-validation as teachers, or images without labels (--unlabelled); --in-sample lets models "
            "label what they were trained on"
        )
    label_manager = plans.get_label_manager(dataset_json)
    manifest = Manifest(
        dataset=folder.name,
        preparation=preparation_of(plans, manager),
        classes=label_manager.num_segmentation_heads,
        regions=label_manager.has_regions,
        channels=len(dataset_json["channel_names"]),
        mirroring=request.mirroring,
        in_sample=request.in_sample,
        teachers=tuple(teacher.record for teacher in teachers),
        labelled=labelled,
        unlabelled=tuple(unlabelled),
    )
    images = {**case_images(raw / "imagesTr", list(labelled), dataset_json), **unlabelled}
    _require_images(images, manifest, teachers)
    soft_labels = SoftLabelSet(folder / SETS / request.name, manifest)
    return Work(request, plans, manager, dataset_json, preprocessed, teachers, images, soft_labels)


def _labelled_cases(preprocessed: Path, request: Request) -> list[str]:
    if not preprocessed.is_dir() or not any(preprocessed.iterdir()):
        raise DataError(
            f"{preprocessed} holds no preprocessed cases; run `nnUNetv2_preprocess -d {request.dataset} -plans_name "
            f"{request.plans} -c {request.configuration}` first"
        )
    return sorted(infer_dataset_class(str(preprocessed)).get_identifiers(str(preprocessed)))


def _unlabelled_images(request: Request, raw: Path, planned: dict[str, Any], dataset_json: dict[str, Any]) -> Images:
    if request.unlabelled is None:
        return {}
    found = find_images(request.unlabelled, dataset_json)
    known = find_images(raw / "imagesTr", dataset_json) if (raw / "imagesTr").is_dir() else {}
    ending = dataset_json["file_ending"]
    tested = [path.name.removesuffix(ending) for path in (raw / "labelsTs").glob(f"*{ending}")]
    refuse_known_images(found, {**known, **case_images(raw / "imagesTs", tested, dataset_json)})
    reader = named_reader(planned.get(PLANS_KEY))
    refuse_unfitting_images(found, reader, channels=len(dataset_json["channel_names"]))
    return found


def _require_images(images: Images, manifest: Manifest, teachers: list[Teacher]) -> None:
    """Refuse teachers that need images which are not there: they prepare them in another way than the student."""
    asked = {position for positions in manifest.labelled.values() for position in positions}
    others = [teachers[position].record.name for position in asked if not teachers[position].takes_these_images]
    missing = [case for case in manifest.labelled if case not in images]
    if others and missing:
        raise DataError(
            f"{others[0]} prepares images in another way than the student, and the images of "
            f"{counted(len(missing), 'case')} ({', '.join(missing[:3])}) are not in nnUNet_raw: put them back"
        )


def label(work: Work, *, say: Callable[[str], None]) -> list[str]:
    """Label the cases of the request's part that are not labelled yet; return the cases of all parts that are left.

    Args:
        work: As `prepare` returned it.
        say: Takes a line on what is done.

    Raises:
        SetupError: if the folder cannot be written, or another process works on this part.
        DataError: if the folder holds soft labels that are not these.
    """
    soft_labels, (part, parts) = work.soft_labels, work.request.part
    require_writable(soft_labels.folder)
    lock = soft_labels.folder / f".part-{part}-of-{parts}.lock"
    with exclusive(lock, busy=f"another process labels part {part}/{parts} of {soft_labels.folder}; wait for it"):
        _begin(soft_labels)
        mine = [case for case in soft_labels.manifest.cases[part - 1 :: parts] if not soft_labels.is_done(case)]
        say(f"{counted(len(mine), 'case')} to label, by {counted(len(work.teachers), 'model')}")
        panel = Panel(
            work.teachers,
            plans=work.plans,
            manager=work.manager,
            mirroring=work.request.mirroring,
            device=torch.device(work.request.device),
        )
        for case in track(mine, total=len(mine), description="labelling"):
            _label_case(work, panel, case)
    return soft_labels.missing()


def _begin(soft_labels: SoftLabelSet) -> None:
    """Write the manifest, or see that the one that is there says the same."""
    path = soft_labels.folder / MANIFEST
    if not path.is_file():
        soft_labels.manifest.write(soft_labels.folder)
        return
    before = read_manifest(soft_labels.folder)
    differing = [name for name, value in vars(before).items() if value != getattr(soft_labels.manifest, name)]
    if differing:
        raise DataError(
            f"{soft_labels.folder} holds soft labels of other {', '.join(differing)}; give these another name with -o, "
            "or delete that folder"
        )


def _label_case(work: Work, panel: Panel, case: str) -> None:
    soft_labels = work.soft_labels
    positions = soft_labels.manifest.teachers_of(case)
    if case in soft_labels.manifest.labelled:
        verdict = panel.ask(_labelled_case(work, case), positions)
    else:
        array, outside, properties = preprocess(work.images[case], work.plans, work.manager, work.dataset_json)
        prepared = PreparedCase(array, work.images[case], tuple(properties["spacing"]))
        verdict = panel.ask(prepared, positions)
        _save_image(work, case, array, outside, properties, verdict)
    shape = tuple(verdict.probabilities.shape)
    blocks, chunks = stored_blocks(shape, work.manager, 1)
    soft_labels.write(
        case,
        verdict.probabilities,
        verdict.disagreement,
        (verdict.mean_disagreement, verdict.mean_everywhere),
        blocks=blocks[1:],
        chunks=chunks[1:],
    )


def _labelled_case(work: Work, case: str) -> PreparedCase:
    dataset = infer_dataset_class(str(work.preprocessed))(str(work.preprocessed), [case])
    array, _, _, properties = dataset.load_case(case)
    return PreparedCase(np.asarray(array[:], np.float32), work.images.get(case, ()), tuple(properties["spacing"]))


def _save_image(work: Work, case: str, array: Any, outside: Any, properties: dict[str, Any], verdict: Verdict) -> None:
    """Write an image without labels as nnU-Net writes a case, what the teachers find likeliest in the labels' place."""
    label_manager = work.plans.get_label_manager(work.dataset_json)
    likeliest = np.asarray(label_manager.convert_probabilities_to_segmentation(verdict.probabilities))
    labels = np.where(outside[0] < 0, outside[0], likeliest)[None].astype(np.int16)
    wanted = label_manager.foreground_regions if label_manager.has_regions else label_manager.foreground_labels
    wanted = [*wanted, [-1, *label_manager.all_labels]] if label_manager.has_ignore_label else wanted
    properties["class_locations"] = DefaultPreprocessor._sample_foreground_locations(labels, wanted)
    save_preprocessed(work.soft_labels.images, case, array, labels, properties, work.manager)
