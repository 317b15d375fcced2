"""From a source data set to nnU-Net's raw format: check everything, then write everything or nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from nnunet_dsd import __version__
from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, SetupError
from nnunet_dsd.common.files import whole_folder, write_json
from nnunet_dsd.common.workers import for_each
from nnunet_dsd.datasets.case_checks import Findings, check_case
from nnunet_dsd.datasets.labels import LabelValues, translate
from nnunet_dsd.datasets.names import image_path, label_path
from nnunet_dsd.datasets.preparation import Preparation, prepare_image, prepare_label
from nnunet_dsd.datasets.raw_format import write_dataset_json
from nnunet_dsd.datasets.sources import SourceCase
from nnunet_dsd.datasets.splits import Fold, as_nnunet_splits
from nnunet_dsd.datasets.targets import SPLITS_FILE, Target, require_disk_space, require_own_splits
from nnunet_dsd.datasets.tumour_slices import (
    SliceOrigin,
    TumourSlices,
    find_slices,
    folds_of_slices,
    slice_problems,
    write_slices,
)
from nnunet_dsd.datasets.volumes import read_image, split_channels, write_image

RECORD_FILE = "conversion.json"
# For axes that are not at right angles; SimpleITK, which nnU-Net takes otherwise, does not read them.
SHEARED_READER = "NibabelIO"


@dataclass(frozen=True)
class Conversion:
    """A data set to convert, as its own module read it.

    With `slicing`, each axial slice with tumour becomes a case of its own: `channel_names` and `labels` are those of
    the slices, tumour is what `values` does not turn into 0, and `training`, `test` and `folds` name volumes.

    Attributes:
        source: the folder it was found in.
        name: what nnU-Net's folder is called after the number.
        channel_names: as in dataset.json; nnU-Net normalises by them.
        labels: as in dataset.json: a value per name, or several for regions.
        regions_class_order: value that each region writes, in order; empty without regions.
        values: label values of the source and what they become.
        preparation: what is done to the volumes.
        training: cases to train and validate on, in file order, all with labels.
        test: cases to predict; with labels where there are any.
        folds: empty leaves the folds to nnU-Net.
        slicing: which slices to take; None takes volumes.
        same_voxels: whether a label of its image's size lies on the image's voxels, whatever its header says.
        rules: how cases were divided and volumes changed, in sentences by topic.
        problems: what was wrong with the list of files.
        description: one sentence on the data set, with its source.
    """

    source: Path
    name: str
    channel_names: tuple[str, ...]
    labels: Mapping[str, int | tuple[int, ...]]
    values: LabelValues
    training: tuple[SourceCase, ...]
    test: tuple[SourceCase, ...]
    description: str
    regions_class_order: tuple[int, ...] = ()
    preparation: Preparation = field(default_factory=Preparation)
    folds: tuple[Fold, ...] = ()
    slicing: TumourSlices | None = None
    same_voxels: bool = False
    rules: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[str, ...] = ()

    @property
    def cases(self) -> tuple[SourceCase, ...]:
        """Cases for training and test."""
        return self.training + self.test

    def source_bytes(self) -> int:
        """Return the size of the cases' files; one that is not there counts nothing."""
        paths = [path for case in self.cases for path in (case.image, case.label) if path is not None]
        return sum(path.stat().st_size for path in paths if path.is_file())


def check_sources(conversion: Conversion, *, processes: int) -> Findings:
    """Read every file of a data set and return what it found.

    Raises:
        DataError: with every problem of every file, and those of the list of files.
    """
    check = partial(
        check_case,
        channels=len(conversion.channel_names),
        values=conversion.values,
        preparation=conversion.preparation,
        slicing=conversion.slicing,
        same_voxels=conversion.same_voxels,
    )
    found = for_each(check, conversion.cases, processes=processes, description="checking")
    problems = [*conversion.problems, *(problem for case in found for problem in case.problems)]
    slices = tuple(origin for case in found for origin in case.slices)
    if conversion.slicing is not None and not problems:
        training = [case.name for case in conversion.training]
        problems = slice_problems(conversion.folds, slices, training, conversion.slicing)
    if problems:
        listed = "\n".join(f"  - {problem}" for problem in problems)
        raise DataError(f"{counted(len(problems), 'problem')} in {conversion.source}, nothing was written:\n{listed}")
    notes = tuple(note for case in found for note in case.notes)
    return Findings(
        notes=notes,
        output_bytes=sum(case.output_bytes for case in found),
        slices=slices,
        sheared=any(case.sheared for case in found),
    )


def convert(conversion: Conversion, target: Target, *, processes: int) -> Findings:
    """Check a data set and write it in nnU-Net's raw format, with its splits, or raise and write nothing.

    Raises:
        DataError: with everything that is wrong with the source.
        SetupError: if the disk is or becomes full, the target cannot be written, or has other folds already.
    """
    findings = check_sources(conversion, processes=processes)
    require_disk_space(target, findings.output_bytes)
    sliced = conversion.slicing is not None
    folds = folds_of_slices(conversion.folds, findings.slices) if sliced else conversion.folds
    if target.splits is not None:
        require_own_splits(target.splits, folds)
    try:
        with whole_folder(target.raw) as folder:
            _write_cases(conversion, folder, processes=processes)
            _write_descriptions(conversion, folder, findings, folds)
            if target.splits is not None:  # before the data set is there: nnU-Net would make folds of its own
                write_json(target.splits, as_nnunet_splits(folds))
    except OSError as error:
        raise SetupError(f"{target.name} could not be written: {error}") from error
    return findings


def _write_cases(conversion: Conversion, folder: Path, *, processes: int) -> None:
    (folder / "labelsTr").mkdir()
    work = [(case, "Tr") for case in conversion.training] + [(case, "Ts") for case in conversion.test]
    write: Callable[[tuple[SourceCase, str]], None]
    if conversion.slicing is None:
        write = partial(write_case, folder=folder, values=conversion.values, preparation=conversion.preparation)
    else:
        write = partial(write_sliced_case, folder=folder, values=conversion.values, slicing=conversion.slicing)
    for_each(write, work, processes=processes, description="converting")


def write_case(
    case_and_part: tuple[SourceCase, str], *, folder: Path, values: LabelValues, preparation: Preparation
) -> None:
    """Write a case's channels and label into `imagesTr` and `labelsTr`, or `imagesTs` and `labelsTs`.

    The label takes the image's geometry: the two may differ by rounding (`volumes.geometry_difference`).
    """
    case, part = case_and_part
    channels = split_channels(read_image(case.image))
    for index, channel in enumerate(channels):
        path = image_path(folder / f"images{part}", case.name, channel=index)
        write_image(path, prepare_image(channel, preparation))
    if case.label is not None:
        label = translate(split_channels(read_image(case.label))[0], values)
        label.CopyInformation(channels[0])
        write_image(label_path(folder / f"labels{part}", case.name), prepare_label(label, preparation))


def write_sliced_case(
    case_and_part: tuple[SourceCase, str], *, folder: Path, values: LabelValues, slicing: TumourSlices
) -> None:
    """Write a labelled volume's slices with tumour; one without a label has none."""
    case, part = case_and_part
    if case.label is None:
        return
    image = split_channels(read_image(case.image))[0]
    label = translate(split_channels(read_image(case.label))[0], values)
    label.CopyInformation(image)
    write_slices(image, label, find_slices(case.name, label, slicing), slicing, folder, part)


def _write_descriptions(conversion: Conversion, folder: Path, findings: Findings, folds: Sequence[Fold]) -> None:
    training = {case.name for case in conversion.training}
    slices = [origin for origin in findings.slices if origin.case in training]
    write_dataset_json(
        folder,
        channel_names=conversion.channel_names,
        labels=conversion.labels,
        regions_class_order=conversion.regions_class_order,
        training_cases=len(training) if conversion.slicing is None else len(slices),
        description=conversion.description,
        reader=SHEARED_READER if findings.sheared else None,
    )
    if folds:
        write_json(folder / SPLITS_FILE, as_nnunet_splits(folds))
    record: dict[str, Any] = {
        "written_by": f"nnunet-dsd {__version__}",
        "rules": dict(conversion.rules),
        "notes": list(findings.notes),
        "training": [case.name for case in conversion.training],
        "test": [case.name for case in conversion.test],
    }
    if conversion.slicing is not None:
        record["slices"] = {origin.name: _without_name(origin) for origin in findings.slices}
    write_json(folder / RECORD_FILE, record)


def _without_name(origin: SliceOrigin) -> dict[str, Any]:
    content = asdict(origin)
    del content["name"]
    return content
