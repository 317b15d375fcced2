"""Names of structures that come in a left and a right one, which mirrored images would teach a network to confuse."""

from __future__ import annotations

import re
from collections.abc import Iterable

LEFT = ("left", "l", "lt", "lh", "lhs", "sin", "sinister", "sinistra", "sinistrum", "links", "gauche")
RIGHT = ("right", "r", "rt", "rh", "rhs", "dex", "dext", "dexter", "dextra", "dextrum", "rechts", "droite", "droit")
WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
GLUED = re.compile(r"(left|right)(\w+)|(\w+?)(left|right)")
Sided = tuple[str, tuple[str, ...]]


def sided_pairs(names: Iterable[str]) -> list[tuple[str, str]]:
    """Return the pairs of names that differ only in their side, as (left, right).

    Args:
        names: Of structures, such as `Left-Hippocampus`, `hippocampus_L`, `lh_cortex`, `LeftLung`.
    """
    lefts: dict[tuple[str, ...], str] = {}
    rights: dict[tuple[str, ...], str] = {}
    for name in names:
        for side, rest in _sides(name):
            (lefts if side == "left" else rights).setdefault(rest, name)
    return list(dict.fromkeys((left, rights[rest]) for rest, left in lefts.items() if rest in rights))


def _sides(name: str) -> list[Sided]:
    """Return each way to read a name as a side and the words of the rest, the side's place marked by an empty word."""
    words = [part for word in WORDS.findall(name) for part in _unglued(word.lower())]
    found = []
    for place, word in enumerate(words):
        rest = (*words[:place], "", *words[place + 1 :])
        found += [("left", rest)] if word in LEFT else [("right", rest)] if word in RIGHT else []
    return found


def _unglued(word: str) -> list[str]:
    match = GLUED.fullmatch(word)
    return [part for part in match.groups() if part] if match else [word]
