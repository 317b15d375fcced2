"""Things by name: those of this package, and those that other distributions register as entry points."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

from nnunet_dsd.errors import RegistryError


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """What users type."""


Thing = TypeVar("Thing", bound=Named)


def with_plugins(built_in: Iterable[Thing], group: str, kind: type[Thing]) -> Mapping[str, Thing]:
    """Return everything of a kind by name: the built-in ones first, then those of the entry-point group.

    Raises:
        RegistryError: if an entry point cannot be loaded or is of another kind, or two have the same name.
    """
    found = {thing.name: thing for thing in built_in}
    for point in entry_points(group=group):
        source = f"the entry point {point.name} = {point.value} of {group}"
        try:
            thing = point.load()
        except Exception as error:  # third-party code raises anything
            raise RegistryError(f"{source} cannot be loaded: {type(error).__name__}: {error}") from error
        if not isinstance(thing, kind):
            raise RegistryError(f"{source} is a {type(thing).__name__}, it must be a {kind.__name__}")
        if thing.name in found:
            raise RegistryError(f"{source} has the name {thing.name!r}, which is taken; give it another name")
        found[thing.name] = thing
    return found


def find_named(things: Mapping[str, Thing], name: str, *, what: str) -> Thing:
    """Return one of them.

    Args:
        things: By name.
        name: As the user wrote it.
        what: What they are, for the message.

    Raises:
        RegistryError: with the nearest names, or all of them.
    """
    if name not in things:
        near = difflib.get_close_matches(name, things, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are {', '.join(things)}"
        raise RegistryError(f"there is no {what} {name!r}; {hint}")
    return things[name]
