"""`nnunet-dsd plan`: derive a plans file with settings of one's own."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from nnunet_dsd.cli.plan_notes import mirrored_sides, missing_soft_labels, missing_teacher
from nnunet_dsd.cli.plan_options import add_settings, given_settings
from nnunet_dsd.common.command_line import OneValue
from nnunet_dsd.common.gathered_errors import GatheredErrors
from nnunet_dsd.common.machine import training_device
from nnunet_dsd.common.tables import print_table
from nnunet_dsd.config.settings import PART_OF, PLANS_KEY, flat_block
from nnunet_dsd.distillation.feedback_settings import named_by_path
from nnunet_dsd.plans import (
    PlanChanges,
    dataset_folder,
    derive_plans,
    heirs,
    read_plans,
    refuse_whatever_the_plans,
    write_plans,
)
from nnunet_dsd.presets import PRESETS, Preset, find_preset

SUMMARY = "derive a plans file with settings of your own, for nnUNetv2_train -p"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments: what to derive from, changes to the plans, and one option per setting."""
    parser.add_argument("-d", "--dataset", required=True, help="data set number or name (in nnUNet_preprocessed)")
    parser.add_argument("-c", "--configuration", nargs="+", required=True, help="configurations to change")
    parser.add_argument("-p", "--plans", default="nnUNetPlans", help="plans to derive from (default: %(default)s)")
    parser.add_argument("-o", "--output", required=True, help="name of the new plans, for nnUNetv2_train -p")
    parser.add_argument(
        "--preset", help="start from a named set: " + "; ".join(f"{k}: {v.summary}" for k, v in PRESETS.items())
    )
    parser.add_argument("--overwrite", action="store_true", help="replace plans of that name")
    plan = parser.add_argument_group("changes to the plans themselves")
    plan.add_argument("--batch-size", type=int, help="patches per step")
    plan.add_argument(
        "--patch-size", action=OneValue, type=int, nargs="+", metavar="VOXELS", help="voxels per axis, as in the plans"
    )
    plan.add_argument("--width", type=float, help="factor on the feature channels of every stage")
    add_settings(parser)


def run(arguments: argparse.Namespace) -> int:
    """Write the derived plans and say how to use them."""
    folder, derived = _derived(arguments)
    path = write_plans(folder, derived, overwrite=arguments.overwrite)
    console = Console()
    print_table(_summary(derived, arguments.configuration), console)
    console.print(f"written: {path}", soft_wrap=True, highlight=False)
    for configuration in arguments.configuration:
        others = [name for name in heirs(derived, configuration) if name not in arguments.configuration]
        if others:
            console.print(f"what {configuration} got also holds for {', '.join(others)}, which inherits from it")
    blocks = [flat_block(derived["configurations"][name][PLANS_KEY]) for name in arguments.configuration]
    notes = [mirrored_sides(folder, blocks)]
    for block in blocks:
        trainer = _trainer(arguments, block)
        notes += [missing_teacher(block, folder.name, trainer), missing_soft_labels(block, folder, trainer)]
    for note in filter(None, notes):
        console.print(f"note: {note}", soft_wrap=True, highlight=False, markup=False)
    device = training_device()
    console.print("train with:", style="bold")
    for configuration, block in zip(arguments.configuration, blocks, strict=True):
        trainer = _trainer(arguments, block)
        fold = "all" if trainer.endswith("KD") else 0  # its teachers know the cases that a fold would hold out
        command = f"nnUNetv2_train {arguments.dataset} {configuration} {fold} -tr {trainer} -p {arguments.output}"
        on = "" if device == "cuda" else f" -device {device}"  # nnU-Net's default is cuda
        console.print(f"  {command}{on}", soft_wrap=True, highlight=False, markup=False)
    return 0


def _trainer(arguments: argparse.Namespace, block: Mapping[str, Any]) -> str:
    """Return a trainer that these plans are for: the one asked for, the preset's, one that is taught, or DSD."""
    if arguments.trainer is not None:
        return str(arguments.trainer)
    preset = find_preset(arguments.preset) if arguments.preset else None
    if preset is not None and preset.trainer != Preset.trainer:
        return preset.trainer
    given = given_settings(arguments)
    if block.get("soft_labels") or any(PART_OF[name] == "kd" for name in given):
        return "nnUNetTrainerKD"
    taught = block.get("feedback_teacher") or any(name.startswith("feedback") for name in given)
    return "nnUNetTrainerHLFD" if taught else Preset.trainer


def _derived(arguments: argparse.Namespace) -> tuple[Path, dict[str, Any]]:
    """Return the data set's folder and the derived plans, or refuse everything that is wrong at once."""
    gathered = GatheredErrors()
    settings = gathered.of(partial(_settings, arguments))
    preset = gathered.of(partial(find_preset, arguments.preset)) if arguments.preset else None
    patch_size = tuple(arguments.patch_size) if arguments.patch_size else None
    changes = PlanChanges(settings or {}, arguments.batch_size, patch_size, arguments.width)
    changes = changes.upon(preset) if preset is not None else changes
    name, derived = arguments.output, None
    folder = gathered.of(partial(dataset_folder, arguments.dataset))
    plans = None if folder is None else gathered.of(partial(read_plans, folder, arguments.plans))
    if plans is None:
        gathered.of(partial(refuse_whatever_the_plans, name, changes))
    else:
        derived = gathered.of(partial(derive_plans, plans, arguments.configuration, name, changes))
    if gathered.errors or folder is None or derived is None:
        raise gathered.as_one(source="the command")
    return folder, derived


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return the settings that were given as options."""
    settings = given_settings(arguments)
    teacher = settings.get("feedback_teacher")
    if teacher and named_by_path(teacher):  # which must hold wherever the training is started
        settings["feedback_teacher"] = str(Path(teacher).expanduser().resolve())
    return settings


def _features(configuration: dict[str, Any]) -> dict[str, Any]:
    """Return the channels of every stage, where the configuration has an architecture of its own."""
    features = configuration.get("architecture", {}).get("arch_kwargs", {}).get("features_per_stage")
    return {"features_per_stage": features} if features else {}


def _summary(plans: dict[str, Any], configurations: list[str]) -> Table:
    table = Table(title=f"plans '{plans['plans_name']}'", title_justify="left")
    table.add_column("configuration")
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold")
    for name in configurations:
        configuration = plans["configurations"][name]
        rows = {key: configuration[key] for key in ("batch_size", "patch_size") if key in configuration}
        rows |= _features(configuration)
        for key, value in {**rows, **flat_block(configuration[PLANS_KEY])}.items():
            table.add_row(name, key, str(value))
    return table
