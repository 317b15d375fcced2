"""What the demo shows while it runs: a progress line in a terminal, plain lines elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

from nnunet_dsd.steps.training_output import progress_line


def clock(seconds: float) -> str:
    """Format a duration as minutes and seconds, such as 2:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


class Display:
    """Shows the steps of a run on a console."""

    def __init__(self, console: Console, *, steps: int) -> None:
        self.console = console
        self.steps = steps

    def skipped(self, number: int, title: str, seconds: float) -> None:
        """Say that a step had finished in an earlier run."""
        self._line("[green]✓[/]", number, title, f"done earlier ({clock(seconds)})")

    def finished(self, number: int, title: str, seconds: float) -> None:
        """Say that a step has finished."""
        self._line("[green]✓[/]", number, title, clock(seconds))

    def failed(self, number: int, title: str, seconds: float) -> None:
        """Say that a step has failed or was interrupted."""
        self._line("[red]✗[/]", number, title, f"stopped after {clock(seconds)}")

    @contextmanager
    def running(self, number: int, title: str, *, command: str, epochs: int) -> Iterator[Callable[[str], None]]:
        """Show a step while it runs; yields what takes the lines of its output."""
        if command:
            self.console.print(f"  [dim]$ {escape(command)}[/]", soft_wrap=True, highlight=False)
        if not self.console.is_terminal:
            self._line("…", number, title, "")
            yield lambda line: None
            return
        with progress_line(self.console, self._label(number, title), epochs or None) as take:
            yield take

    def _label(self, number: int, title: str) -> str:
        return f"{number}/{self.steps} {escape(title)}"

    def _line(self, mark: str, number: int, title: str, note: str) -> None:
        end = f"  [dim]{note}[/]" if note else ""
        self.console.print(f"{mark} {self._label(number, title)}{end}", soft_wrap=True, highlight=False)
