"""Multi-Modality Whole Heart Segmentation (MMWHS): the paper's cardiac data set.

Published as `ct_train/ct_train_1001_image.nii.gz` with `ct_train_1001_label.nii.gz` beside it, 20 cases, and test
images without labels; the same for MR (`mr_train`), which the paper does not use. Reference: Zhuang and Shen,
Multi-scale patch and multi-modality atlases for whole heart segmentation of MRI, Medical Image Analysis 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import Conversion
from nnunet_dsd.datasets.labels import LabelValues
from nnunet_dsd.datasets.preparation import Preparation
from nnunet_dsd.datasets.sources import Listing, by_name, pair
from nnunet_dsd.datasets.splits import Fold, folds_in_file_order

Modality = Literal["ct", "mr"]

# Value in the source, name in dataset.json, in the order of the paper's Table 1; the place is the written value.
STRUCTURES = (
    (205, "myocardium"),
    (420, "left_atrium"),
    (500, "left_ventricle"),
    (550, "right_atrium"),
    (600, "right_ventricle"),
    (820, "ascending_aorta"),
    (850, "pulmonary_artery"),
)
VALUES = LabelValues(
    targets={0: 0, **{value: index for index, (value, _) in enumerate(STRUCTURES, start=1)}},
    # One released file holds 421 in the left atrium. (The authors' code makes it background.)
    corrections={421: 420},
)
LABELS = {"background": 0, **{name: index for index, (_, name) in enumerate(STRUCTURES, start=1)}}
ORIENTATION = "RAS"
SPACING_MM = (1.5, 1.5, 2.0)
INTENSITY_RANGE_HU = (-175.0, 250.0)
CASES, CASES_PER_FOLD = 20, 4
CHANNEL_NAMES: dict[Modality, str] = {"ct": "CT", "mr": "MRI"}


@dataclass(frozen=True)
class MmwhsSettings:
    """How to convert MMWHS; the defaults are the paper's, for CT.

    Attributes:
        modality: which scans to take.
        resample: whether to interpolate to `SPACING_MM`.
        intensity_range: lowest and highest intensity to keep; None does not clip.
        incomplete: whether to accept another number of training cases than 20.
        paper_folds: whether to write the paper's folds rather than leave them to nnU-Net.
    """

    modality: Modality = "ct"
    resample: bool = True
    intensity_range: tuple[float, float] | None = INTENSITY_RANGE_HU
    incomplete: bool = False
    paper_folds: bool = True


def read_mmwhs(source: Path, settings: MmwhsSettings, *, name: str | None = None) -> Conversion:
    """Find the cases of MMWHS below a folder.

    Raises:
        DataError: if the folder does not exist.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder; give the one that holds {settings.modality}_train")
    training, test = list_part(source, settings.modality, "train"), list_part(source, settings.modality, "test")
    problems = [*training.problems, *test.problems, *_count_problems(len(training.cases), source, settings)]
    folds: tuple[Fold, ...] = ()
    if settings.paper_folds and not problems:
        folds = folds_in_file_order([case.name for case in training.cases], CASES_PER_FOLD)
    return Conversion(
        source=source,
        name=name or ("MMWHS" if settings.modality == "ct" else "MMWHSMR"),
        channel_names=(CHANNEL_NAMES[settings.modality],),
        labels=LABELS,
        values=VALUES,
        preparation=Preparation(
            orientation=ORIENTATION,
            spacing_mm=SPACING_MM if settings.resample else None,
            intensity_range=settings.intensity_range,
        ),
        training=training.cases,
        test=test.cases,
        folds=folds,
        rules=_rules(settings),
        problems=tuple(problems),
        description="Whole heart, 7 structures: Multi-Modality Whole Heart Segmentation (MMWHS), Zhuang et al.",
    )


def list_part(source: Path, modality: Modality, part: Literal["train", "test"]) -> Listing:
    """List the cases of one part, wherever below the folder they lie; their names are such as `ct_train_1001`."""
    problems: list[str] = []
    prefix = f"{modality}_{part}_"
    volumes = by_name(source.rglob(f"{prefix}*"), problems)
    images = {name.removesuffix("_image"): path for name, path in volumes.items() if name.endswith("_image")}
    labels = {name.removesuffix("_label"): path for name, path in volumes.items() if name.endswith("_label")}
    listing = pair(images, labels, labelled=part == "train")
    return Listing(listing.cases, problems + listing.problems)


def _count_problems(found: int, source: Path, settings: MmwhsSettings) -> list[str]:
    what = f"{found} cases {settings.modality}_train_*_image.nii.gz below {source}"
    if settings.incomplete and found > CASES_PER_FOLD:
        return []
    if settings.incomplete:
        return [f"{what}, expected more than {CASES_PER_FOLD}: each fold validates on {CASES_PER_FOLD}"]
    return [] if found == CASES else [f"{what}, expected {CASES}; --incomplete accepts another number"]


def _rules(settings: MmwhsSettings) -> dict[str, str]:
    spacing = " x ".join(f"{step:g}" for step in SPACING_MM)
    clipped = settings.intensity_range
    return {
        "folds": f"patients in file order, fold k validates on the {CASES_PER_FOLD} from number {CASES_PER_FOLD}k"
        if settings.paper_folds
        else "left to nnU-Net",
        "test": f"the published {settings.modality}_test images, if they are there",
        "orientation": ORIENTATION,
        "spacing": f"{spacing} mm, images trilinear, labels nearest neighbour" if settings.resample else "as published",
        "intensities": f"clipped to {clipped[0]:g} to {clipped[1]:g}" if clipped else "as published",
        "labels": ", ".join(f"{value} -> {target}" for value, target in VALUES.targets.items()) + "; 421 means 420",
    }
