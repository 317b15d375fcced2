"""Things by name: those of this package, and those that other distributions register as entry points."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import entry_points
from typing import Protocol, TypeVar

from nnunet_dsd.common.errors import RegistryError
from nnunet_dsd.common.likeness import did_you_mean


class Named(Protocol):
    """Has a name."""

    @property
    def name(self) -> str:
        """What users type."""


Thing = TypeVar("Thing", bound=Named)


class Things(dict[str, Thing]):
    """Things by name.

    Attributes:
        problems: What could not be used, a line each; it may be what somebody asks for.
    """

    def __init__(self, built_in: Iterable[Thing]) -> None:
        super().__init__((thing.name, thing) for thing in built_in)
        self.problems: list[str] = []


def with_plugins(built_in: Iterable[Thing], group: str, kind: type[Thing]) -> Things[Thing]:
    """Return everything of a kind by name: the built-in ones, then those of the entry-point group.

    An entry point that cannot be loaded, is of another kind or has a name that is taken leaves the others as they are.
    """
    found = Things(built_in)
    for point in entry_points(group=group):
        source = f"the entry point {point.name} = {point.value} of {group}"
        try:
            thing = point.load()
        except Exception as error:  # third-party code raises anything
            found.problems.append(f"{source} cannot be loaded: {type(error).__name__}: {error}")
            continue
        if not isinstance(thing, kind):
            found.problems.append(f"{source} is a {type(thing).__name__}, it must be a {kind.__name__}")
        elif thing.name in found:
            found.problems.append(f"{source} has the name {thing.name!r}, which is taken; give it another name")
        else:
            found[thing.name] = thing
    return found


def find_named(things: Things[Thing], name: str, *, what: str) -> Thing:
    """Return one of them.

    Args:
        things: By name.
        name: As the user wrote it.
        what: What they are, for the message.

    Raises:
        RegistryError: with the nearest names, or all of them, and with what could not be used.
    """
    if name not in things:
        hint = did_you_mean(name, things) or f"there are {', '.join(things)}"
        broken = "".join(f"\n  - {problem}" for problem in things.problems)
        more = f"\nIt may be one of these, which could not be used:{broken}" if broken else ""
        raise RegistryError(f"there is no {what} {name!r}; {hint}{more}")
    return things[name]
