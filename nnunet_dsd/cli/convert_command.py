"""`nnunet-dsd convert`: public data sets to nnU-Net's raw format, with the papers' splits."""

from __future__ import annotations

import argparse
import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.machine import processes_for
from nnunet_dsd.nnunet_folders import nnunet_folder

if TYPE_CHECKING:
    from rich.console import Console

    from nnunet_dsd.datasets.case_checks import Findings
    from nnunet_dsd.datasets.conversion import Conversion
    from nnunet_dsd.datasets.targets import Target

SUMMARY = "convert a public data set to nnU-Net's raw format, with the papers' splits and slices"

KITS = ("kits19", "kits21", "kits23")
DATA_SETS = ("mmwhs", "msd-brats", "msd-hippocampus", "msd", *KITS, "lits")
_TUMOUR = ("label_kind", "test_cases", "incomplete", "tumour_slices", "window", "min_tumour_mm2")
# Which options a data set has besides those of all.
OPTIONS = {
    "mmwhs": ("modality", "no_resample", "clip", "no_clip", "incomplete", "split"),
    "msd-brats": ("label_kind", "test_cases", "validation_cases", "split"),
    "msd-hippocampus": ("test_cases", "validation_cases", "split"),
    "msd": ("test_cases", "validation_cases"),
    "kits19": _TUMOUR,
    "kits21": (*_TUMOUR, "aggregation"),
    "kits23": _TUMOUR,
    "lits": _TUMOUR,
}
# Options that are for slices alone.
SLICE_OPTIONS = ("window", "min_tumour_mm2")
MOST_PROCESSES = 4
BYTES_PER_PROCESS = 20e6  # of compressed volumes: reading them twice and writing them takes some 7 s


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments; those of single data sets are None where they are not given."""
    parser.add_argument("data_set", choices=DATA_SETS, help="what SOURCE holds; msd is any other MSD task")
    parser.add_argument("source", type=Path, metavar="SOURCE", help="folder with the data set as it was published")
    parser.add_argument("-d", "--dataset", type=int, required=True, help="number it gets in nnU-Net, 1 to 999")
    parser.add_argument("--name", help="its name in nnU-Net after the number (default: the data set's own)")
    most = f"cases at a time (default: what the volumes are worth, at most {MOST_PROCESSES})"
    parser.add_argument("--processes", type=int, metavar="N", help=most)
    parser.add_argument("--check-only", action="store_true", help="check everything, write nothing")
    parser.add_argument(
        "--same-voxels",
        action="store_true",
        help="take every label of its image's size to lie on the image's voxels, whatever its header says",
    )
    _add_mmwhs(parser.add_argument_group("mmwhs"))
    _add_msd(parser.add_argument_group("msd-brats, msd-hippocampus, msd"))
    _add_tumours(parser.add_argument_group("kits19, kits21, kits23, lits"))
    _add_shared(parser.add_argument_group("several data sets"))


def _add_mmwhs(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--modality", choices=("ct", "mr"), help="scans to take (default: ct, the paper's)")
    resample = "keep the voxel size (default: 1.5 x 1.5 x 2 mm)"
    group.add_argument("--no-resample", action="store_true", default=None, help=resample)
    group.add_argument(
        "--clip",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="clip intensities (default: -175 250 for ct, not at all for mr)",
    )
    group.add_argument("--no-clip", action="store_true", default=None, help="keep the intensities")


def _add_msd(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--validation-cases", type=int, metavar="N", help="validate on N cases in fold 0")


def _add_tumours(group: argparse._ArgumentGroup) -> None:
    sliced = "write axial slices with tumour, tumour against all else (default: volumes with all labels)"
    group.add_argument("--tumour-slices", action="store_true", default=None, help=sliced)
    group.add_argument(
        "--window",
        type=float,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="with --tumour-slices: HU that become 0 and 1 (default: -200 300 for KiTS, -40 160 for LiTS)",
    )
    least = "with --tumour-slices: area of tumour a slice needs, in mm2 (default: any)"
    group.add_argument("--min-tumour-mm2", type=float, metavar="AREA", help=least)
    combined = "kits21: voxels that most annotators labelled (maj, default), all (and), or any (or)"
    group.add_argument("--aggregation", choices=("maj", "and", "or"), help=combined)


def _add_shared(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--test-cases", type=int, metavar="N", help="all but mmwhs: hold out the last N labelled cases for the test"
    )
    group.add_argument(
        "--incomplete",
        action="store_true",
        default=None,
        help="mmwhs, kits, lits: accept another number of labelled cases than was published",
    )
    group.add_argument(
        "--label-kind",
        choices=("regions", "classes"),
        help="msd-brats, kits, lits: overlapping regions (default for msd-brats, the paper's), or the classes of the "
        "files (default for the others)",
    )
    group.add_argument(
        "--split",
        choices=("paper", "nnunet"),
        help="mmwhs, msd-brats, msd-hippocampus: who makes the folds (default: paper)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Check the source, write the data set, and say what to run next."""
    from rich.console import Console

    from nnunet_dsd.datasets.conversion import check_sources, convert
    from nnunet_dsd.datasets.targets import find_target, require_disk_space

    _refuse_what_does_not_fit(arguments)
    _require_nnunet_folders(arguments)
    conversion = replace(_read(arguments), same_voxels=arguments.same_voxels)
    target = find_target(
        arguments.dataset, conversion.name, conversion.folds, folds_of_cases=conversion.slicing is None
    )
    processes = arguments.processes or processes_for(
        conversion.source_bytes(), each=BYTES_PER_PROCESS, most=MOST_PROCESSES
    )
    if arguments.check_only:
        findings = check_sources(conversion, processes=processes)
        require_disk_space(target, findings.output_bytes)
    else:
        findings = convert(conversion, target, processes=processes)
    _summarise(Console(), conversion, target, findings, written=not arguments.check_only)
    return 0


def _refuse_what_does_not_fit(arguments: argparse.Namespace) -> None:
    every = {option for options in OPTIONS.values() for option in options}
    foreign = sorted(every - set(OPTIONS[arguments.data_set]))
    problems = [
        f"{_flag(option)} does not go with {arguments.data_set}"
        for option in foreign
        if getattr(arguments, option) is not None
    ]
    if arguments.processes is not None and arguments.processes < 1:
        problems.append(f"--processes {arguments.processes}; at least 1 is needed")
    if arguments.clip is not None and arguments.no_clip:
        problems.append("--clip and --no-clip contradict each other")
    problems += _range_problems("clip", arguments.clip) + _range_problems("window", arguments.window)
    problems += _slice_problems(arguments)
    if arguments.split == "nnunet" and arguments.validation_cases is not None:
        problems.append("--validation-cases is for the fold that --split nnunet leaves to nnU-Net")
    if problems:
        raise SettingsError(problems, source="the command line")


def _require_nnunet_folders(arguments: argparse.Namespace) -> None:
    """Check that nnU-Net's folders are there which this data set goes to, whatever its source is."""
    nnunet_folder("nnUNet_raw")
    paper_split = "split" in OPTIONS[arguments.data_set] and arguments.split != "nnunet"
    if paper_split or arguments.tumour_slices or arguments.validation_cases is not None:
        nnunet_folder("nnUNet_preprocessed")


def _range_problems(option: str, limits: list[float] | None) -> list[str]:
    if limits is None or (all(map(math.isfinite, limits)) and limits[0] < limits[1]):
        return []
    return [f"{_flag(option)} {limits[0]:g} {limits[1]:g}; two finite numbers, the first must be less than the second"]


def _slice_problems(arguments: argparse.Namespace) -> list[str]:
    problems = []
    if not arguments.tumour_slices:
        given = [option for option in SLICE_OPTIONS if getattr(arguments, option) is not None]
        problems += [f"{_flag(option)} is for --tumour-slices" for option in given]
    elif arguments.label_kind == "regions":
        problems.append("--label-kind regions is for volumes; --tumour-slices has tumour alone")
    least = arguments.min_tumour_mm2
    if least is not None and not 0 <= least < math.inf:
        problems.append(f"--min-tumour-mm2 {least:g}; allowed is a finite area, at least 0")
    return problems


def _flag(option: str) -> str:
    return f"--{option.replace('_', '-')}"


def _read(arguments: argparse.Namespace) -> Conversion:
    if arguments.data_set == "mmwhs":
        return _read_mmwhs(arguments)
    return _read_msd(arguments) if arguments.data_set.startswith("msd") else _read_tumours(arguments)


def _read_mmwhs(arguments: argparse.Namespace) -> Conversion:
    from nnunet_dsd.datasets.mmwhs import INTENSITY_RANGE_HU, MmwhsSettings, Modality, read_mmwhs

    modality: Modality = arguments.modality or "ct"
    clip = INTENSITY_RANGE_HU if modality == "ct" and not arguments.no_clip else None
    settings = MmwhsSettings(
        modality=modality,
        resample=not arguments.no_resample,
        intensity_range=clip if arguments.clip is None else (arguments.clip[0], arguments.clip[1]),
        incomplete=bool(arguments.incomplete),
        paper_folds=arguments.split != "nnunet",
    )
    return read_mmwhs(arguments.source, settings, name=arguments.name)


def _read_msd(arguments: argparse.Namespace) -> Conversion:
    from nnunet_dsd.datasets.msd import MsdSettings, read_brats, read_hippocampus, read_task

    split = MsdSettings(arguments.test_cases, arguments.validation_cases, arguments.split != "nnunet")
    if arguments.data_set == "msd-brats":
        return read_brats(arguments.source, split, regions=arguments.label_kind != "classes", name=arguments.name)
    read = read_hippocampus if arguments.data_set == "msd-hippocampus" else read_task
    return read(arguments.source, split, name=arguments.name)


def _read_tumours(arguments: argparse.Namespace) -> Conversion:
    from nnunet_dsd.datasets.kits import Aggregation, read_kits
    from nnunet_dsd.datasets.lits import read_lits
    from nnunet_dsd.datasets.tumour_ct import TumourSettings

    settings = TumourSettings(
        regions=arguments.label_kind == "regions",
        test_cases=arguments.test_cases,
        incomplete=bool(arguments.incomplete),
        slices=bool(arguments.tumour_slices),
        window_hu=None if arguments.window is None else (arguments.window[0], arguments.window[1]),
        min_tumour_mm2=arguments.min_tumour_mm2 or 0.0,
    )
    if arguments.data_set == "lits":
        return read_lits(arguments.source, settings, name=arguments.name)
    aggregation: Aggregation = arguments.aggregation or "maj"
    return read_kits(arguments.source, arguments.data_set, settings, aggregation=aggregation, name=arguments.name)


def _summarise(console: Console, conversion: Conversion, target: Target, findings: Findings, *, written: bool) -> None:
    lines = [f"note: {note}" for note in findings.notes]
    lines += [
        f"{counted(len(conversion.training), 'case')} for training and validation, {len(conversion.test)} for the test"
    ]
    lines += [f"{counted(len(findings.slices), 'slice')} of them with tumour"] if conversion.slicing else []
    lines += [f"{topic}: {rule}" for topic, rule in conversion.rules.items()]
    if written:
        lines.append(f"written: {target.raw}")
        lines += [f"written: {target.splits} (and a copy beside dataset.json)"] if target.splits else []
        lines.append(f"next: nnUNetv2_plan_and_preprocess -d {int(target.name[7:10])} --verify_dataset_integrity")
    else:
        lines.append(f"sound; about {findings.output_bytes / 1e9:.2f} GB would be written to {target.raw}")
    for line in lines:
        console.print(line, soft_wrap=True, highlight=False, markup=False)
