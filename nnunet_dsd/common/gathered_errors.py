"""Errors of checks that do not depend on each other, told together."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from nnunet_dsd.common.errors import DistillationError, SettingsError

Result = TypeVar("Result")


class GatheredErrors:
    """Goes on after an error of ours, so that all of them can be raised as one."""

    def __init__(self) -> None:
        self.errors: list[DistillationError] = []

    def of(self, make: Callable[[], Result]) -> Result | None:
        """Return what a function returns, or None where it raises an error of ours, which is kept."""
        try:
            return make()
        except DistillationError as error:
            self.errors.append(error)
            return None

    def as_one(self, *, source: str) -> DistillationError:
        """Return an error that says them all: the error itself where there is one, a list of problems otherwise.

        Args:
            source: What is wrong, for the heading of a list.
        """
        if len(self.errors) == 1:
            return self.errors[0]
        problems = [
            problem
            for error in self.errors
            for problem in (error.problems if isinstance(error, SettingsError) else (str(error),))
        ]
        return SettingsError(list(dict.fromkeys(problems)), source=source)
