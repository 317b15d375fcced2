"""Derive a plans file from nnU-Net's: our settings block, batch and patch size, network width."""

from __future__ import annotations

import contextlib
import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nnunet_dsd.common.counting import counted
from nnunet_dsd.common.errors import DataError, NetworkStructureError, SettingsError, SetupError
from nnunet_dsd.common.files import write_text
from nnunet_dsd.common.likeness import did_you_mean, listed
from nnunet_dsd.config.misplaced_blocks import misplaced_blocks
from nnunet_dsd.config.settings import DERIVED_FROM_KEY, PLANS_KEY, flat_block, grouped_block, read_settings
from nnunet_dsd.config.training_settings import mirror_axes_problems
from nnunet_dsd.networks.ushape import check_patch_size, cumulative_scales
from nnunet_dsd.nnunet_folders import nnunet_folder
from nnunet_dsd.presets import Preset

MINIMUM_FEATURES = 4


@dataclass(frozen=True)
class PlanChanges:
    """What to change in a configuration; None leaves nnU-Net's choice.

    `patch_size` is in voxels per axis; `width` multiplies the feature channels of every stage.
    """

    settings: Mapping[str, Any]
    batch_size: int | None = None
    patch_size: tuple[int, ...] | None = None
    width: float | None = None

    def upon(self, preset: Preset) -> PlanChanges:
        """Return these changes on top of a preset's: what is set here wins."""
        return PlanChanges(
            {**preset.settings, **self.settings},
            batch_size=preset.batch_size if self.batch_size is None else self.batch_size,
            patch_size=preset.patch_size if self.patch_size is None else self.patch_size,
            width=preset.width if self.width is None else self.width,
        )


def dataset_folder(dataset: str) -> Path:
    """Return a data set's folder in nnUNet_preprocessed.

    Args:
        dataset: Number, or name of the form `Dataset004_Hippocampus`.

    Raises:
        SetupError: if nnUNet_preprocessed is not set or no folder.
        DataError: if there is no such data set there, or more than one of that number.
    """
    root = nnunet_folder("nnUNet_preprocessed")
    prefix = f"Dataset{int(dataset):03d}_" if dataset.isdecimal() else None
    folders = sorted(path for path in root.iterdir() if path.is_dir())
    found = [path for path in folders if (path.name.startswith(prefix) if prefix else path.name == dataset)]
    if len(found) != 1:
        what = f"{len(found)} data sets match '{dataset}'" if found else f"no data set '{dataset}'"
        names = [path.name for path in folders if path.name.startswith("Dataset")]
        if found:
            raise DataError(f"{what} in {root}: {', '.join(path.name for path in found)}; give one by its whole name")
        command = f"nnUNetv2_plan_and_preprocess -d {dataset} first"
        advice = f"If it is another one, run {command}" if did_you_mean(dataset, names) else f". Run {command}"
        raise DataError(f"{what} in {root}; there are: {listed(dataset, names)}{' ' * (advice[0] != '.')}{advice}")
    return found[0]


def read_plans(folder: Path, name: str) -> dict[str, Any]:
    """Read a plans file by name.

    Raises:
        DataError: if it is missing, no JSON or no plans.
    """
    path = folder / f"{name}.json"
    if not path.is_file():
        candidates = listed(name, sorted(p.stem for p in folder.glob("*Plans*.json")))
        raise DataError(f"there is no plans file {path}; there are: {candidates}")
    try:
        plans: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no text at all
        raise DataError(f"{path} is no valid JSON ({error}); plan the data set again") from error
    if not isinstance(plans, dict) or not {"plans_name", "configurations"} <= plans.keys():
        raise DataError(f"{path} is no nnU-Net plans file: it lacks 'plans_name' or 'configurations'; give one with -p")
    return plans


def derive_plans(
    plans: Mapping[str, Any], configurations: Sequence[str], name: str, changes: PlanChanges
) -> dict[str, Any]:
    """Return a copy of nnU-Net's plans with our block and changes in the named configurations.

    Preprocessed data are shared with the original plans: nothing that preprocessing depends on is changed.

    Args:
        plans: nnU-Net's plans.
        configurations: Which of its configurations to change, for example `3d_fullres`.
        name: The new plans' name.
        changes: What to change.

    Raises:
        SettingsError: listing everything that is wrong.
    """
    impossible = _change_problems(changes) + _axes_problems(plans["configurations"], configurations, changes)
    problems = [*_name_problems(name), *_target_problems(plans, configurations, name), *misplaced_blocks(plans)]
    problems += impossible
    original = plans["configurations"]
    blocks: dict[str, dict[str, Any]] = {}
    for configuration in (c for c in configurations if c in original):
        try:
            blocks[configuration] = _merged_block(original, configuration, changes.settings)
        except SettingsError as error:
            problems += [problem for problem in error.problems if problem not in problems]
            blocks[configuration] = {}
    derived = copy.deepcopy(dict(plans))
    derived["plans_name"] = name
    derived[DERIVED_FROM_KEY] = plans["plans_name"]
    for configuration, block in blocks.items() if not impossible else ():
        try:
            _change_configuration(derived["configurations"], original, configuration, block, changes)
        except NetworkStructureError as error:
            if not problems and len(blocks) == 1:
                raise
            problems.append(f"{configuration}: {error}")
    if problems:
        raise SettingsError(problems, source=f"the plans '{name}'")
    return derived


def refuse_whatever_the_plans(name: str, changes: PlanChanges) -> None:
    """Refuse what no plans could be changed to, for where those to derive from cannot be read.

    Args:
        name: The new plans' name.
        changes: What to change.

    Raises:
        SettingsError: listing everything that is wrong.
    """
    if problems := _name_problems(name) + _change_problems(changes):
        raise SettingsError(problems, source=f"the plans '{name}'")


def heirs(plans: Mapping[str, Any], configuration: str) -> list[str]:
    """Return the configurations that inherit from one, directly or not, and so share its block and its changes."""
    configurations = plans["configurations"]
    children = [name for name, value in configurations.items() if value.get("inherits_from") == configuration]
    return children + [heir for child in children for heir in heirs(plans, child)]


def _merged_block(configurations: Mapping[str, Any], configuration: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was asked for, defaults included, on top of the block that the plans hold already, by parts."""
    planned = inherited(configurations, configuration, PLANS_KEY)
    merged = {**(flat_block(planned) if isinstance(planned, Mapping) else {}), **given}  # else `misplaced_blocks` tells
    settings = read_settings(merged)
    axes = settings.training.mirror_axes
    if problems := mirror_axes_problems(axes, inherited(configurations, configuration, "patch_size")):
        raise SettingsError([f"{configuration}: {problem}" for problem in problems], source=configuration)
    values = {name: value for name, value in settings.flat().items() if name in merged}
    return grouped_block({name: list(value) if isinstance(value, tuple) else value for name, value in values.items()})


def by_parts(plans: Any) -> Any:
    """Return plans whose blocks of settings have parts, as those of earlier versions had not; else as they are."""
    configurations = plans.get("configurations") if isinstance(plans, Mapping) else None
    if not isinstance(configurations, Mapping):
        return plans
    changed = {}
    for name, configuration in configurations.items():
        with contextlib.suppress(SettingsError):  # what cannot be read differs from whatever it is compared with
            if isinstance(configuration, Mapping) and PLANS_KEY in configuration:
                changed[name] = {**configuration, PLANS_KEY: grouped_block(flat_block(configuration[PLANS_KEY]))}
    return {**plans, "configurations": {**configurations, **changed}}


def write_plans(folder: Path, plans: Mapping[str, Any], *, overwrite: bool = False) -> Path:
    """Write plans under their name, whole or not at all, and return the path.

    Raises:
        DataError: if other plans of that name exist and `overwrite` is false, or if they are not derived ones.
        SetupError: if they cannot be written.
    """
    path = folder / f"{plans['plans_name']}.json"
    try:
        if path.exists() and _is_original(path):
            raise DataError(f"{path} are nnU-Net's own plans and are not overwritten; choose another name with -o")
        if path.exists() and not overwrite and not _holds(path, plans):
            raise DataError(f"{path} exists and says something else; choose another name with -o, or pass --overwrite")
        write_text(path, json.dumps(plans, indent=4))
    except OSError as error:
        raise SetupError(f"could not write {path}: {error}; make the folder writable, or make room") from error
    return path


def _is_original(path: Path) -> bool:
    """Tell whether a file holds plans that this package did not derive."""
    try:
        plans = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(plans, dict) and "plans_name" in plans and DERIVED_FROM_KEY not in plans


def _holds(path: Path, plans: Mapping[str, Any]) -> bool:
    try:
        return bool(by_parts(json.loads(path.read_text(encoding="utf-8"))) == by_parts(plans))
    except ValueError:
        return False


def _name_problems(name: str) -> list[str]:
    if re.fullmatch(r"\w[\w.-]*", name) and "__" not in name:
        return []
    return [f"plans name '{name}' must be letters, digits, '.', '-' and single '_'"]


def _target_problems(plans: Mapping[str, Any], configurations: Sequence[str], name: str) -> list[str]:
    known = plans["configurations"]
    problems = [f"no configuration '{c}'; there are {listed(c, known)}" for c in configurations if c not in known]
    if name == plans["plans_name"]:
        problems.append(f"plans name '{name}' is that of the plans it derives from; choose another with -o")
    return problems


def _axes_problems(configurations: Mapping[str, Any], chosen: Sequence[str], changes: PlanChanges) -> list[str]:
    """Return in which configurations a patch has another number of axes than the one that is asked for."""
    given = changes.patch_size
    planned = {name: inherited(configurations, name, "patch_size") for name in chosen if name in configurations}
    return [
        f"patch size {given} has {counted(len(given), 'axis', 'axes')}, expected {len(size)} for {name}, whose patches "
        f"are {' '.join(map(str, size))}"
        for name, size in planned.items()
        if given is not None and size and len(given) != len(size)
    ]


def _change_problems(changes: PlanChanges) -> list[str]:
    problems = []
    if changes.batch_size is not None and changes.batch_size < 1:
        problems.append(f"batch size {changes.batch_size}, allowed is at least 1")
    if changes.patch_size is not None and any(axis < 1 for axis in changes.patch_size):
        problems.append(f"patch size {changes.patch_size}, allowed are at least 1 voxel per axis")
    if changes.width is not None and not 0 < changes.width <= 8:
        problems.append(f"width {changes.width:g}, allowed is more than 0 and at most 8")
    return problems


def inherited(configurations: Mapping[str, Any], name: str, key: str) -> Any:
    """Return a value of a configuration or of the first one it inherits from that has it."""
    configuration = configurations[name]
    while key not in configuration and "inherits_from" in configuration:
        configuration = configurations[configuration["inherits_from"]]
    return configuration.get(key)


def _change_configuration(
    configurations: dict[str, Any],
    original: Mapping[str, Any],
    name: str,
    block: Mapping[str, Any],
    changes: PlanChanges,
) -> None:
    """Change one configuration; inherited values are the original's, whose parent may have been changed already."""
    architecture = copy.deepcopy(inherited(original, name, "architecture"))
    planned_patch_size = inherited(original, name, "patch_size")
    patch_size = list(changes.patch_size or planned_patch_size)
    if changes.width is not None:
        if not architecture:
            raise NetworkStructureError(
                f"{name} was planned by an older nnU-Net and names no architecture; plan it again"
            )
        _scale_width(architecture, changes.width, name)
    if architecture and "strides" in architecture["arch_kwargs"]:
        strides = architecture["arch_kwargs"]["strides"]
        check_patch_size(cumulative_scales(strides, len(strides), dimensions=len(planned_patch_size))[-1], patch_size)
    configuration = configurations[name]
    configuration[PLANS_KEY] = dict(block)
    if changes.batch_size is not None:
        configuration["batch_size"] = changes.batch_size
    if changes.patch_size is not None:
        configuration["patch_size"] = patch_size
    if changes.width is not None:
        configuration["architecture"] = architecture


def _scale_width(architecture: dict[str, Any], width: float, configuration: str) -> None:
    kwargs = architecture["arch_kwargs"]
    if "features_per_stage" not in kwargs:
        raise NetworkStructureError(
            f"{architecture['network_class_name']} of {configuration} has no feature channels per stage, so --width "
            "cannot scale it"
        )
    kwargs["features_per_stage"] = [max(MINIMUM_FEATURES, round(f * width)) for f in kwargs["features_per_stage"]]
