"""What the demo shows while it runs: a progress line in a terminal, plain lines elsewhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

EPOCH = re.compile(r": Epoch (\d+)\s*$")
PSEUDO_DICE = re.compile(r"Pseudo dice \[(.*)\]")
PREDICTING = re.compile(r"\bpredicting (\S+)$|^Predicting (\S+):")
NUMBER = re.compile(r"\d*\.\d+|\bnan\b")


def clock(seconds: float) -> str:
    """Format a duration as minutes and seconds, such as 2:05."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}:{rest:02d}"


def describe_line(line: str, epochs: int) -> tuple[str, int | None]:
    """Read a line of nnU-Net's output.

    Returns:
        What to show beside the step (empty: nothing new), and how many epochs are done (None: nothing new).
    """
    if match := EPOCH.search(line):
        return f"epoch {int(match[1]) + 1} of {epochs}", int(match[1])
    if match := PSEUDO_DICE.search(line):
        values = [f"{float(value):.2f}" for value in NUMBER.findall(match[1])]
        return f"validation Dice {', '.join(values)}", None
    if match := PREDICTING.search(line):
        return f"predicting {match[1] or match[2]}", None
    return "", None


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
        with self._progress() as progress:
            task = progress.add_task(self._label(number, title), total=epochs or None, note="")
            notes: dict[str, str] = {}

            def take(line: str) -> None:
                text, done = describe_line(line, epochs)
                if text:
                    notes[text.split()[0]] = text
                    progress.update(task, note=escape("  ".join(notes.values())))
                if done is not None:
                    progress.update(task, completed=done)

            yield take

    def _progress(self) -> Progress:
        return Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}[/]"),
            console=self.console,
            transient=True,
        )

    def _label(self, number: int, title: str) -> str:
        return f"{number}/{self.steps} {escape(title)}"

    def _line(self, mark: str, number: int, title: str, note: str) -> None:
        end = f"  [dim]{note}[/]" if note else ""
        self.console.print(f"{mark} {self._label(number, title)}{end}", soft_wrap=True, highlight=False)
