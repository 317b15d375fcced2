"""Names of triplets, their components and phases, and how they map to each other: taken from the data set, never fixed.

The official data sets have 100 triplets of 6 instruments, 10 verbs and 15 targets, and 7 phases; others have other
numbers. A triplet is written `instrument,verb,target`.

A data set whose classes are no triplets has them in the place of triplets: each class is an instrument of its own name,
with a verb and a target that say nothing (`WITHOUT_COMPONENTS`). Its triplet names are then just the class names.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from nnunet_dsd.common.errors import DataError

Head = Literal["triplet", "instrument", "verb", "target", "phase"]
HEADS: tuple[Head, ...] = get_args(Head)
Component = Literal["ivt", "i", "v", "t", "iv", "it", "vt"]
COMPONENTS: tuple[Component, ...] = get_args(Component)
PARTS: dict[str, tuple[str, ...]] = {
    "i": ("instrument",),
    "v": ("verb",),
    "t": ("target",),
    "iv": ("instrument", "verb"),
    "it": ("instrument", "target"),
    "vt": ("verb", "target"),
}
NULL_NAMES = frozenset({"null_verb", "null_target", "null_instrument"})
WITHOUT_COMPONENTS = "*"  # the only verb and the only target of classes that are no triplets


@dataclass(frozen=True)
class Vocabulary:
    """What a data set can say about a frame.

    Attributes:
        instruments: Names in the order of their ids.
        verbs: As above.
        targets: As above.
        phases: As above; empty where the data set has none.
        triplets: For each triplet id the ids of its instrument, verb and target.
    """

    instruments: tuple[str, ...]
    verbs: tuple[str, ...]
    targets: tuple[str, ...]
    phases: tuple[str, ...]
    triplets: tuple[tuple[int, int, int], ...]

    def __post_init__(self) -> None:
        problems = _problems(self)
        if problems:
            raise DataError("this vocabulary contradicts itself:\n" + "\n".join(f"  - {text}" for text in problems))

    def names(self, head: Head) -> tuple[str, ...]:
        """Return the class names of a head, in the order of its columns."""
        if head == "triplet":
            return self.triplet_names
        return {"instrument": self.instruments, "verb": self.verbs, "target": self.targets, "phase": self.phases}[head]

    def size(self, head: Head) -> int:
        """Return the number of classes of a head."""
        return len(self.names(head))

    @cached_property
    def triplet_names(self) -> tuple[str, ...]:
        """`instrument,verb,target` for each triplet id; just the names of classes without components."""
        if not self.has_components:
            return tuple(self.instruments[instrument] for instrument, _, _ in self.triplets)
        return tuple(f"{self.instruments[i]},{self.verbs[v]},{self.targets[t]}" for i, v, t in self.triplets)

    @property
    def has_components(self) -> bool:
        """Whether the classes are triplets of instrument, verb and target; otherwise they are names alone."""
        return (self.verbs, self.targets) != ((WITHOUT_COMPONENTS,), (WITHOUT_COMPONENTS,))

    @cached_property
    def null_triplets(self) -> tuple[int, ...]:
        """Ids of the triplets that name no action: those with a null verb or a null target; none without components."""
        if not self.has_components:
            return ()
        return tuple(
            index for index, name in enumerate(self.triplet_names) if not NULL_NAMES.isdisjoint(name.split(","))
        )

    def component_ids(self, component: Component) -> NDArray[np.int64]:
        """Return for each triplet the id of one of its components.

        Pairs are numbered `first * number of second + second`, as in the official maps (iv = 10 i + v). For `"ivt"` it
        is the triplet's own id.
        """
        if component == "ivt":
            return np.arange(len(self.triplets))
        columns = dict(zip(("instrument", "verb", "target"), np.array(self.triplets).T, strict=True))
        ids: NDArray[np.int64] = np.zeros(len(self.triplets), dtype=np.int64)
        for part in PARTS[component]:
            ids = ids * self.size(part) + columns[part]  # type: ignore[arg-type]
        return ids

    def component_labels(self, labels: NDArray[np.uint8], head: Head) -> NDArray[np.uint8]:
        """Return the labels of instruments, verbs or targets that labels of triplets imply.

        Args:
            labels: `(N, triplets)` of 0 and 1.
            head: `"instrument"`, `"verb"` or `"target"`.

        Returns:
            `(N, classes of the head)` of 0 and 1.
        """
        members = np.zeros((len(self.triplets), self.size(head)), dtype=np.int32)
        column = ("instrument", "verb", "target").index(head)
        members[np.arange(len(self.triplets)), np.array(self.triplets)[:, column]] = 1
        return np.asarray(labels.astype(np.int32) @ members > 0, dtype=np.uint8)

    def component_columns(self, component: Component) -> tuple[int, ...]:
        """Return the component ids that at least one triplet has, ascending: the columns of `to_component`."""
        return tuple(int(value) for value in np.unique(self.component_ids(component)))

    def to_component(self, scores: NDArray[Any], component: Component) -> NDArray[Any]:
        """Return component scores as the maximum over the triplets that have the component.

        Args:
            scores: `(N, triplets)`, probabilities or binary labels.
            component: Which component; `"ivt"` returns the scores as they are.

        Returns:
            `(N, len(component_columns(component)))`, of the same type.
        """
        if component == "ivt":
            return scores
        ids = self.component_ids(component)
        return np.stack([scores[:, ids == value].max(axis=1) for value in self.component_columns(component)], axis=1)

    @property
    def fingerprint(self) -> str:
        """Sixteen hexadecimal digits that two vocabularies share only if they are equal."""
        return hashlib.sha256(json.dumps(self.to_json()).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """Return lists only, for a JSON file."""
        return {name: json.loads(json.dumps(value)) for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Vocabulary:
        """Read what `to_json` wrote.

        Raises:
            DataError: if a part is missing or the parts contradict each other.
        """
        try:
            triplets = tuple((int(i), int(v), int(t)) for i, v, t in content["triplets"])
            instruments, verbs, targets, phases = (
                tuple(str(name) for name in content[part]) for part in ("instruments", "verbs", "targets", "phases")
            )
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(f"not a vocabulary: {type(error).__name__}: {error}") from error
        return cls(instruments, verbs, targets, phases, triplets)

    @classmethod
    def from_names(
        cls,
        instruments: Sequence[str],
        verbs: Sequence[str],
        targets: Sequence[str],
        phases: Sequence[str],
        triplets: Sequence[str],
    ) -> Vocabulary:
        """Build a vocabulary from names alone; triplets are written `instrument,verb,target`.

        Raises:
            DataError: if a triplet is not three known names.
        """
        ids = tuple(_triplet_ids(name, (instruments, verbs, targets)) for name in triplets)
        return cls(tuple(instruments), tuple(verbs), tuple(targets), tuple(phases), ids)

    @classmethod
    def from_classes(cls, names: Sequence[str], phases: Sequence[str] = ()) -> Vocabulary:
        """Build the vocabulary of a data set that has names of classes alone, in the order of the head's columns.

        Where every name is `instrument,verb,target`, the classes are triplets, and their components are numbered in the
        order in which they come first. Otherwise they have no components.

        Raises:
            DataError: if there is no name, or one is there twice.
        """
        parts = [triplet_parts(name) for name in names]
        triplets = [part for part in parts if part is not None]
        if names and len(triplets) == len(names):
            columns = [tuple(dict.fromkeys(column)) for column in zip(*triplets, strict=True)]
            return cls.from_names(*columns, phases, [",".join(part) for part in triplets])  # type: ignore[call-arg]
        alone = (WITHOUT_COMPONENTS,)
        return cls(tuple(names), alone, alone, tuple(phases), tuple((index, 0, 0) for index in range(len(names))))


def triplet_parts(name: str) -> tuple[str, str, str] | None:
    """Return the three parts of a name `instrument,verb,target` without spaces around them; None for another name."""
    words = [word.strip() for word in name.split(",")]
    return (words[0], words[1], words[2]) if len(words) == 3 and all(words) else None


def _triplet_ids(name: str, parts: tuple[Sequence[str], ...]) -> tuple[int, int, int]:
    words = [word.strip() for word in name.split(",")]
    if len(words) != 3 or any(word not in names for word, names in zip(words, parts, strict=False)):
        raise DataError(f"triplet {name!r} is not three names 'instrument,verb,target' of this vocabulary")
    instrument, verb, target = (list(names).index(word) for word, names in zip(words, parts, strict=True))
    return instrument, verb, target


def _problems(vocabulary: Vocabulary) -> list[str]:
    problems = []
    lists = {part: getattr(vocabulary, part) for part in ("instruments", "verbs", "targets", "phases")}
    for part, names in lists.items():
        if len(set(names)) < len(names):
            problems.append(f"{part}: a name appears twice")
        if not names and part != "phases":
            problems.append(f"{part}: there is none")
    sizes = (len(vocabulary.instruments), len(vocabulary.verbs), len(vocabulary.targets))
    for index, triplet in enumerate(vocabulary.triplets):
        if not all(0 <= value < size for value, size in zip(triplet, sizes, strict=True)):
            problems.append(f"triplet {index} is {triplet}, beyond the {sizes} instruments, verbs and targets")
    if len(set(vocabulary.triplets)) < len(vocabulary.triplets):
        problems.append("triplets: two ids have the same components")
    if not vocabulary.triplets:
        problems.append("triplets: there is none")
    return problems
