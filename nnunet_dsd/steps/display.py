"""What a list of steps shows while it runs: a progress line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.common.machine import is_continuous_integration
from nnunet_dsd.steps.step import Step
from nnunet_dsd.steps.training_output import progress_line

MARKS = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "busy": "[yellow]-[/]", "started": "…"}


def duration(seconds: float) -> str:
    """Format a duration, such as 50 s, 31 min or 3 h 20 min."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def clock(seconds: float) -> str:
    """Format a duration as minutes and seconds, such as 2:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class Display:
    """Shows steps or jobs on a console.

    Attributes:
        console: Where.
        total: How many there are.
        shows_commands: Whether commands are printed before they run.
    """

    def __init__(self, console: Console, total: int, *, shows_commands: bool = False) -> None:
        self.console, self.total, self.shows_commands = console, total, shows_commands

    def line(self, mark: str, number: int, title: str, note: str = "") -> None:
        """Print one line about a step or job; `mark` is one of MARKS."""
        end = f"  [dim]{escape(note)}[/]" if note else ""
        self.console.print(f"{MARKS[mark]} {self._label(number, title)}{end}", soft_wrap=True, highlight=False)

    @contextmanager
    def running(self, number: int, step: Step) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs; yields what takes the lines of its output."""
        if self.shows_commands and step.command:
            self.console.print(f"  [dim]$ {escape(shlex.join(step.command_now()))}[/]", soft_wrap=True, highlight=False)
        if not self.console.is_terminal or is_continuous_integration() or step.prints:
            self.line("started", number, step.title)
            yield lambda line: None
            return
        with progress_line(self.console, self._label(number, step.title), step.epochs) as take:
            yield take

    def _label(self, number: int, title: str) -> str:
        return f"{number}/{self.total} {escape(title)}"
