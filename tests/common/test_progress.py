"""Bars of progress stand on standard error of a terminal, and nowhere else."""

import sys

import pytest

from nnunet_dsd.common.progress import progress_of, track

PLACES = [("true", True, False), ("1", True, False), ("", True, True), ("false", True, True), ("", False, False)]


@pytest.fixture
def place(monkeypatch, capsys):
    """Set `CI`, and whether standard error is a terminal."""

    def put(value, is_terminal):
        monkeypatch.setenv("CI", value)
        monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes standard error for a terminal
        monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)

    return put


@pytest.mark.parametrize(("value", "is_terminal", "shown"), PLACES)
def test_counted_progress_is_shown_in_a_terminal_and_not_where_ci_is_set(place, capsys, value, is_terminal, shown):
    place(value, is_terminal)
    with progress_of("frames") as progress:
        progress(1, 2)
    said = capsys.readouterr()
    assert ("frames" in said.err) is ("1/2" in said.err) is shown
    assert said.out == ""


@pytest.mark.parametrize(("value", "is_terminal", "shown"), PLACES)
def test_tracked_items_come_as_they_are_and_a_bar_stands_in_a_terminal_only(place, capsys, value, is_terminal, shown):
    place(value, is_terminal)
    assert list(track(iter("abc"), total=3, description="letters")) == ["a", "b", "c"]
    said = capsys.readouterr()
    assert ("letters" in said.err) is ("3/3" in said.err) is shown
    assert said.out == ""
