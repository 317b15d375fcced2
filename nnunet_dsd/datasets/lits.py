"""Liver tumours in CT: the Liver Tumor Segmentation Challenge (LiTS).

Published as `volume-0.nii` with `segmentation-0.nii`, spread over the folders of two training batches, and
`test-volume-0.nii` without labels. The third axis of the files is the axial one. The same volumes in the layout of MSD,
Task03_Liver, are read by `nnunet_dsd.datasets.msd`. Reference: Bilic et al., The liver tumor segmentation benchmark
(LiTS), Medical Image Analysis 2023.
"""

from __future__ import annotations

from pathlib import Path

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.datasets.conversion import Conversion
from nnunet_dsd.datasets.sources import Listing, by_name, pair
from nnunet_dsd.datasets.tumour_ct import TumourCt, TumourSettings, describe_conversion

LITS = TumourCt(
    name="LiTS",
    classes=("background", "liver", "tumour"),
    foreground="tumour",
    regions={"liver_and_tumour": (1, 2), "tumour": (2,)},
    region_order=(1, 2),
    labelled=131,
    window_hu=(-40.0, 160.0),
    description="Liver and tumours in CT: Liver Tumor Segmentation Challenge (LiTS), Bilic et al., CC BY-NC-ND 4.0",
)


def read_lits(source: Path, settings: TumourSettings, *, name: str | None = None) -> Conversion:
    """Find the cases of LiTS below a folder; they are called `lits_000` to `lits_130`, test images `lits_test_00`.

    Raises:
        DataError: if the folder does not exist.
        SettingsError: if the numbers of cases cannot be.
    """
    if not source.is_dir():
        raise DataError(f"{source} is no folder; give the one that holds the training batches")
    problems: list[str] = []
    images = _numbered(source, "volume-", "lits_{:03d}", problems)
    labels = _numbered(source, "segmentation-", "lits_{:03d}", problems)
    test = pair(_numbered(source, "test-volume-", "lits_test_{:02d}", problems), {}, labelled=False)
    listing = pair(images, labels)
    problems += listing.problems
    return describe_conversion(source, LITS, Listing(listing.cases, problems), test.cases, settings, name=name)


def _numbered(source: Path, prefix: str, case_name: str, problems: list[str]) -> dict[str, Path]:
    """Return the volumes below a folder whose names are a prefix and a number, by case and in the numbers' order."""
    volumes = by_name(source.rglob(f"{prefix}*"), problems)
    numbered = {name.removeprefix(prefix): path for name, path in volumes.items()}
    numbers = {int(number): path for number, path in numbered.items() if number.isdecimal()}
    return {case_name.format(number): path for number, path in sorted(numbers.items())}
