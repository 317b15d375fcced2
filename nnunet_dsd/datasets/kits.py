"""Kidney tumours in CT: the releases of the Kidney Tumor Segmentation Challenge of 2019, 2021 and 2023.

Published as a folder per case, `case_00000/imaging.nii.gz` with the labels beside it, in `data` (2019, 2021) or
`dataset` (2023). The first axis of the files is the axial one. Reference: Heller et al., The state of the art in kidney
and kidney tumor segmentation in contrast-enhanced CT imaging: results of the KiTS19 challenge, Medical Image Analysis
2021; Heller et al., The KiTS21 challenge, arXiv:2307.01984.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import Conversion
from nnunet_dsd.datasets.sources import Listing, SourceCase
from nnunet_dsd.datasets.tumour_ct import TumourCt, TumourSettings, describe_conversion

Release = Literal["kits19", "kits21", "kits23"]
Aggregation = Literal["maj", "and", "or"]

PREFIX = "case_"
IMAGE_FILE = "imaging.nii.gz"
CASE_FOLDERS = ("", "data", "dataset")
PAPER_WINDOW_HU = (-200.0, 300.0)
_MASSES: Mapping[str, tuple[int, ...]] = {"kidney_and_masses": (1, 2, 3), "masses": (2, 3), "tumour": (2,)}


@dataclass(frozen=True)
class KitsRelease:
    """One year's release.

    Attributes:
        data_set: what it holds.
        label_file: name in each case's folder; `{}` stands for the aggregation of several annotators, in capitals.
        first_unlabelled: number from which on cases were released without labels; None if none was.
    """

    data_set: TumourCt
    label_file: str = "segmentation.nii.gz"
    first_unlabelled: int | None = None


def _with_cysts(year: int, labelled: int) -> TumourCt:
    return TumourCt(
        name=f"KiTS{year}",
        classes=("background", "kidney", "tumour", "cyst"),
        foreground="mass",
        regions=_MASSES,
        region_order=(1, 3, 2),
        labelled=labelled,
        window_hu=PAPER_WINDOW_HU,
        description=f"Kidneys, tumours and cysts in CT: KiTS{year}, Heller et al., CC BY-NC-SA 4.0",
    )


RELEASES: Mapping[Release, KitsRelease] = {
    "kits19": KitsRelease(
        TumourCt(
            name="KiTS19",
            classes=("background", "kidney", "tumour"),
            foreground="tumour",
            regions={"kidney_and_tumour": (1, 2), "tumour": (2,)},
            region_order=(1, 2),
            labelled=210,
            window_hu=PAPER_WINDOW_HU,
            description="Kidneys and tumours in CT: KiTS19, Heller et al., CC BY-NC-SA 4.0",
        ),
        first_unlabelled=210,
    ),
    "kits21": KitsRelease(_with_cysts(21, 300), label_file="aggregated_{}_seg.nii.gz"),
    "kits23": KitsRelease(_with_cysts(23, 489)),
}


def read_kits(
    source: Path,
    release: Release,
    settings: TumourSettings,
    *,
    aggregation: Aggregation = "maj",
    name: str | None = None,
) -> Conversion:
    """Find the cases of a release.

    Args:
        source: folder with the cases, or the one that holds it as `data` or `dataset`.
        release: which year's.
        settings: how to convert and divide it.
        aggregation: KiTS21: which voxels count, those of most annotators, of all, or of any.
        name: what nnU-Net's folder is called after the number; None is the release's own.

    Raises:
        DataError: if there are no folders of cases.
        SettingsError: if the numbers of cases cannot be.
    """
    chosen = RELEASES[release]
    listing, unlabelled = list_cases(
        case_folders(source), chosen.label_file.format(aggregation.upper()), first_unlabelled=chosen.first_unlabelled
    )
    return describe_conversion(source, chosen.data_set, listing, unlabelled, settings, name=name)


def case_folders(source: Path) -> tuple[Path, ...]:
    """Return the folders of cases in a folder or in its `data` or `dataset`, in order.

    Raises:
        DataError: if there are none.
    """
    for folder in CASE_FOLDERS:
        cases = sorted(path for path in (source / folder).glob(f"{PREFIX}*") if _is_case(path))
        if cases:
            return tuple(cases)
    what = "holds no folders such as case_00000" if source.is_dir() else "is no folder"
    raise DataError(f"{source} {what}; give the one that holds them, or the one above it with data or dataset in it")


def _is_case(path: Path) -> bool:
    return path.is_dir() and path.name.removeprefix(PREFIX).isdecimal()


def list_cases(
    folders: tuple[Path, ...], label_file: str, *, first_unlabelled: int | None
) -> tuple[Listing, tuple[SourceCase, ...]]:
    """Return the labelled cases with what is wrong with the list, and those that were released without labels."""
    cases = [_case(folder, label_file) for folder in folders]
    if not any(case.label for case in cases):
        problem = f"none of {len(cases)} cases has {label_file}; is it another release? There are {', '.join(RELEASES)}"
        return Listing((), [problem]), ()
    problems: list[str] = []
    labelled, unlabelled = [], []
    for folder, case in zip(folders, cases, strict=True):
        if not case.image.is_file():
            problems.append(f"{case.image} is not there; the images are downloaded apart from the labels")
        elif case.label is not None:
            labelled.append(case)
        elif first_unlabelled is not None and _number(folder) >= first_unlabelled:
            unlabelled.append(case)
        else:
            problems.append(f"{folder / label_file} is not there")
    return Listing(tuple(labelled), problems), tuple(unlabelled)


def _case(folder: Path, label_file: str) -> SourceCase:
    label = folder / label_file
    return SourceCase(folder.name, folder / IMAGE_FILE, label if label.is_file() else None)


def _number(folder: Path) -> int:
    return int(folder.name.removeprefix(PREFIX))
