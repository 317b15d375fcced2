"""Tables on a terminal, in a file or in a pipe."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 1000


def print_table(table: Table, console: Console) -> None:
    """Print a table; in a file or a pipe, where nobody resizes the window, a row stays one line, however long."""
    (console if console.is_terminal else Console(width=full_width(table))).print(table)


def full_width(table: Table) -> int:
    """Return how many characters a table needs, so that none of its cells is cut."""
    return Console(width=WIDEST).measure(table).maximum
