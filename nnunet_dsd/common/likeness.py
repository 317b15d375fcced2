"""Which known names somebody may have meant: one way for trainers, settings, options, presets, whatever has a name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

LEAST_LIKENESS = 0.6  # difflib's own bound
LIKENESS_OF_A_PART = 0.75  # of a name that is the beginning or the end of a known one, such as `temp` and `DSD`
CLOSE_TO_THE_BEST = 0.15
SHORTEST_PART = 2


def nearest_names(name: object, known: Iterable[str], *, most: int = 3) -> list[str]:
    """Return the known names that are most like one, the most alike first; none where nothing is like it.

    Case, leading hyphens, and underscores for hyphens make no difference: names that differ in these alone are the
    only ones returned.
    """
    found = {candidate: likeness(str(name), candidate) for candidate in known}
    best = max(found.values(), default=0.0)
    bound = 1.0 if best == 1.0 else max(LEAST_LIKENESS, best - CLOSE_TO_THE_BEST)
    near = [candidate for candidate in found if found[candidate] >= bound]
    return sorted(near, key=lambda candidate: -found[candidate])[:most]


def did_you_mean(name: object, known: Iterable[str], *, most: int = 3) -> str:
    """Return the question `did you mean A or B?`; empty where no known name is like this one."""
    return _question(nearest_names(name, known, most=most))


def nearest(name: object, known: Iterable[str]) -> str:
    """Return a hint to append to a message about an unknown setting or key: its nearest match, or all known ones."""
    names = list(known)
    near = nearest_names(name, names, most=1)
    return f"; {_question(map(repr, near))}" if near else f"; known: {', '.join(names)}"


def nearest_first(name: object, known: Iterable[str]) -> list[str]:
    """Return all known names, those that are like one before the others, which keep their order."""
    names = list(known)
    near = nearest_names(name, names)
    return [*near, *(other for other in names if other not in near)]


def listed(name: object, known: Iterable[str]) -> str:
    """Return all known names in their order, and after them the question what was meant."""
    names = list(known)
    hint = did_you_mean(name, names)
    return f"{', '.join(names) or 'none'}{f'; {hint}' if hint else ''}"


def _question(names: Iterable[str]) -> str:
    meant = " or ".join(names)
    return f"did you mean {meant}?" if meant else ""


def sentence(text: str) -> str:
    """End a text with a full stop, unless it is a question and has its mark."""
    return text if text.endswith("?") else f"{text}."


def likeness(one: str, other: str) -> float:
    """Return how alike two names are, from 0 to 1; case, leading hyphens, and underscores for hyphens do not count."""
    one, other = _folded(one), _folded(other)
    is_part = len(one) >= SHORTEST_PART and (other.startswith(one) or other.endswith(one))
    return max(difflib.SequenceMatcher(None, one, other).ratio(), LIKENESS_OF_A_PART if is_part else 0.0)


def _folded(name: str) -> str:
    return name.casefold().lstrip("-").replace("_", "-")
