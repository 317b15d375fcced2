"""Tables on a terminal, in a file or in a pipe; nothing in them is ever cut off."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table

WIDEST = 1000
NARROWEST_TEXT = 9  # characters that a column of running text is left with on a narrow terminal
FRAME = 3  # characters of a column besides its text


def print_table(table: Table, console: Console) -> None:
    """Print a table whose first column, and every column that does not wrap, holds names: they stay whole.

    In a file or a pipe, where nobody resizes the window, a row stays one line, however long. On a terminal other cells
    go on in further lines; where the terminal is too narrow for the names, it breaks the lines itself.
    """
    table.columns[0].no_wrap = True
    for column in table.columns:
        if column.overflow == "ellipsis":
            column.overflow = "fold"
    width = max(console.width, narrowest_width(table)) if console.is_terminal else full_width(table)
    if width == console.width:
        console.print(table)
    else:
        Console(file=console.file, width=width, force_terminal=console.is_terminal).print(table)


def full_width(table: Table) -> int:
    """Return how many characters a table needs, so that none of its cells is cut."""
    return Console(width=WIDEST).measure(table).maximum


def narrowest_width(table: Table) -> int:
    """Return how many characters a table needs, so that its names are whole and its texts can be read."""
    measure = Console(width=WIDEST).measure
    whole = [max(measure(cell).maximum for cell in (column.header, *column.cells)) for column in table.columns]
    least = [
        width if column.no_wrap else min(width, NARROWEST_TEXT)
        for column, width in zip(table.columns, whole, strict=True)
    ]
    return sum(least) + FRAME * len(least) + 1
