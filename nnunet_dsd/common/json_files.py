"""Reading a JSON file, and its entries one by one, with everything that is wrong noted instead of stopping at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.likeness import nearest


def read_json(
    path: Path,
    *,
    broken: Callable[[str], str],
    missing: str | None = None,
    unreadable: Callable[[str], str] | None = None,
) -> Any:
    """Return what a JSON file holds.

    Args:
        path: Of the file.
        broken: Says that the file is not what it should be, given the reason.
        missing: What to say where there is no file; None: as where it is broken.
        unreadable: Says that the file may not be read, given the reason; None: as where it is broken.

    Raises:
        DataError: if the file is missing, cannot be read, or is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(broken("there is no such file") if missing is None else missing) from error
    except OSError as error:
        raise DataError((unreadable or broken)(error.strerror or str(error))) from error
    except RecursionError as error:
        raise DataError(broken("it is nested too deeply")) from error
    except ValueError as error:  # no JSON, or no text at all
        raise DataError(broken(str(error))) from error


def read_object(path: Path, *, broken: Callable[[str], str], missing: str | None = None) -> dict[str, Any]:
    """Return the object that a JSON file holds; errors as of `read_json`, and for a file that holds something else."""
    content = read_json(path, broken=broken, missing=missing)
    if not isinstance(content, dict):
        raise DataError(broken(f"it holds {type(content).__name__}, expected an object"))
    return content


def json_or_none(path: Path) -> Any:
    """Return what a JSON file holds; None where there is none, or none that can be read."""
    try:
        return read_json(path, broken=str)
    except DataError:
        return None


class Table:
    """A JSON object with known entries. A wrong entry is noted, and reads as its default.

    A kind of file may have its own words for what is wrong; `{value!r}` in what is expected stands for what is there.

    Attributes:
        where: What the object is, for messages.
        problems: Receives a sentence for everything that is wrong.
    """

    NO_OBJECT: ClassVar[str] = "{where}: expected an object with {known}, got {value!r}"
    UNKNOWN: ClassVar[str] = "{where}: unknown entry '{name}'{nearest}"
    MISSING: ClassVar[str] = "{where}: '{name}' is missing, expected {expected}"
    WRONG: ClassVar[str] = "{where}: {name} is {value!r}, expected {expected}"
    EMPTY: ClassVar[str] = WRONG

    def __init__(self, content: object, where: str, known: Sequence[str], problems: list[str]) -> None:
        self.where, self.problems = where, problems
        self.content: Mapping[str, Any] = {}
        listed = ", ".join(known)
        if not isinstance(content, Mapping):
            self._note(self.NO_OBJECT, known=listed, value=content)
            return
        self.content = content
        for name in content:
            if name not in known:
                self._note(self.UNKNOWN, name=name, nearest=nearest(name, tuple(known)), known=listed)

    def get(self, name: str, expected: str, is_allowed: Callable[[Any], bool], default: Any) -> Any:
        """Return an entry, or its default where it is absent, null or not allowed."""
        value = self.content.get(name)
        if value is None:
            return default
        if not is_allowed(value):
            is_empty = isinstance(value, str) and not value.strip()
            self._note(self.EMPTY if is_empty else self.WRONG, name=name, value=value, expected=expected)
            return default
        return value

    def required(self, name: str, expected: str, is_allowed: Callable[[Any], bool], stand_in: Any) -> Any:
        """Return an entry that must be there; where it is not, note that and return the stand-in."""
        if self.content.get(name) is None:
            self._note(self.MISSING, name=name, value=None, expected=expected)
        return self.get(name, expected, is_allowed, stand_in)

    def _note(self, words: str, *, expected: str = "", value: object = None, **more: str) -> None:
        said = expected.format(value=value)
        self.problems.append(words.format(where=self.where, expected=said, value=value, **more))


def is_text(value: Any) -> bool:
    """Tell whether a value is text that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_count(value: Any, low: float = 0, high: float = float("inf")) -> bool:
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
