"""What nnU-Net's commands print, read line by line and shown as one line of progress."""

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


def describe_line(line: str, epochs: int | None) -> tuple[str, int | None]:
    """Read a line of nnU-Net's output.

    Args:
        line: As printed.
        epochs: How many there will be; None where that is not known.

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


@contextmanager
def progress_line(console: Console, label: str, epochs: int | None) -> Iterator[Callable[[str], None]]:
    """Show a step while it runs, in a terminal; yields what takes the lines of its output.

    Args:
        console: A terminal.
        label: Of the step, in rich's markup.
        epochs: How many there will be; None where that is not known, or the step is no training.
    """
    with _progress(console) as progress:
        task = progress.add_task(label, total=epochs, note="")
        notes: dict[str, str] = {}

        def take(line: str) -> None:
            text, done = describe_line(line, epochs)
            if text:
                notes[text.split()[0]] = text
                progress.update(task, note=escape("  ".join(notes.values())))
            if done is not None:
                progress.update(task, completed=done)

        yield take


def _progress(console: Console) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TimeElapsedColumn(),
        TextColumn("[dim]{task.fields[note]}[/]"),
        console=console,
        transient=True,
    )
