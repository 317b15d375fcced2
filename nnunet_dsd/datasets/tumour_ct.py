"""What the kidney and liver tumour data sets have in common: one CT channel, nested labels, volumes or slices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.datasets.conversion import Conversion
from nnunet_dsd.datasets.labels import LabelValues
from nnunet_dsd.datasets.sources import Listing, SourceCase
from nnunet_dsd.datasets.splits import NNUNET_FOLDS, hold_out_last, nnunet_folds
from nnunet_dsd.datasets.tumour_slices import CHANNEL_NAME, TumourSlices

FIRST_TUMOUR_VALUE = 2  # in all of them 1 is the organ


@dataclass(frozen=True)
class TumourCt:
    """A released data set.

    Attributes:
        name: what nnU-Net's folder is called after the number.
        classes: name of each value, in order.
        foreground: name of the values from 2 on, the tumours, together.
        regions: nested regions by name, each with its values.
        region_order: value that each region writes, the later over the earlier.
        labelled: how many cases were released with labels.
        window_hu: intensities that the paper scales to 0 to 1.
        description: one sentence, with the source.
    """

    name: str
    classes: tuple[str, ...]
    foreground: str
    regions: Mapping[str, tuple[int, ...]]
    region_order: tuple[int, ...]
    labelled: int
    window_hu: tuple[float, float]
    description: str


@dataclass(frozen=True)
class TumourSettings:
    """How to convert and divide a data set.

    Attributes:
        regions: whether dataset.json declares nested regions instead of classes; not with slices.
        test_cases: how many of the last labelled volumes to hold out; None takes the published images without labels.
        incomplete: whether to accept another number of labelled cases than was released.
        slices: whether to write axial slices with tumour, binary, instead of volumes.
        window_hu: intensities that become 0 and 1 in slices; None is the paper's window.
        min_tumour_mm2: area of tumour that a slice needs.
    """

    regions: bool = False
    test_cases: int | None = None
    incomplete: bool = False
    slices: bool = False
    window_hu: tuple[float, float] | None = None
    min_tumour_mm2: float = 0.0


def describe_conversion(
    source: Path,
    data_set: TumourCt,
    listing: Listing,
    unlabelled: Sequence[SourceCase],
    settings: TumourSettings,
    *,
    name: str | None,
) -> Conversion:
    """Say how a listed data set is converted.

    Args:
        source: the folder it was found in.
        data_set: which it is.
        listing: its labelled cases.
        unlabelled: its published images without labels.
        settings: how to convert and divide it.
        name: what nnU-Net's folder is called after the number; None is the data set's own.

    Raises:
        SettingsError: if regions are asked for in slices, or the numbers of cases cannot be.
    """
    if settings.regions and settings.slices:
        raise SettingsError(["regions are for volumes; slices have tumour alone"], source="the settings")
    problems = list(listing.problems)
    if listing.cases or not problems:  # where no case has a label, their number is not what is wrong
        problems += _count_problems(len(listing.cases), source, data_set, settings)
    training, test, test_rule = listing.cases, tuple(unlabelled), "the published images without labels, if any"
    if settings.test_cases is not None and not problems:
        kept, _ = hold_out_last([case.name for case in training], settings.test_cases)
        training, test = training[: len(kept)], training[len(kept) :]
        test_rule = f"the last {settings.test_cases} labelled volumes"
    classes = {label: value for value, label in enumerate(data_set.classes)}
    conversion = Conversion(
        source=source,
        name=name or data_set.name,
        channel_names=("CT",),
        labels={"background": 0, **data_set.regions} if settings.regions else classes,
        regions_class_order=data_set.region_order if settings.regions else (),
        values=LabelValues.unchanged(len(data_set.classes)),
        training=training,
        test=test,
        rules={"test": test_rule, "folds": "left to nnU-Net"},
        problems=tuple(problems),
        description=data_set.description,
    )
    return _sliced(conversion, data_set, settings, name=name) if settings.slices else conversion


def _count_problems(found: int, source: Path, data_set: TumourCt, settings: TumourSettings) -> list[str]:
    what = f"{found} labelled cases of {data_set.name} below {source}"
    if found == data_set.labelled:
        return []
    if not settings.incomplete:
        return [f"{what}, expected {data_set.labelled}; --incomplete accepts another number"]
    return [] if found else [f"{what}, expected at least one"]


def _sliced(conversion: Conversion, data_set: TumourCt, settings: TumourSettings, *, name: str | None) -> Conversion:
    """Return the conversion to slices; images without labels, whose tumours nobody knows, are left out."""
    slicing = TumourSlices(settings.window_hu or data_set.window_hu, settings.min_tumour_mm2)
    held_out = settings.test_cases is not None
    problems = conversion.problems
    volumes = [case.name for case in conversion.training]
    if not problems and len(volumes) < NNUNET_FOLDS:
        problems = (f"{len(volumes)} volumes to train and validate on, expected at least {NNUNET_FOLDS}: one per fold",)
    return replace(
        conversion,
        name=name or f"{data_set.name}TumourSlices",
        channel_names=(CHANNEL_NAME,),
        labels={"background": 0, data_set.foreground: 1},
        values=LabelValues({value: int(value >= FIRST_TUMOUR_VALUE) for value in range(len(data_set.classes))}),
        test=conversion.test if held_out else (),
        folds=() if problems else nnunet_folds(volumes),
        slicing=slicing,
        rules={
            **({"test": conversion.rules["test"]} if held_out else {"test": "none; --test-cases N holds out volumes"}),
            "folds": f"by volume, {NNUNET_FOLDS} as nnU-Net makes them of the volumes: none is in two parts",
            "slices": f"axial, with tumour{_least(slicing)}",
            "intensities": f"{slicing.window_hu[0]:g} to {slicing.window_hu[1]:g} HU, clipped, scaled to 0 to 1",
            "labels": f"values from {FIRST_TUMOUR_VALUE} on are {data_set.foreground}",
        },
        problems=problems,
    )


def _least(slicing: TumourSlices) -> str:
    return f" of {slicing.min_tumour_mm2:g} mm2 or more" if slicing.min_tumour_mm2 else ""
