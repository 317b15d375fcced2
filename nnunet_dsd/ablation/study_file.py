"""Reading a study from JSON; everything that is wrong with it is noted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from nnunet_dsd.ablation.known_trainers import trainer_problem
from nnunet_dsd.ablation.study import ALL_CASES, DEVICES, EVALUATE_ON, SAFE_NAME, PlansChoice, Study, TrainerChoice
from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.json_files import Table, is_count, is_list_of, is_text, read_json
from nnunet_dsd.common.likeness import nearest
from nnunet_dsd.config.settings import flat_block, read_settings
from nnunet_dsd.presets import PRESETS

STUDY_ENTRIES = (
    "name", "title", "dataset", "configuration", "from_plans", "plans", "trainers", "folds", "seeds",
    "evaluate_on", "test_images", "test_labels", "mirroring", "baseline", "device",
)  # fmt: skip
PLANS_ENTRIES = ("preset", "settings", "by_seed", "patch_size", "batch_size", "width")
TRAINER_ENTRIES = ("trainer", "plans", "label")
NAME_RULE = "letters, digits, '.', '-' and single '_'"


def load_study(path: Path) -> tuple[Study, list[str]]:
    """Read a study file; return the study as far as it can be read, and what is wrong with it.

    Raises:
        DataError: if the file is missing or no JSON.
    """
    missing = f"there is no study file {path}; `nnunet-dsd ablate --paper hippocampus --print-study` prints one"
    return study_from_dict(read_json(path, missing=missing, broken=lambda reason: f"{path} is no study file: {reason}"))


def study_from_dict(content: object) -> tuple[Study, list[str]]:
    """Read a study; return it as far as it can be read, and a sentence for everything that is wrong."""
    problems: list[str] = []
    table = Table(content, "the study", STUDY_ENTRIES, problems)
    plans = _read_plans(table)
    study = Study(
        name=table.required("name", NAME_RULE, _is_name, ""),
        dataset=str(table.required("dataset", "a data set's number or name", _is_dataset, "")),
        configuration=table.required("configuration", "one such as 3d_fullres", is_text, ""),
        from_plans=table.get("from_plans", "the name of plans", is_text, Study.from_plans),
        plans=plans,
        trainers=_read_trainers(table, tuple(choice.name for choice in plans)),
        folds=tuple(table.get("folds", "different whole numbers, or 'all'", is_list_of(_is_fold), Study.folds)),
        seeds=tuple(table.get("seeds", "different whole numbers below 2^32", is_list_of(_is_seed), Study.seeds)),
        evaluate_on=table.get("evaluate_on", " or ".join(EVALUATE_ON), EVALUATE_ON.__contains__, Study.evaluate_on),
        test_images=table.get("test_images", "a folder", is_text, None),
        test_labels=table.get("test_labels", "a folder", is_text, None),
        mirroring=table.get("mirroring", "true or false", lambda value: isinstance(value, bool), Study.mirroring),
        baseline=table.get("baseline", "the name of a method", is_text, None),
        device=table.get("device", " or ".join(DEVICES), DEVICES.__contains__, None),
        title=table.get("title", "text", is_text, None),
    )
    return study, problems + _contradictions(study)


def _read_plans(table: Table) -> tuple[PlansChoice, ...]:
    expected = "an object with an entry for each set of plans"
    content = table.required("plans", expected, lambda value: isinstance(value, Mapping) and bool(value), {})
    return tuple(_read_plans_choice(name, entry, table.problems) for name, entry in content.items())


def _read_plans_choice(name: str, content: object, problems: list[str]) -> PlansChoice:
    where = f"plans '{name}'"
    table = Table(content, where, PLANS_ENTRIES, problems)
    if not _is_name(name):
        problems.append(f"{where}: the name must be {NAME_RULE}")
    preset = table.get("preset", "the name of a preset", is_text, None)
    if preset is not None and preset not in PRESETS:
        problems.append(f"{where}: unknown preset '{preset}'{nearest(preset, tuple(PRESETS))}")
    patch_size = table.get("patch_size", "2 or 3 numbers of voxels", _is_patch_size, None)
    return PlansChoice(
        name,
        preset=preset if preset in PRESETS else None,
        settings=_read_block(table.get("settings", "an object", _is_object, {}), where, problems),
        by_seed=_read_by_seed(table, where),
        patch_size=tuple(patch_size) if patch_size else None,
        batch_size=table.get("batch_size", "a whole number of at least 1", lambda value: is_count(value, 1), None),
        width=table.get("width", "a number above 0 and at most 8", _is_width, None),
    )


def _read_by_seed(table: Table, where: str) -> dict[int, dict[str, Any]]:
    content = table.get("by_seed", "an object with an object of settings for each seed", _is_object_of_objects, {})
    if wrong := [seed for seed in content if not seed.isdecimal()]:
        table.problems.append(f"{where}: by_seed names {', '.join(wrong)}, expected seeds, which are whole numbers")
    return {
        int(seed): _read_block(block, f"{where}, seed {seed}", table.problems)
        for seed, block in content.items()
        if seed.isdecimal()
    }


def _read_block(content: Mapping[str, Any], where: str, problems: list[str]) -> dict[str, Any]:
    """Read the settings of the self-distillation block; wrong ones are noted, and none is returned then."""
    block = dict(content)
    try:
        block = flat_block(block)
        if "seed" in block:
            problems.append(f"{where}: the setting 'seed' is given by the study's seeds; leave it out here")
            return {}
        read_settings(block)
    except SettingsError as error:
        problems += [f"{where}: {problem}" for problem in error.problems]
        return {}
    return block


def _read_trainers(table: Table, plans: tuple[str, ...]) -> tuple[TrainerChoice, ...]:
    expected = "a list of trainers"
    content = table.required("trainers", expected, lambda value: isinstance(value, list) and bool(value), [])
    return tuple(_read_trainer(entry, plans, table.problems) for entry in content)


def _read_trainer(content: object, plans: tuple[str, ...], problems: list[str]) -> TrainerChoice:
    content = {"trainer": content} if isinstance(content, str) else content
    table = Table(content, "a trainer", TRAINER_ENTRIES, problems)
    trainer = table.required("trainer", "its name", is_text, "")
    chosen = tuple(table.get("plans", "a list of names of this study's plans", is_list_of(is_text), plans))
    unknown = [name for name in chosen if name not in plans]
    problems += [f"trainer '{trainer}': there are no plans '{name}'{nearest(name, plans)}" for name in unknown]
    problem = trainer_problem(trainer) if trainer else None
    if problem:
        problems.append(problem)
    return TrainerChoice(trainer, chosen, table.get("label", "text", is_text, None))


def _contradictions(study: Study) -> list[str]:
    methods, problems = study.methods, []
    for method in dict.fromkeys(method for method in methods if methods.count(method) > 1):
        problems.append(f"the study: the method '{method}' is there twice; give each a label of its own")
    pairs = [(choice.trainer, plans) for choice in study.trainers for plans in choice.plans]
    for trainer, plans in dict.fromkeys(pair for pair in pairs if pairs.count(pair) > 1):
        problems.append(f"the study: {trainer} on the plans '{plans}' is there twice; leave one out")
    if study.baseline is not None and study.baseline not in methods:
        problems.append(f"the study: the baseline '{study.baseline}' is no method{nearest(study.baseline, methods)}")
    if ALL_CASES in study.folds and study.evaluate_on == "validation":
        problems.append(
            "the study: fold 'all' trains on every case, so its validation cases say nothing; "
            "use evaluate_on 'test', or numbered folds"
        )
    unread = [name for name in ("test_images", "test_labels") if getattr(study, name) is not None]
    if unread and study.evaluate_on == "validation":
        problems.append(f"the study: {' and '.join(unread)} are for evaluate_on 'test'; leave them out")
    unknown = {seed for choice in study.plans for seed in choice.by_seed} - set(study.seeds)
    if unknown:
        problems.append(f"the study: by_seed names {', '.join(map(str, sorted(unknown)))}, which is none of its seeds")
    if not study.mirroring and study.evaluate_on == "validation":
        problems.append(
            "the study: mirroring is false, but nnU-Net always mirrors the validation cases after a training; "
            "leave it out, or use evaluate_on 'test'"
        )
    return problems


def _is_object(value: Any) -> bool:
    return isinstance(value, Mapping)


def _is_object_of_objects(value: Any) -> bool:
    return isinstance(value, Mapping) and all(isinstance(entry, Mapping) for entry in value.values())


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and SAFE_NAME.fullmatch(value) is not None


def _is_dataset(value: Any) -> bool:
    return is_text(value) or is_count(value, 1)


def _is_fold(value: Any) -> bool:
    return value == ALL_CASES or is_count(value)


def _is_seed(value: Any) -> bool:
    return is_count(value, 0, 2**32 - 1)


def _is_patch_size(value: Any) -> bool:
    return isinstance(value, list) and len(value) in (2, 3) and all(is_count(axis, 1) for axis in value)


def _is_width(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value <= 8
