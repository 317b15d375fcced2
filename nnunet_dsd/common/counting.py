"""Counts with their nouns, as messages say them."""

from __future__ import annotations


def counted(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun in the right number, such as `1 video` and `2 videos`.

    Args:
        count: How many.
        noun: One of them.
        plural: Several of them, where that is not the noun with an s.
    """
    return f"{count} {noun if count == 1 else plural or noun + 's'}"
