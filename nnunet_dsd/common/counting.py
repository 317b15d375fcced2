"""Counts with their nouns, as messages say them, and what is there more than once."""

from __future__ import annotations

from collections.abc import Sequence


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun in the right number, such as `1 video` and `2 videos`.

    Args:
        count: How many.
        noun: One of them.
        plural: Several of them, where that is not the noun with an s.
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"


def repeated(names: Sequence[str]) -> list[str]:
    """Return the names that occur more than once, each once, in the order in which they first occur."""
    return [name for name in dict.fromkeys(names) if names.count(name) > 1]


def some(names: Sequence[str], *, most: int = 3, separator: str = ", ") -> str:
    """Return the first of several names as a message lists them, with `...` where there are more."""
    return separator.join(names[:most]) + (f"{separator}..." if len(names) > most else "")
