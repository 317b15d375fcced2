"""What a check found: problems, parted into errors and notes and counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from video_triplet.data import problems as kinds
from video_triplet.data.videos import Problem


@dataclass(frozen=True)
class Findings:
    """Everything that a check found.

    Attributes:
        problems: Of the reader and of the check; kinds are in `video_triplet.data.problems`.
    """

    problems: tuple[Problem, ...]

    @property
    def errors(self) -> tuple[Problem, ...]:
        """Labels, images or videos that are not what they claim to be."""
        return tuple(problem for problem in self.problems if kinds.is_error(problem.kind))

    @property
    def notes(self) -> tuple[Problem, ...]:
        """What is worth knowing and harms nothing."""
        return tuple(problem for problem in self.problems if not kinds.is_error(problem.kind))

    @property
    def counts(self) -> dict[str, int]:
        """How many problems there are of each kind, errors first."""
        found = Counter(problem.kind for problem in self.problems)
        return {kind: found[kind] for kind in kinds.KINDS if found[kind]}
