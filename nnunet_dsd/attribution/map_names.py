"""The names of the maps' files, and which of them would be the same."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

PARTS = ("case", "model", "level")


def map_name(case: str, model: str, level: str) -> str:
    """Return the file name of a map; signs that a file name may not hold everywhere become hyphens."""
    return "__".join(re.sub(r"[^\w.-]", "-", part) for part in (case, model, level)) + ".nii.gz"


def shared_name_problems(cases: Iterable[str], models: Iterable[str], levels: Iterable[str]) -> list[str]:
    """Return which maps would have one file name; capital and small letters are not told apart everywhere.

    Args:
        cases: Their names; one that is repeated counts once.
        models: Theirs.
        levels: As asked for.
    """
    first: dict[str, tuple[str, ...]] = {}
    problems = []
    for whose in itertools.product(dict.fromkeys(cases), dict.fromkeys(models), dict.fromkeys(levels)):
        other = first.setdefault(map_name(*whose).casefold(), whose)
        differing = [index for index in range(len(PARTS)) if whose[index] != other[index]]
        if differing:
            one, two = (", ".join(f"{PARTS[index]} {each[index]}" for index in differing) for each in (other, whose))
            advice = "name the models apart with NAME=FOLDER" if 1 in differing else "look at them in two calls"
            problems.append(f"the maps of {one} and of {two} would have the same file name; {advice}")
    return list(dict.fromkeys(problems))
