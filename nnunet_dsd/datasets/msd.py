"""Medical Segmentation Decathlon (MSD): any task, and the paper's two with the split of its authors' code.

Published as `imagesTr/NAME.nii.gz` (channels along a fourth axis), `labelsTr/NAME.nii.gz`, `imagesTs` without labels,
and dataset.json. Reference: Antonelli et al., The Medical Segmentation Decathlon, Nature Communications 2022.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_dsd.datasets.conversion import Conversion
from nnunet_dsd.datasets.labels import LabelValues
from nnunet_dsd.datasets.msd_files import MsdDescription, MsdFiles, find_files
from nnunet_dsd.datasets.sources import SourceCase
from nnunet_dsd.datasets.splits import Fold, hold_out_last, shuffled_fold

BRATS_CHANNELS = ("FLAIR", "T1w", "T1gd", "T2w")
BRATS_CLASSES = ("background", "edema", "non_enhancing_tumour", "enhancing_tumour")
# nnU-Net writes the regions in this order, the later over the earlier: what is only whole tumour is edema (1), ...
BRATS_REGIONS: Mapping[str, int | tuple[int, ...]] = {
    "background": 0,
    "whole_tumour": (1, 2, 3),
    "tumour_core": (2, 3),
    "enhancing_tumour": (3,),
}
BRATS_REGION_ORDER = (1, 2, 3)
SOURCE_NOTE = "Medical Segmentation Decathlon, Antonelli et al. 2022, CC BY-SA 4.0"


@dataclass(frozen=True)
class PaperSplit:
    """Numbers of cases in the paper and its authors' code: labelled ones, held-out test, validation."""

    labelled: int
    test: int
    validation: int


BRATS_SPLIT = PaperSplit(labelled=484, test=24, validation=72)
HIPPOCAMPUS_SPLIT = PaperSplit(labelled=260, test=60, validation=30)


@dataclass(frozen=True)
class MsdSettings:
    """How to divide the labelled cases of a task.

    Attributes:
        test_cases: how many of the last to hold out; None is the paper's number, which then needs the paper's total.
        validation_cases: how many to validate on in fold 0; None is the paper's number, or share.
        paper_folds: whether to write a fold rather than leave the folds to nnU-Net.
    """

    test_cases: int | None = None
    validation_cases: int | None = None
    paper_folds: bool = True


def read_brats(source: Path, settings: MsdSettings, *, regions: bool = True, name: str | None = None) -> Conversion:
    """Find the cases of Task01_BrainTumour: four channels, and labels as the paper's three regions or as classes.

    Raises:
        DataError: if the folder is not of a layout of MSD.
        SettingsError: if the numbers of cases cannot be.
    """
    files = find_files(source)
    classes = {label: value for value, label in enumerate(BRATS_CLASSES)}
    conversion = Conversion(
        source=source,
        name=name or "BrainTumour",
        channel_names=BRATS_CHANNELS,
        labels=BRATS_REGIONS if regions else classes,
        regions_class_order=BRATS_REGION_ORDER if regions else (),
        values=LabelValues.unchanged(len(BRATS_CLASSES)),
        training=files.listing.cases,
        test=(),
        problems=(*files.listing.problems, *_brats_problems(files.description)),
        description=f"Brain tumours in four MR sequences: {SOURCE_NOTE}",
    )
    return divide(conversion, BRATS_SPLIT, settings)


def read_hippocampus(source: Path, settings: MsdSettings, *, name: str | None = None) -> Conversion:
    """Find the cases of Task04_Hippocampus: one channel, anterior and posterior.

    Raises:
        DataError: if the folder is not of a layout of MSD.
        SettingsError: if the numbers of cases cannot be.
    """
    files = find_files(source)
    conversion = Conversion(
        source=source,
        name=name or "Hippocampus",
        channel_names=("MRI",),
        labels={"background": 0, "anterior": 1, "posterior": 2},
        values=LabelValues.unchanged(3),
        training=files.listing.cases,
        test=(),
        problems=tuple(files.listing.problems),
        description=f"Hippocampus in T1-weighted MRI: {SOURCE_NOTE}",
    )
    return divide(conversion, HIPPOCAMPUS_SPLIT, settings)


def read_task(source: Path, settings: MsdSettings, *, name: str | None = None) -> Conversion:
    """Find the cases of any task, with channels and labels from its dataset.json.

    The published test images come along, unless `test_cases` holds out labelled ones instead. Folds are left to
    nnU-Net unless `validation_cases` is given.

    Raises:
        DataError: if the folder is not of a layout of MSD, or dataset.json is missing or not understood.
        SettingsError: if the numbers of cases cannot be.
    """
    files = find_files(source)
    description = files.required_description()
    conversion = Conversion(
        source=source,
        name=name or description.name,
        channel_names=description.channels,
        labels=description.labels,
        values=LabelValues.unchanged(len(description.labels)),
        training=files.listing.cases,
        test=(),
        problems=tuple(files.listing.problems),
        description=f"{description.name}: {SOURCE_NOTE}",
        rules={"test": "the published images without labels"},
    )
    return _divide_freely(conversion, files, settings)


def divide(conversion: Conversion, paper: PaperSplit, settings: MsdSettings) -> Conversion:
    """Divide labelled cases by the rule of the authors' code.

    In file order the last are the test. The others are shuffled with Python's `random.Random(0)`; the last of them are
    for validation. Another total than the paper's is a problem unless `test_cases` is given.

    Raises:
        SettingsError: if the numbers of cases cannot be.
    """
    found = len(conversion.training)
    if found != paper.labelled and settings.test_cases is None:
        problem = (
            f"{found} labelled cases in {conversion.source}, the paper has {paper.labelled}; "
            "--test-cases N accepts another number and holds out the last N"
        )
        return replace(conversion, problems=(*conversion.problems, problem))
    if conversion.problems and found < 3:
        return conversion
    test_cases = paper.test if settings.test_cases is None else settings.test_cases
    training, test = _hold_out(conversion.training, test_cases)
    folds, fold_rule = _no_folds()
    if settings.paper_folds:
        folds, fold_rule = _fold(training, _validation_cases(len(training), paper, settings))
    rules = {"test": f"the last {test_cases} in file order", "folds": fold_rule}
    return replace(conversion, training=training, test=test, folds=folds, rules=rules)


def _divide_freely(conversion: Conversion, files: MsdFiles, settings: MsdSettings) -> Conversion:
    if settings.test_cases is None:
        conversion = replace(conversion, test=files.unlabelled)
    elif not conversion.problems:
        training, test = _hold_out(conversion.training, settings.test_cases)
        rules = {"test": f"the last {settings.test_cases} in file order"}
        conversion = replace(conversion, training=training, test=test, rules=rules)
    folds, rule = _no_folds()
    if settings.validation_cases is not None and not conversion.problems:
        folds, rule = _fold(conversion.training, settings.validation_cases)
    return replace(conversion, folds=folds, rules={**conversion.rules, "folds": rule})


def _hold_out(cases: tuple[SourceCase, ...], count: int) -> tuple[tuple[SourceCase, ...], tuple[SourceCase, ...]]:
    kept, held_out = hold_out_last([case.name for case in cases], count)
    return cases[: len(kept)], cases[len(cases) - len(held_out) :]


def _validation_cases(training_cases: int, paper: PaperSplit, settings: MsdSettings) -> int:
    if settings.validation_cases is not None:
        return settings.validation_cases
    return max(1, round(training_cases * paper.validation / (paper.labelled - paper.test)))


def _no_folds() -> tuple[tuple[Fold, ...], str]:
    return (), "left to nnU-Net"


def _fold(training: tuple[SourceCase, ...], validation_cases: int) -> tuple[tuple[Fold, ...], str]:
    fold = shuffled_fold([case.name for case in training], validation_cases)
    rule = (
        f"one fold: the {len(training)} shuffled with Python's random.Random(0), "
        f"the last {validation_cases} of them for validation"
    )
    return (fold,), rule


def _brats_problems(description: MsdDescription | None) -> list[str]:
    """Check that channels and classes are in the order this module takes for granted."""
    if description is None:
        return []
    problems = []
    channels = tuple(name.lower() for name in description.channels)
    if channels != tuple(name.lower() for name in BRATS_CHANNELS):
        got = ", ".join(description.channels)
        problems.append(f"dataset.json names the channels {got}; expected are {', '.join(BRATS_CHANNELS)}")
    expected = ("background", "edema", "non-enhancing", "enhancing")
    labels = tuple(description.labels)
    if len(labels) != 4 or not all(got.lower().startswith(start) for got, start in zip(labels, expected, strict=True)):
        problems.append(f"dataset.json names the labels {', '.join(labels)}; expected are {', '.join(expected)}")
    return problems
