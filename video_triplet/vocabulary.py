"""Names of triplets, their components and phases, and how they map to each other: taken from the data set, never fixed.

The official data sets have 100 triplets of 6 instruments, 10 verbs and 15 targets, and 7 phases; others have other
numbers. A triplet is written `instrument,verb,target`.
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

from nnunet_dsd.errors import DataError

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
        """`instrument,verb,target` for each triplet id."""
        return tuple(f"{self.instruments[i]},{self.verbs[v]},{self.targets[t]}" for i, v, t in self.triplets)

    @cached_property
    def null_triplets(self) -> tuple[int, ...]:
        """Ids of the triplets that name no action: those with a null verb or a null target."""
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
