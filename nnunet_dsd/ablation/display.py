"""What a study shows while it runs: a progress line in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.steps.training_output import progress_line


def duration(seconds: float) -> str:
    """Format a duration, such as 50 s, 31 min or 3 h 20 min."""
    if round(seconds) < 60:
        return f"{round(seconds)} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


class Display:
    """Shows the steps of a study on a console."""

    def __init__(self, console: Console, *, runs: int) -> None:
        self.console = console
        self.runs = runs

    def line(self, mark: str, number: int, title: str, note: str = "") -> None:
        """Print one line about a run."""
        marks = {"done": "[green]✓[/]", "failed": "[red]✗[/]", "busy": "[yellow]-[/]", "started": "…"}
        end = f"  [dim]{escape(note)}[/]" if note else ""
        self.console.print(f"{marks[mark]} {self._label(number, title)}{end}", soft_wrap=True, highlight=False)

    @contextmanager
    def running(self, number: int, title: str, epochs: int | None) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs; yields what takes the lines of its output."""
        if not self.console.is_terminal:
            self.line("started", number, title)
            yield lambda line: None
            return
        with progress_line(self.console, self._label(number, title), epochs) as take:
            yield take

    def _label(self, number: int, title: str) -> str:
        return f"{number}/{self.runs} {escape(title)}"
