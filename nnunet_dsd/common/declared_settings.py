"""Settings declared as frozen dataclasses: their ranges, their checks, and how text, JSON and options become settings.

Both packages declare theirs with this: a field per setting, made by `setting`, of type bool, int, float, str, a
`Literal` of words, `tuple[int, ...]` (different numbers), or one of these or None. Everything wrong is reported at
once.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Literal

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.common.likeness import nearest


def setting(
    default: Any, help_text: str, *, low: float = -math.inf, high: float = math.inf, open_low: bool = False
) -> Any:
    """Declare one setting: its default, what it means, and the range of allowed numbers."""
    return field(default=default, metadata={"help": help_text, "low": low, "high": high, "open_low": open_low})


def refuse_impossible(settings: Any, *, source: str, further: Sequence[str] = ()) -> None:
    """Check every value of a settings object, for its `__post_init__`.

    Args:
        settings: The object.
        source: Where its values come from, for the error message.
        further: Problems of values that do not go together.

    Raises:
        SettingsError: listing every value that is not allowed, and the further problems.
    """
    problems = []
    for spec in dataclasses.fields(settings):
        problems += _check(type(settings), spec, getattr(settings, spec.name))
    problems += further
    if problems:
        raise SettingsError(problems, source=source)


def below_lowest(owner: object, lowest: Mapping[str, float], *, as_options: bool = False) -> list[str]:
    """Return a sentence for each attribute of `owner` that is below its lowest value; None is not.

    Args:
        owner: Settings, or parsed arguments.
        lowest: Allowed values by attribute.
        as_options: Whether the sentences name command-line options instead of attributes.
    """
    problems = []
    for name, low in lowest.items():
        value = getattr(owner, name)
        if value is not None and value < low:
            shown = f"--{name.replace('_', '-')}" if as_options else name
            problems.append(f"{shown} is {value}, it must be at least {low}")
    return problems


def merged_settings(
    owner: type,
    block: Mapping[str, Any] | None,
    *,
    defaults: Mapping[str, Any] | None = None,
    fixed: Mapping[str, Any] | None = None,
    source: str,
) -> dict[str, Any]:
    """Return checked keyword arguments for a settings class.

    Args:
        owner: The settings class.
        block: What the user asked for, or None.
        defaults: What holds where the block is silent.
        fixed: What wins over the block.
        source: Where the block comes from, for the error message.

    Raises:
        SettingsError: listing every unknown key (with its nearest match) and every impossible value.
    """
    block = {} if block is None else block
    if not isinstance(block, Mapping):
        raise SettingsError([f"expected a table of settings, got {type(block).__name__}"], source=source)
    known = tuple(spec.name for spec in dataclasses.fields(owner))
    problems = [_unknown(name, known) for name in block if name not in known]
    merged = {**(defaults or {}), **{k: v for k, v in block.items() if k in known}, **(fixed or {})}
    for spec in dataclasses.fields(owner):
        if spec.name in merged:
            problems += _check(owner, spec, merged[spec.name])
    if problems:
        raise SettingsError(problems, source=source)
    return {name: _as_declared(owner, name, value) for name, value in merged.items()}


def declared_type(owner: type, name: str) -> Any:
    """Return the declared type of a setting, without the `| None` of an optional one."""
    declared = _declared_types(owner)[name]
    if typing.get_origin(declared) in (typing.Union, types.UnionType):
        declared = next(part for part in typing.get_args(declared) if part is not type(None))
    return declared


@functools.cache
def _declared_types(owner: type) -> dict[str, Any]:
    """Return the types of all settings of a class; to find them out takes longer than all other checks."""
    return typing.get_type_hints(owner)


def declared_choices(owner: type, name: str) -> tuple[str, ...] | None:
    """Return the allowed words of a setting, or None where it is a number, a switch or free text."""
    declared = declared_type(owner, name)
    return typing.get_args(declared) if typing.get_origin(declared) is Literal else None


def declares_numbers(declared: Any) -> bool:
    """Tell whether a declared type is several whole numbers."""
    return typing.get_origin(declared) is tuple


def differing_settings(settings: Any, *, base: Any = None) -> dict[str, Any]:
    """Return the settings of an object that differ from those of another, or from the defaults of its class."""
    defaults = {spec.name: getattr(base, spec.name, spec.default) for spec in dataclasses.fields(settings)}
    return {name: value for name, value in dataclasses.asdict(settings).items() if value != defaults[name]}


def add_setting_options(group: argparse._ArgumentGroup, owner: type, names: Sequence[str] | None = None) -> None:
    """Add one command-line option per setting, or for those that are named; one that is not given leaves None."""
    for spec in (spec for spec in dataclasses.fields(owner) if names is None or spec.name in names):
        flag = f"--{spec.name.replace('_', '-')}"
        text = f"{spec.metadata['help']} [{spec.default}]".replace("%", "%%")
        choices, declared = declared_choices(owner, spec.name), declared_type(owner, spec.name)
        if declared is bool:
            group.add_argument(flag, action=argparse.BooleanOptionalAction, default=None, help=text)
        elif choices:
            group.add_argument(flag, choices=choices, help=text)
        elif declares_numbers(declared):
            group.add_argument(flag, type=_numbers, nargs="*", action=_Joined, metavar="NUMBER", help=text)
        else:
            group.add_argument(flag, type=declared, metavar=declared.__name__.upper(), help=text)


class _Joined(argparse.Action):
    """Joins what each word of an option stands for into one tuple."""

    def __call__(self, parser: Any, namespace: Any, values: Any, option_string: str | None = None) -> None:
        setattr(namespace, self.dest, tuple(number for numbers in values for number in numbers))


def _numbers(word: str) -> tuple[int, ...]:
    """Return the whole numbers of one word of an option, such as 0 or 0,1; "none" stands for no number.

    Raises:
        argparse.ArgumentTypeError: if it is something else.
    """
    if word.strip().lower() in ("none", ""):
        return ()
    try:
        return tuple(int(part) for part in word.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"got '{word}', expected whole numbers such as 0 1, or none") from error


def given_options(arguments: argparse.Namespace, owner: type) -> dict[str, Any]:
    """Return the settings that were given as options."""
    values = {spec.name: getattr(arguments, spec.name) for spec in dataclasses.fields(owner)}
    return {name: value for name, value in values.items() if value is not None}


def _unknown(name: object, known: tuple[str, ...]) -> str:
    return f"unknown setting '{name}'{nearest(name, known)}"


def _as_declared(owner: type, name: str, value: Any) -> Any:
    """Turn an integer from JSON into the float that was declared, and a list into the tuple."""
    declared = declared_type(owner, name)
    if declares_numbers(declared) and value is not None:
        return tuple(value)
    return float(value) if declared is float and value is not None else value


def _check(owner: type, spec: dataclasses.Field[Any], value: Any) -> list[str]:
    """Return what is wrong with one value: at most one sentence."""
    if value is None and spec.default is None:
        return []
    choices = declared_choices(owner, spec.name)
    if choices is not None:
        return [] if value in choices else [f"{spec.name}: got {value!r}, allowed are {', '.join(choices)}"]
    declared = declared_type(owner, spec.name)
    if declared is bool:
        return [] if isinstance(value, bool) else [f"{spec.name}: got {value!r}, allowed are true and false"]
    if declared is str:
        return [] if isinstance(value, str) else [f"{spec.name}: got {value!r}, expected text"]
    if declares_numbers(declared):
        return _check_numbers(spec, value)
    return _check_number(spec, declared, value)


def _check_numbers(spec: dataclasses.Field[Any], value: Any) -> list[str]:
    if not isinstance(value, list | tuple):
        return [f"{spec.name}: got {value!r}, expected a list of whole numbers, [] for none"]
    problems = [problem for number in value for problem in _check_number(spec, int, number)]
    if not problems and len(set(value)) < len(value):
        problems.append(f"{spec.name}: got {list(value)}, expected each number once")
    return problems[:1]


def _is_finite(value: float) -> bool:
    """Tell whether a number is one a float can hold; JSON may hold longer ones."""
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _check_number(spec: dataclasses.Field[Any], declared: type, value: Any) -> list[str]:
    kinds = (int,) if declared is int else (int, float)
    low, high, open_low = spec.metadata["low"], spec.metadata["high"], spec.metadata["open_low"]
    if isinstance(value, bool) or not isinstance(value, kinds) or not _is_finite(value):
        kind = "a whole number" if declared is int else "a finite number"
        return [f"{spec.name}: got {value!r}, expected {kind}"]
    if value < low or value > high or (open_low and value == low):
        upper = "" if high == math.inf else f" and at most {high:g}"
        return [f"{spec.name}: got {value!r}, allowed is {'more than' if open_low else 'at least'} {low:g}{upper}"]
    return []
