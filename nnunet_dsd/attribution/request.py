"""What is looked at: models, cases, a structure, levels; checked before anything runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.attribution.levels import DEFAULT_LEVELS
from nnunet_dsd.attribution.map_names import shared_name_problems
from nnunet_dsd.common.counting import counted, repeated
from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.files import write_problem
from nnunet_dsd.common.machine import device_problem
from nnunet_dsd.datasets.geometry import geometry_difference, geometry_differences
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.readers.choice import PLANS_KEY, named_reader
from nnunet_dsd.datasets.readers.reader import Reader
from nnunet_dsd.evaluation.images import read_labels, read_layout
from nnunet_dsd.evaluation.structures import Structure, label_set
from nnunet_dsd.trainers.model_folder import (
    fold_checkpoints,
    read_model_folder,
    trainer_and_configuration,
    unread_settings,
)

SOURCE = "what nnunet-dsd gradcam was asked for"
# nnU-Net's readers leave an image's axes as they are in the file, so that its geometry holds for their arrays, but for
TURNING = "WithReorient"  # how the names of the others end


@dataclass(frozen=True)
class ModelChoice:
    """A model folder and the name it gets in figures and files."""

    name: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the user asks for.

    Attributes:
        models: at least one; compared row by row.
        images: folder with `CASE_0000` files.
        output: folder to write, which must not exist or be empty.
        cases: names of cases.
        label: name or value of the structure.
        levels: `bottleneck`, `last`, or module paths.
        fold: of every model.
        checkpoint: file name in the fold.
        labels: folder with reference label images, if there is one.
        device: `cpu` or `cuda`.
    """

    models: tuple[ModelChoice, ...]
    images: Path
    output: Path
    cases: tuple[str, ...]
    label: str
    levels: tuple[str, ...] = DEFAULT_LEVELS
    fold: str = "0"
    checkpoint: str = "checkpoint_final.pth"
    labels: Path | None = None
    device: str = "cpu"


@dataclass(frozen=True)
class CaseFiles:
    """The files of a case: its channels, and its reference if there are any."""

    name: str
    images: tuple[Path, ...]
    reference: Path | None


@dataclass(frozen=True)
class Inputs:
    """A request whose files are there.

    Attributes:
        structure: what is looked at.
        channel: of the structure in the networks' output.
        cases: with their files.
        reader: nnU-Net's reader of the files, by the first model's plans.
        notes: what the user should know of the models.
    """

    structure: Structure
    channel: int
    cases: tuple[CaseFiles, ...]
    reader: Reader
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Description:
    """A model folder's plans and dataset.json, and the reader that the plans name; None: none that can be used."""

    name: str
    reader: Reader | None
    plans: dict[str, Any]
    dataset_json: dict[str, Any]


def parse_models(words: Sequence[str]) -> tuple[ModelChoice, ...]:
    """Read models from words FOLDER or NAME=FOLDER; without a name a model is called as its folder.

    Raises:
        SettingsError: if a word has a name and no folder.
    """
    if empty := [word for word in words if word.endswith("=") and not Path(word).exists()]:
        raise SettingsError([f"{word} has no folder; write NAME=FOLDER" for word in empty], source="-m/--models")
    return tuple(_parse_model(word) for word in words)


def _parse_model(word: str) -> ModelChoice:
    name, separator, folder = word.partition("=")
    if separator and name and "/" not in name and "\\" not in name and not Path(word).exists():
        return ModelChoice(name, Path(folder))
    return ModelChoice(Path(word).resolve().name, Path(word))


def check_request(request: Request) -> Inputs:
    """Find everything a request names.

    Raises:
        SettingsError: with everything that is missing, unknown or does not go together.
    """
    names = [model.name for model in request.models]
    problems = [*_repeated("model", names), *_repeated("case", request.cases), *_repeated("level", request.levels)]
    problems += shared_name_problems(request.cases, names, request.levels)
    problems += _output_problems(request.output)
    problems += [problem] if (problem := device_problem(request.device)) else []
    described: list[_Description] = []
    for model in request.models:
        problems += _read_model(model, request, described)
    if not described:
        raise SettingsError(problems, source=SOURCE)
    first = described[0]
    problems += [problem for other in described[1:] for problem in _model_differences(first, other)]
    structure = _find_structure(request.label, first, problems)
    cases = tuple(_case_files(case, request, first.dataset_json) for case in request.cases)
    for case in cases if first.reader else ():
        problems += _case_problems(case, structure, first.reader, len(first.dataset_json["channel_names"]))
    if problems or structure is None or first.reader is None:
        raise SettingsError(problems, source=SOURCE)
    notes = tuple(f"{model.name}: {note}" for model in described if (note := unread_settings(model.plans)))
    return Inputs(structure, _channel(structure, first.dataset_json), cases, first.reader, notes)


def _output_problems(output: Path) -> list[str]:
    if output.exists() and (not output.is_dir() or any(output.iterdir())):
        return [f"{output} is not empty; give a new folder with -o"]
    problem = write_problem(output.parent)  # where it is put when it is complete
    return [f"{output} cannot be written: {problem}; give another folder with -o"] if problem else []


def _repeated(what: str, names: Sequence[str]) -> list[str]:
    advice = "; name them apart with NAME=FOLDER" if what == "model" else ""
    return [f"the {what} {name} is named twice{advice}" for name in repeated(names)]


def _read_model(model: ModelChoice, request: Request, described: list[_Description]) -> list[str]:
    """Add a model's description; return what is wrong with its folder."""
    try:
        plans, dataset_json = read_model_folder(model.folder)
    except DataError as error:
        return [str(error)]
    reader, problems = _find_reader(model.name, plans)
    described.append(_Description(model.name, reader, plans, dataset_json))
    try:
        fold_checkpoints(model.folder, [request.fold], request.checkpoint)
    except DataError as error:
        problems.append(str(error))
    planned: dict[str, Any] = {}
    try:
        planned = plans["configurations"][trainer_and_configuration(model.folder, plans)[1]]
    except DataError as error:
        problems.append(str(error))
    if planned.get("previous_stage"):
        problems.append(
            f"{model.name} is the second stage of a cascade, which needs another model's prediction as input; look at "
            "a model that takes images alone"
        )
    return problems


def _find_reader(name: str, plans: dict[str, Any]) -> tuple[Reader | None, list[str]]:
    """Return the reader that a model's plans name, or what is wrong with it."""
    try:
        reader = named_reader(plans.get(PLANS_KEY))
    except DataError as error:
        return None, [f"{name}: {error}"]
    if reader is None or reader.name.endswith(TURNING):
        named = f"nnU-Net's {reader.name}, which turns their axes" if reader else "a reader that its plans do not name"
        return None, [
            f"{name} reads images with {named}; the maps' place in space is computed from the axes of the file, which "
            f"the readers without {TURNING} keep"
        ]
    return reader, []


def _model_differences(first: _Description, other: _Description) -> list[str]:
    return [
        f"{other.name} was trained with the {entry} {other.dataset_json.get(entry)}, {first.name} with "
        f"{first.dataset_json.get(entry)}; compare models of one data set"
        for entry in ("labels", "channel_names", "file_ending")
        if other.dataset_json.get(entry) != first.dataset_json.get(entry)
    ]


def _find_structure(label: str, model: _Description, problems: list[str]) -> Structure | None:
    structures = label_set(model.dataset_json["labels"]).structures
    for structure in structures:
        if label == structure.name or structure.labels == (int(label) if label.isdecimal() else None,):
            return structure
    known = ", ".join(f"{one.name} ({', '.join(map(str, one.labels))})" for one in structures)
    problems.append(f"there is no structure {label!r}; the models have: {known}")
    return None


def _channel(structure: Structure, dataset_json: dict[str, Any]) -> int:
    """Return the output channel: with regions their order without background, else the label's value, as nnU-Net."""
    structures = label_set(dataset_json["labels"]).structures
    regions = any(isinstance(value, list | tuple) and len(value) > 1 for value in dataset_json["labels"].values())
    return structures.index(structure) if regions else structure.labels[0]


def _case_files(case: str, request: Request, dataset_json: dict[str, Any]) -> CaseFiles:
    ending = dataset_json["file_ending"]
    channels = range(len(dataset_json["channel_names"]))
    expected = [image_path(request.images, case, channel=channel, ending=ending) for channel in channels]
    # Several channels in one file, such as colours, leave the other names unused; their number tells what is missing.
    images = tuple(path for path in expected if path.is_file()) or tuple(expected)
    return CaseFiles(case, images, label_path(request.labels, case, ending=ending) if request.labels else None)


def _case_problems(case: CaseFiles, structure: Structure | None, reader: Reader | None, channels: int) -> list[str]:
    missing = [path for path in (*case.images, *([case.reference] if case.reference else [])) if not path.is_file()]
    if missing:
        return [f"{path} does not exist; it belongs to the case {case.name}" for path in missing]
    try:
        layouts = [read_layout(path, reader) for path in case.images]
        reference = read_labels(case.reference, reader) if case.reference else None
    except DataError as error:
        return [str(error)]
    found = sum(layout.channels for layout in layouts)
    if found != channels:
        named = ", ".join(path.name for path in case.images)
        return [f"{case.name} has {counted(found, 'channel')} in {named}, and the models take {channels}"]
    geometry, *others = (layout.geometry for layout in layouts)
    problems = [
        f"{path} does not lie on the voxels of {case.images[0]}: {differing}"
        for path, other in zip(case.images[1:], others, strict=True)
        if (differing := "; ".join(geometry_differences(geometry, other, names=("first channel", "other channel"))))
    ]
    if problems or reference is None:
        return problems
    if difference := geometry_difference(geometry, reference.geometry):
        return [f"{reference.path} does not lie on its image's voxels: {difference}"]
    if structure is not None and not structure.mask(reference.array).any():
        return [f"{reference.path} holds no voxel of {structure.name}; leave out the case {case.name} or --labels"]
    return []
