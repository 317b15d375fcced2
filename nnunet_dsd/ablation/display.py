"""What a study shows while it runs: a progress line in a terminal, plain lines elsewhere."""

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


def duration(seconds: float) -> str:
    """Format a duration, such as 2:05 (minutes) or 3 h 20 min."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes >= 60 else f"{minutes}:{rest:02d}"


def describe_line(line: str, epochs: int | None) -> tuple[str, int | None]:
    """Read a line of nnU-Net's output.

    Returns:
        What to show beside the step (empty: nothing new), and how many epochs are done (None: nothing new).
    """
    if match := EPOCH.search(line):
        return f"epoch {int(match[1]) + 1}" + (f" of {epochs}" if epochs else ""), int(match[1])
    if match := PSEUDO_DICE.search(line):
        return "validation Dice " + ", ".join(f"{float(v):.2f}" for v in NUMBER.findall(match[1])), None
    if match := PREDICTING.search(line):
        return f"predicting {match[1] or match[2]}", None
    return "", None


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
        with self._progress() as progress:
            task = progress.add_task(self._label(number, title), total=epochs, note="")
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
        return f"{number}/{self.runs} {escape(title)}"
