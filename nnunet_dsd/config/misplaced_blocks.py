"""Finds settings in plans that nothing would read: a block misspelt or in the wrong place, settings without one.

Plans also hold what nnU-Net, other planners and other plugins write. A name that may be theirs is not ours.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.config.settings import DERIVED_FROM_KEY, PART_OF, PARTS, PLANS_KEY, setting_names

ABBREVIATIONS = ("dsd",)
LIKENESS = 0.75  # of 0 to 1: a few wrong, missing or added letters in the block's name
SELF_LIKENESS = 0.7  # the same for what stands before "distillation", so that another distillation is another's
CONFIGURATION_KEYS = ("inherits_from", "data_identifier", "patch_size")  # one of them makes a table a configuration
COMMON_PARTS = ("training", "network")  # names of tables that others may write too
COMMON_NAMES = ("seed", "schedule", "augmentation", "feature_size", "learning_rate", "weight_decay")
TRAINING_NAMES = (*COMMON_NAMES, "epochs", "optimiser", "save_every", "mirror_axes")
DISTILLATION_NAMES = ("temperature", "alpha", "beta", "eta", "reduction", "teacher", "feedback", "bottlenecks")


def misplaced_blocks(plans: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each key of the plans that looks like our block or a setting and would not be read.

    Args:
        plans: nnU-Net's plans; every configuration is looked at, so that one that others inherit from is too.
    """
    return [problem for path, value in _entries(plans, ()) if (problem := _problem(path, value))]


def refuse_misplaced_blocks(plans: Mapping[str, Any], *, source: str) -> None:
    """Refuse plans with settings that nothing would read, so that no training starts with the defaults instead.

    Raises:
        SettingsError: listing every such key, with where the settings belong.
    """
    if problems := misplaced_blocks(plans):
        raise SettingsError(problems, source=source)


def _entries(table: Mapping[str, Any], path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the path and value of everything in nested tables, but not what is in a block."""
    for key, value in table.items():
        here = (*path, str(key))
        yield here, value
        if isinstance(value, Mapping) and not (_is_block(here) or _problem(here, value)):
            yield from _entries(value, here)


def _in_configuration(path: tuple[str, ...]) -> bool:
    return len(path) == 3 and path[0] == "configurations"


def _is_block(path: tuple[str, ...]) -> bool:
    return _in_configuration(path) and path[2] == PLANS_KEY


def _is_configuration(path: tuple[str, ...], value: Any) -> bool:
    named = len(path) == 2 and path[0] == "configurations"
    return named and isinstance(value, Mapping) and any(key in value for key in CONFIGURATION_KEYS)


def _problem(path: tuple[str, ...], value: Any) -> str | None:
    key, in_reach = path[-1], len(path) == 1 or _in_configuration(path)  # where a block or a setting may be meant
    among_configurations = len(path) == 2 and path[0] == "configurations"
    if _is_block(path) and not isinstance(value, Mapping):
        return f"'{key}' in {_place(path)} is {value!r}, expected a table of settings"
    if _is_block(path) or _is_configuration(path, value) or path == (DERIVED_FROM_KEY,):
        return None
    place = f"'{key}' in {_place(path)}"
    if key == PLANS_KEY and (in_reach or among_configurations or isinstance(value, Mapping)):
        return f"{place} is not read: the block belongs into a configuration, as configurations > 3d_fullres > {key}"
    if in_reach and _is_part(key, value):
        return f"{place} is not read: it belongs into the block '{PLANS_KEY}' of a configuration"
    misspelt = (in_reach or among_configurations) and _looks_like_the_block(key)
    if misspelt or (in_reach and _holds_settings(value)):
        return f"{place} is not read: the block of settings is called '{PLANS_KEY}', in a configuration of the plans"
    if in_reach and key in PART_OF and key not in COMMON_NAMES:
        return f"{place} is not read: settings belong into the block '{PLANS_KEY}' of a configuration"
    return None


def _place(path: tuple[str, ...]) -> str:
    return " > ".join(path[:-1]) or "the plans' top level"


def _looks_like_the_block(key: str) -> bool:
    plain, wanted = (re.sub(r"[\W_]+", "", name).casefold() for name in (key, PLANS_KEY))
    before_distillation = re.split(r"d[aeiou]?[st]", plain, maxsplit=1)[0].removeprefix("dual")
    is_self = _likeness(before_distillation, "self") >= SELF_LIKENESS
    return plain in ABBREVIATIONS or (is_self and _likeness(plain, wanted) >= LIKENESS)


def _likeness(first: str, second: str) -> float:
    return difflib.SequenceMatcher(None, first, second).ratio()


def _is_part(key: str, value: Any) -> bool:
    """Tell whether a table is a part of our block: called as one, with a setting of it."""
    own = key in PARTS and key not in COMMON_PARTS and isinstance(value, Mapping)
    return own and not set(setting_names(key)).isdisjoint(value)


def _holds_settings(value: Any) -> bool:
    """Tell whether a table is one of our settings, whatever it is called.

    One name that nobody else has is enough, or a part with settings. Of the others it takes three, two of them of a
    distillation: a table of epochs, learning rate and weight decay may be any plugin's.
    """
    if not isinstance(value, Mapping):
        return False
    if any(_is_part(key, table) or _holds_settings(table) for key, table in value.items() if key in PARTS):
        return True
    known = [key for key in value if key in PART_OF]
    of_a_distillation = [key for key in known if key in DISTILLATION_NAMES]
    others_too = (*TRAINING_NAMES, *DISTILLATION_NAMES)
    return any(key not in others_too for key in known) or (len(known) >= 3 and len(of_a_distillation) >= 2)
