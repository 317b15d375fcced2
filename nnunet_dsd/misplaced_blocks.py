"""Finds settings in plans that nothing would read: a block misspelt or in the wrong place, settings without one."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

from nnunet_dsd.config import PLANS_KEY, setting_names
from nnunet_dsd.errors import SettingsError

OWN_KEYS = ("self_distillation_derived_from",)
ABBREVIATIONS = ("dsd", "distil", "distill", "selfdistil", "selfdistill")
LIKENESS = 0.75  # of 0 to 1: a few wrong, missing or added letters in the block's name


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


def _is_block(path: tuple[str, ...]) -> bool:
    return len(path) == 3 and path[0] == "configurations" and path[2] == PLANS_KEY


def _problem(path: tuple[str, ...], value: Any) -> str | None:
    key, at_top = path[-1], len(path) == 1
    if _is_block(path) and not isinstance(value, Mapping):
        return f"'{key}' in {_place(path)} is {value!r}, expected a table of settings"
    in_configuration = len(path) == 3 and path[0] == "configurations"
    if _is_block(path) or (at_top and key in OWN_KEYS):
        return None
    place = f"'{key}' in {_place(path)}"
    if key == PLANS_KEY:
        return f"{place} is not read: the block belongs into a configuration, as configurations > 3d_fullres > {key}"
    if _looks_like_the_block(key) or ((at_top or in_configuration) and _holds_settings(value)):
        return f"{place} is not read: the block of settings is called '{PLANS_KEY}', in a configuration of the plans"
    if (at_top or in_configuration) and key in setting_names():
        return f"{place} is not read: settings belong into the block '{PLANS_KEY}' of a configuration"
    return None


def _place(path: tuple[str, ...]) -> str:
    return " > ".join(path[:-1]) or "the plans' top level"


def _looks_like_the_block(key: str) -> bool:
    plain, wanted = (re.sub(r"[\W_]+", "", name).casefold() for name in (key, PLANS_KEY))
    return plain in ABBREVIATIONS or difflib.SequenceMatcher(None, plain, wanted).ratio() >= LIKENESS


def _holds_settings(value: Any) -> bool:
    """Tell whether a table is one of settings, whatever it is called: half of its names are names of settings."""
    if not isinstance(value, Mapping) or not value:
        return False
    known = sum(key in setting_names() for key in value)
    return 2 * known >= len(value)
