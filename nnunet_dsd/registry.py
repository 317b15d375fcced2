"""The trainer registry both packages share: names and what stands behind them, without importing any trainer.

Distributions add trainers through the entry-point group `nnunet_dsd.trainers`; the value of each entry point is a
`TrainerEntry` or an iterable of them, in a module that is quick to import.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Literal, get_args

from nnunet_dsd.common.errors import RegistryError
from nnunet_dsd.common.likeness import did_you_mean

ENTRY_POINT_GROUP = "nnunet_dsd.trainers"
TrainerKind = Literal["segmentation", "video"]
TRAINER_KINDS: tuple[str, ...] = get_args(TrainerKind)
TARGET_PATTERN = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


@dataclass(frozen=True, kw_only=True)
class TrainerEntry:
    """One trainer: the name users type, where its class lives, and what a list should say about it.

    Attributes:
        name: What users type after `-tr`; for segmentation also the name of the class.
        target: `package.module:ClassName`, imported only by `load`.
        kind: `"segmentation"` (found by nnU-Net) or `"video"`.
        summary: One line.
        paper: The publication, or an empty string.
        reads: Names of the settings that it reads from the plans (see `nnunet_dsd.config.settings.setting_names`);
            None where it does not say.
    """

    name: str
    target: str
    kind: TrainerKind
    summary: str
    paper: str = ""
    reads: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        problems = _entry_problems(self)
        if problems:
            raise RegistryError(f"trainer {self.name!r}: " + "; ".join(problems))

    def load(self) -> type:
        """Import the module of this trainer and return its class.

        Raises:
            RegistryError: The module cannot be imported, or holds no class of that name. The original error is the
                cause. It is never an AttributeError, which nnU-Net's look-up would take for "not here".
        """
        module_name, _, class_name = self.target.partition(":")
        try:
            loaded = getattr(importlib.import_module(module_name), class_name)
        except Exception as error:
            raise RegistryError(
                f"trainer {self.name!r} cannot be loaded from {self.target!r}: {type(error).__name__}: {error}"
            ) from error
        if not isinstance(loaded, type):
            raise RegistryError(f"trainer {self.name!r}: {self.target!r} is a {type(loaded).__name__}, not a class")
        if self.kind == "segmentation" and loaded.__name__ != self.name:
            raise RegistryError(
                f"trainer {self.name!r}: its class calls itself {loaded.__name__!r}. nnU-Net names result folders and "
                "checkpoints after the class, and would not find it again; give both the same name"
            )
        return loaded


@dataclass(frozen=True)
class RegistryProblem:
    """An entry point that could not be used, or a name that several distributions claim."""

    source: str
    message: str

    def __str__(self) -> str:
        return f"{self.source}: {self.message}"


@dataclass(frozen=True)
class Registry:
    """Every trainer that was found, and everything that was wrong on the way.

    Attributes:
        trainers: The usable trainers by name, sorted.
        conflicts: Names that were registered more than once, with the message; none of the claimants is used.
        problems: What could not be used, conflicts included, one line each.
    """

    trainers: Mapping[str, TrainerEntry] = field(default_factory=dict)
    conflicts: Mapping[str, str] = field(default_factory=dict)
    problems: tuple[RegistryProblem, ...] = ()

    def find(self, name: str) -> TrainerEntry:
        """Return the trainer of that name.

        Raises:
            RegistryError: The name is unknown (with the nearest names, and the entry points that could not be read,
                since the trainer may be in one of them), or registered more than once.
        """
        if name in self.conflicts:
            raise RegistryError(self.conflicts[name])
        if name not in self.trainers:
            raise RegistryError(self._unknown_name_message(name))
        return self.trainers[name]

    def _unknown_name_message(self, name: str) -> str:
        hint = did_you_mean(name, self.trainers) or "`nnunet-dsd list` shows all of them"
        message = f"there is no trainer {name!r}; {hint}"
        if self.problems:
            listed = "\n".join(f"  - {problem}" for problem in self.problems)
            message += f"\nIt may be in one of these, which could not be used:\n{listed}"
        return message


def gather_trainers(points: Iterable[EntryPoint]) -> Registry:
    """Read entry points into a registry; one that fails becomes a problem and leaves the others as they are."""
    claims: dict[str, list[tuple[str, TrainerEntry]]] = {}
    problems = []
    for point in points:
        source = _describe_source(point)
        try:
            entries = _read_entry_point(point)
        except Exception as error:  # third-party code: whatever it raises must not take the other trainers down
            detail = str(error) if isinstance(error, RegistryError) else f"{type(error).__name__}: {error}"
            problems.append(RegistryProblem(source, detail))
            continue
        for entry in entries:
            claims.setdefault(entry.name, []).append((source, entry))
    conflicts = {name: _conflict_message(name, rivals) for name, rivals in claims.items() if len(rivals) > 1}
    problems += [RegistryProblem(name, message) for name, message in sorted(conflicts.items())]
    trainers = {name: rivals[0][1] for name, rivals in sorted(claims.items()) if len(rivals) == 1}
    return Registry(trainers, conflicts, tuple(problems))


@cache
def installed_registry() -> Registry:
    """The registry of everything installed, read once per process."""
    return gather_trainers(entry_points(group=ENTRY_POINT_GROUP))


def all_trainers(kind: TrainerKind | None = None) -> tuple[TrainerEntry, ...]:
    """Every usable trainer, sorted by name, of one kind or of all; what was not usable is in `registry_problems`."""
    return tuple(entry for entry in installed_registry().trainers.values() if kind in (None, entry.kind))


def registry_problems() -> tuple[RegistryProblem, ...]:
    """What `all_trainers` had to leave out, and why."""
    return installed_registry().problems


def find_trainer(name: str) -> TrainerEntry:
    """Return the installed trainer of that name.

    Raises:
        RegistryError: The name is unknown, or registered by more than one distribution.
    """
    return installed_registry().find(name)


def require_segmentation_trainer(name: str) -> TrainerEntry:
    """Return the installed trainer of that name, which nnU-Net can run.

    Raises:
        RegistryError: The name is unknown, registered by more than one distribution, or of another kind.
    """
    entry = find_trainer(name)
    if entry.kind != "segmentation":
        raise RegistryError(
            f"trainer '{name}' is of kind {entry.kind}, expected segmentation; `nnunet-dsd list --kind segmentation`"
        )
    return entry


def _entry_problems(entry: TrainerEntry) -> list[str]:
    problems = []
    if not entry.name.isidentifier():
        problems.append("the name must be a Python identifier, like a class name")
    if "__" in entry.name:
        problems.append("the name must not contain '__', at which nnU-Net splits the names of result folders")
    if entry.kind not in TRAINER_KINDS:
        problems.append(f"kind {entry.kind!r} is unknown, allowed are {', '.join(map(repr, TRAINER_KINDS))}")
    if not TARGET_PATTERN.fullmatch(entry.target):
        problems.append(f"target {entry.target!r} is not of the form 'package.module:ClassName'")
    if not entry.summary.strip() or "\n" in entry.summary:
        problems.append("the summary must be one line")
    return problems


def _read_entry_point(point: EntryPoint) -> tuple[TrainerEntry, ...]:
    value = point.load()
    entries = (value,) if isinstance(value, TrainerEntry) else tuple(value)
    for entry in entries:
        if not isinstance(entry, TrainerEntry):
            raise RegistryError(f"holds a {type(entry).__name__}, expected TrainerEntry; nothing of it is used")
    return entries


def _describe_source(point: EntryPoint) -> str:
    distribution = point.dist.name if point.dist is not None else "unknown distribution"
    return f"{distribution} (entry point {point.name} = {point.value})"


def _conflict_message(name: str, rivals: list[tuple[str, TrainerEntry]]) -> str:
    sources = " and ".join(source for source, _ in rivals)
    return f"trainer {name!r} is registered by {sources}; none is used. Uninstall one, or give one another name"
