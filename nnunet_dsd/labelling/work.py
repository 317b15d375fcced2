"""What a request comes to: its data, teachers and images, found and checked before anything is labelled."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunetv2.training.dataloading.nnunet_dataset import infer_dataset_class
from nnunetv2.utilities.plans_handling.plans_handler import ConfigurationManager, PlansManager
from nnunetv2.utilities.utils import get_filenames_of_train_images_and_targets

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.files import write_problem
from nnunet_dsd.common.json_files import read_object
from nnunet_dsd.common.machine import device_problem
from nnunet_dsd.datasets.readers.choice import PLANS_KEY, named_reader
from nnunet_dsd.labelling.request import Request
from nnunet_dsd.labelling.teachers import Teacher, find_teachers, who_labels_what
from nnunet_dsd.labelling.unlabelled import (
    RESERVED,
    Images,
    case_images,
    find_images,
    refuse_damaged_images,
    refuse_known_images,
    refuse_unfitting_images,
)
from nnunet_dsd.nnunet_folders import nnunet_folder
from nnunet_dsd.plans import dataset_folder, read_plans
from nnunet_dsd.soft_labels.folder import SoftLabelSet
from nnunet_dsd.soft_labels.manifest import Manifest, read_manifest
from nnunet_dsd.soft_labels.names import MANIFEST, SETS
from nnunet_dsd.trainers.preparation import IMAGE, LABELS, PROPERTIES, preparation_of


@dataclass(frozen=True)
class Work:
    """A request whose data, teachers and images are there and fit.

    Attributes:
        request: What was asked for.
        plans: The student's.
        manager: The student's configuration.
        dataset_json: Of the data set.
        preprocessed: Folder of the student's preprocessed cases.
        cases: Names of all of those.
        teachers: All of them.
        images: Files of every case, labelled ones as far as they are there.
        soft_labels: What will be written.
    """

    request: Request
    plans: PlansManager
    manager: ConfigurationManager
    dataset_json: dict[str, Any]
    preprocessed: Path
    cases: tuple[str, ...]
    teachers: list[Teacher]
    images: Images
    soft_labels: SoftLabelSet

    def mine(self) -> list[str]:
        """Return the cases of the request's part that are not labelled yet."""
        part, parts = self.request.part
        names = self.soft_labels.manifest.cases
        return [case for case in names[part - 1 :: parts] if not self.soft_labels.is_done(case)]


def prepare(request: Request) -> Work:
    """Find and check everything that a request names; nothing is written.

    Raises:
        DataError: if the data set, its plans, its images or soft labels of this name are not as they must be.
        SetupError: if the device is not there, or the folder cannot be written.
        TeacherError: if a model cannot teach.
    """
    if problem := device_problem(request.device):
        raise SetupError(problem)
    folder = dataset_folder(request.dataset)
    plans, manager = _students_plans(folder, request)
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
    own, unlabelled = _images(folder.name, dataset_json, cases, request)
    reader = named_reader(plans.plans.get(PLANS_KEY)) if unlabelled else None
    refuse_unfitting_images(unlabelled, reader, channels=len(dataset_json["channel_names"]))
    labelled = _who_labels(teachers, cases, unlabelled, request)
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
    images = {**{case: own[case] for case in labelled if case in own}, **unlabelled}
    _require_images(images, manifest, teachers)
    soft_labels = SoftLabelSet(folder / SETS / request.name, manifest)
    require_same(soft_labels)
    if problem := write_problem(soft_labels.folder):
        raise SetupError(f"soft labels cannot be written to {soft_labels.folder}: {problem}")
    work = Work(request, plans, manager, dataset_json, preprocessed, tuple(cases), teachers, images, soft_labels)
    refuse_damaged_images([path for case in work.mine() if case in unlabelled for path in images[case]], reader)
    return work


def _images(
    dataset: str, dataset_json: dict[str, Any], cases: Sequence[str], request: Request
) -> tuple[dict[str, tuple[Path, ...]], dict[str, tuple[Path, ...]]]:
    """Return the files of the data set's own images and of those without labels, which are no others of them."""
    own, tested = own_images(dataset, dataset_json)
    unlabelled = find_images(request.unlabelled, dataset_json) if request.unlabelled else {}
    known = {**own, **{f"test case {name}": files for name, files in tested.items()}}
    refuse_known_images(unlabelled, known, {*cases, *own, *tested})
    return own, unlabelled


def _students_plans(folder: Path, request: Request) -> tuple[PlansManager, ConfigurationManager]:
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
    return plans, manager


def _labelled_cases(preprocessed: Path, request: Request) -> list[str]:
    """Return the names of the preprocessed cases, all of whose files are there."""
    anew = (
        f"run `nnUNetv2_preprocess -d {request.dataset} -plans_name {request.plans} -c {request.configuration}` first"
    )
    properties = [path.name.removesuffix(PROPERTIES) for path in preprocessed.glob(f"*{PROPERTIES}")]
    if not properties:
        raise DataError(f"{preprocessed} holds no preprocessed cases; {anew}")
    try:
        dataset = infer_dataset_class(str(preprocessed))
    except (AssertionError, KeyError) as error:
        raise DataError(f"{preprocessed} holds files that are not nnU-Net's; take them out, or {anew}") from error
    cases = sorted(dataset.get_identifiers(str(preprocessed)))
    files = (IMAGE, LABELS, PROPERTIES) if any(preprocessed.glob(f"*{IMAGE}")) else (PROPERTIES,)
    lost = [case + ending for case in cases for ending in files if not (preprocessed / f"{case}{ending}").is_file()]
    if lost:
        raise DataError(f"{preprocessed} lacks {counted(len(lost), 'file')} ({', '.join(lost[:3])}); {anew}")
    return cases


def own_images(name: str, dataset_json: dict[str, Any]) -> tuple[Images, Images]:
    """Return the data set's images that are there: of its cases, and of test cases that have references.

    Where its `dataset.json` lists files, they are those. None are needed as long as the teachers take preprocessed
    cases, so that nnUNet_raw need not be there.
    """
    try:
        raw = nnunet_folder("nnUNet_raw") / name
    except SetupError:
        return {}, {}
    ending = dataset_json["file_ending"]
    tested = [path.name.removesuffix(ending) for path in (raw / "labelsTs").glob(f"*{ending}")]
    of_tests = case_images(raw / "imagesTs", tested, dataset_json)
    if "dataset" not in dataset_json:
        return case_images(raw / "imagesTr", None, dataset_json), of_tests
    listed = get_filenames_of_train_images_and_targets(str(raw), copy.deepcopy(dataset_json))
    files = {case: tuple(Path(path) for path in entry["images"]) for case, entry in listed.items()}
    return {case: paths for case, paths in files.items() if all(path.is_file() for path in paths)}, of_tests


def _who_labels(
    teachers: list[Teacher], cases: list[str], unlabelled: Images, request: Request
) -> dict[str, tuple[int, ...]]:
    labelled = who_labels_what(teachers, cases, in_sample=request.in_sample)
    if not labelled and not unlabelled:
        raise DataError(
            f"every one of {counted(len(teachers), 'model')} was trained on every case, so none may label it. Take "
            "folds of a cross-validation as teachers, or images without labels (--unlabelled); --in-sample lets models "
            "label what they were trained on"
        )
    names = {*labelled, *unlabelled}
    meeting = [case + ending for case in names for ending in RESERVED if case + ending in names]
    if meeting:
        raise DataError(f"files of {', '.join(sorted(meeting))} would be named as another case's: rename the case")
    return labelled


def _require_images(images: Images, manifest: Manifest, teachers: list[Teacher]) -> None:
    """Refuse teachers that need images which are not there: they prepare them in another way than the student."""
    needed = {
        case: [teachers[position] for position in positions if not teachers[position].takes_these_images]
        for case, positions in manifest.labelled.items()
    }
    missing = [case for case, others in needed.items() if others and case not in images]
    if missing:
        raise DataError(
            f"{needed[missing[0]][0].record.name} prepares images in another way than the student, and the images of "
            f"{counted(len(missing), 'case')} ({', '.join(missing[:3])}) are not in nnUNet_raw: put them back"
        )


def require_same(soft_labels: SoftLabelSet) -> None:
    """Refuse to go on with soft labels that are not those that are asked for.

    Raises:
        DataError: saying what differs; nothing where there are none yet.
    """
    if not (soft_labels.folder / MANIFEST).is_file():
        return
    before, now = read_manifest(soft_labels.folder), soft_labels.manifest
    differing = [_difference(name, value, getattr(now, name)) for name, value in vars(before).items()]
    if found := [difference for difference in differing if difference]:
        raise DataError(
            f"{soft_labels.folder} holds soft labels that were made otherwise: {'; '.join(found)}. Give these another "
            "name with -o, or delete that folder"
        )


def _difference(name: str, before: Any, now: Any) -> str:
    """Say how an entry of two manifests differs; nothing where it does not."""
    if before == now:
        return ""
    if isinstance(before, bool | int | str):
        return f"{name} was {before}, now {now}"
    if name == "preparation":
        return ", ".join(f"{key} was {before.get(key)}, now {now[key]}" for key in now if before.get(key) != now[key])
    if name == "teachers":
        before, now = ([teacher.name for teacher in teachers] for teachers in (before, now))
        if before == now:
            return "the teachers have other weights, or were trained on other cases"
    gone, new = [one for one in before if one not in now], [one for one in now if one not in before]
    said = [f"{name} had no {', '.join(new[:3])}"] * bool(new) + [f"{name} had {', '.join(gone[:3])}"] * bool(gone)
    return ", ".join(said) or f"{name} were in another order, or by other teachers"
