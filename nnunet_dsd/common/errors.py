"""The errors both packages raise. Each message says what was got, what is allowed and what to do next."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nnunet_dsd.common.counting import counted


class DistillationError(Exception):
    """Base of every error this project raises on purpose; the command line prints it without a traceback."""


class SettingsError(DistillationError, ValueError):
    """Settings that are unknown or impossible; carries every problem found, not only the first."""

    def __init__(self, problems: Sequence[str], *, source: str) -> None:
        self.problems = tuple(problems)
        listed = "\n".join(f"  - {problem}" for problem in self.problems)
        super().__init__(f"{counted(len(self.problems), 'problem')} in {source}:\n{listed}")


class NetworkStructureError(DistillationError, ValueError):
    """A network that is not the U-shape that was asked for, or levels that do not fit together."""


class ShapeError(DistillationError, ValueError):
    """Tensors whose shapes do not go together."""


class RegistryError(DistillationError, LookupError):
    """A trainer name that is unknown, or registered twice, or whose class cannot be loaded."""


class CheckpointError(DistillationError, RuntimeError):
    """A checkpoint that does not fit, is incomplete, or could not be written."""


class TeacherError(DistillationError, ValueError):
    """A teacher that is missing, unfinished, or does not fit its student."""

    @classmethod
    def listing(cls, teacher: str, problems: Sequence[str]) -> TeacherError:
        """Return the error with every reason why a teacher was refused."""
        listed = "\n".join(f"  - {problem}" for problem in problems)
        return cls(f"{teacher} cannot teach this student:\n{listed}")


class DataError(DistillationError, ValueError):
    """Input files that are missing, broken or contradict each other."""


class MisfitError(DataError):
    """Input files that may be sound, and do not fit what the data set says of them."""


class UnreadableError(DataError):
    """An image file that a library cannot read; `said` is what the library says."""

    def __init__(self, path: Path, said: str) -> None:
        super().__init__(path, said)
        self.path, self.said = path, said

    def __str__(self) -> str:
        return f"{self.path} could not be read as an image; it may be damaged. {self.said}"


class SetupError(DistillationError, RuntimeError):
    """Something outside the data is not in place: an environment variable, a folder, a program, free disk space."""


class DivergenceError(DistillationError, ArithmeticError):
    """A training whose loss is no longer a finite number."""
