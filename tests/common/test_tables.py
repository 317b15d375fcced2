"""Tables on a terminal, in a file or in a pipe."""

import io

import pytest
from rich.console import Console
from rich.table import Column, Table

from nnunet_dsd.common.tables import print_table

NAME, TEXT = "nnUNetTrainerUNetPlusPlus_DSDFeatureL2", "many words " * 12


def printed(table, columns, *, terminal):
    output = io.StringIO()
    print_table(table, Console(file=output, width=columns, force_terminal=terminal, color_system=None))
    return output.getvalue()


def a_table():
    table = Table("name", "text", Column("plans", no_wrap=True))
    table.add_row(NAME, TEXT, "nnUNetResEncUNetMPlans")
    return table


@pytest.mark.parametrize("terminal", [False, True])
@pytest.mark.parametrize("columns", [10, 40, 80, 300])
def test_nothing_is_cut_off(columns, terminal):
    shown = printed(a_table(), columns, terminal=terminal)
    assert f" {NAME} " in shown
    assert " nnUNetResEncUNetMPlans " in shown
    assert "…" not in shown
    assert shown.count("many") == shown.count("words") == 12


def test_a_row_in_a_file_is_one_line():
    assert TEXT.strip() in printed(a_table(), 20, terminal=False)


def test_a_table_that_fits_a_terminal_fills_no_more_than_that():
    assert max(map(len, printed(a_table(), 100, terminal=True).splitlines())) <= 100
