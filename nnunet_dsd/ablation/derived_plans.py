"""The plans of a study: one file for each set of plans and each seed, derived from nnU-Net's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.places import Places, read_json
from nnunet_dsd.ablation.study import PlansChoice, Study
from nnunet_dsd.common.errors import DataError, NetworkStructureError, SettingsError
from nnunet_dsd.config.settings import Settings, read_settings
from nnunet_dsd.plans import PlanChanges, by_parts, derive_plans, read_plans, write_plans
from nnunet_dsd.presets import PRESETS


def plan_changes(choice: PlansChoice, seed: int) -> PlanChanges:
    """Return what is changed in nnU-Net's plans: the preset, what the study says on top of it, and the seed."""
    changes = PlanChanges(
        {**choice.settings, **choice.by_seed.get(seed, {}), "seed": seed},
        batch_size=choice.batch_size,
        patch_size=choice.patch_size,
        width=choice.width,
    )
    return changes.upon(PRESETS[choice.preset]) if choice.preset else changes


def plans_settings(choice: PlansChoice, seed: int) -> Settings:
    """Return the settings that a training on these plans reads, apart from what its trainer fixes."""
    return read_settings(plan_changes(choice, seed).settings)


def derive(study: Study, choice: PlansChoice, seed: int, original: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plans of one choice and seed.

    Raises:
        SettingsError: if nnU-Net's plans cannot be changed so.
        NetworkStructureError: if the patch size does not fit their network.
    """
    name = study.plans_name(choice.name, seed)
    return derive_plans(original, [study.configuration], name, plan_changes(choice, seed))


def plans_problems(study: Study, places: Places) -> list[str]:
    """Return why plans could not be derived and written, without writing any."""
    try:
        original = read_plans(places.preprocessed, study.from_plans)
    except DataError as error:
        return [str(error)]
    problems = []
    for choice in study.plans:
        for seed in study.seeds:
            try:
                problems += _other_content(places, derive(study, choice, seed, original))
            except SettingsError as error:
                problems += [f"plans '{choice.name}': {problem}" for problem in error.problems]
                break  # the same for every seed
            except NetworkStructureError as error:
                problems.append(f"plans '{choice.name}': {error}")
                break
    return problems


def write_derived_plans(study: Study, places: Places) -> list[Path]:
    """Write the plans that are not there yet, each whole or not at all, and return the paths of all.

    Raises:
        DataError: if plans of such a name say something else.
    """
    original = read_plans(places.preprocessed, study.from_plans)
    derived = [derive(study, choice, seed, original) for choice in study.plans for seed in study.seeds]
    return [write_plans(places.preprocessed, plans) for plans in derived]


def _other_content(places: Places, plans: Mapping[str, Any]) -> list[str]:
    path = places.preprocessed / f"{plans['plans_name']}.json"
    if not path.exists():
        return []
    try:
        existing = by_parts(read_json(path))
    except DataError as error:
        return [str(error)]
    plans = by_parts(plans)
    if existing == plans:
        return []
    return [
        f"{path} exists and says something else than the study{_differences(existing, plans)}; "
        "give the study another name, or delete those plans and what was trained with them"
    ]


def _differences(existing: Any, plans: Mapping[str, Any]) -> str:
    """Name the first entries that differ, down the nested tables."""
    found = list(_differing(existing, plans, ""))
    listed = "; ".join(found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return f" ({listed})" if found else ""


def _differing(first: Any, second: Any, path: str) -> list[str]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        names = [*first, *(name for name in second if name not in first)]
        nested = (_differing(first.get(name), second.get(name), f"{path}.{name}" if path else name) for name in names)
        return [line for lines in nested for line in lines]
    return [] if first == second else [f"{path}: {first!r} there, {second!r} in the study"]
