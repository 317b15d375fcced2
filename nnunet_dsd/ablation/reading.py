"""Reading a JSON object entry by entry, with everything that is wrong noted instead of stopping at the first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from nnunet_dsd.common.likeness import nearest


class Table:
    """A JSON object with known entries. A wrong entry is noted, and reads as its default.

    Attributes:
        where: What the object is, for messages.
        problems: Receives a sentence for everything that is wrong.
    """

    def __init__(self, content: object, where: str, known: Sequence[str], problems: list[str]) -> None:
        self.where, self.problems = where, problems
        self._content: Mapping[str, Any] = {}
        if not isinstance(content, Mapping):
            problems.append(f"{where}: expected an object with {', '.join(known)}, got {content!r}")
            return
        self._content = content
        problems += [f"{where}: unknown entry '{name}'{nearest(name, known)}" for name in content if name not in known]

    def get(self, name: str, expected: str, is_allowed: Callable[[Any], bool], default: Any) -> Any:
        """Return an entry, or its default where it is absent, null or not allowed."""
        value = self._content.get(name)
        if value is None:
            return default
        if not is_allowed(value):
            self.problems.append(f"{self.where}: {name} is {value!r}, expected {expected}")
            return default
        return value

    def required(self, name: str, expected: str, is_allowed: Callable[[Any], bool], stand_in: Any) -> Any:
        """Return an entry that must be there; where it is not, note that and return the stand-in."""
        if self._content.get(name) is None:
            self.problems.append(f"{self.where}: '{name}' is missing, expected {expected}")
        return self.get(name, expected, is_allowed, stand_in)


def is_text(value: Any) -> bool:
    """Tell whether a value is text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_count(value: Any, low: int = 0, high: float = float("inf")) -> bool:
    """Tell whether a value is a whole number within limits; JSON's true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def is_list_of(is_item: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """Return a check for a list of at least one such item, none of them twice."""

    def check(value: Any) -> bool:
        return (
            isinstance(value, list)
            and len(value) > 0
            and all(is_item(item) for item in value)
            and all(value.count(item) == 1 for item in value)
        )

    return check
