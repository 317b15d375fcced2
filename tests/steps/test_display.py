"""What steps show: epochs from nnU-Net's log, durations, and nothing that moves where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nnunet_dsd.steps.display import Display, clock, duration
from nnunet_dsd.steps.step import Step
from nnunet_dsd.steps.training_output import describe_line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-21 09:55:41.125484: Epoch 1 ", ("epoch 2 of 8", 1)),
        ("x: Pseudo dice [np.float32(0.7614), np.float32(nan)] ", ("validation Dice 0.76, nan", None)),
        ("predicting hippocampus_001", ("predicting hippocampus_001", None)),
        ("2026-11-21 09:55:40.348751: Epoch time: 20.49 s ", ("", None)),
        ("2026-11-21 03:59:14: predicting phantom_003", ("predicting phantom_003", None)),
        ("Predicting phantom_test_001:", ("predicting phantom_test_001", None)),
        ("x: Pseudo dice [0.5, nan]", ("validation Dice 0.50, nan", None)),
        ("This is Epoch 3 of my life, he said", ("", None)),
    ],
)
def test_lines_of_nnunets_output_are_read(line: str, shown: tuple[str, int | None]) -> None:
    assert describe_line(line, 8) == shown


def test_epochs_of_an_unknown_number_are_shown_without_it() -> None:
    assert describe_line("x: Epoch 4", None) == ("epoch 5", 4)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min"),
        (125.4, "2 min"),
        (1842, "31 min"),
        (3599, "1 h 0 min"),
        (3600, "1 h 0 min"),
        (86500, "24 h 2 min"),
    ],
)
def test_durations_are_readable(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_short_durations_are_minutes_and_seconds() -> None:
    assert [clock(seconds) for seconds in (0.2, 59.6, 3723)] == ["0:00", "1:00", "62:03"]


def show(*lines: str, terminal: bool, shows_commands: bool = False, prints: bool = False) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    step = Step(name="train", title="train [x]", command=("train", "a b"), epochs=8, prints=prints)
    with Display(console, 3, shows_commands=shows_commands).running(2, step) as take:
        for line in lines:
            take(line)
    return console.file.getvalue()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside of continuous integration, where nothing moves."""
    monkeypatch.delenv("CI", raising=False)


def test_in_continuous_integration_nothing_moves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    assert "epoch 5" not in show("x: Epoch 4", terminal=True)


def test_progress_moves_on_a_terminal_only(watched: None) -> None:
    assert show("x: Epoch 4", terminal=False) == "… 2/3 train [x]\n"
    shown = show("x: Epoch 4", "x: Pseudo dice [0.5, 0.6]", terminal=True)
    assert "epoch 5 of 8  validation Dice 0.50, 0.60" in shown


def test_a_step_that_prints_by_itself_gets_a_line_on_a_terminal_too(watched: None) -> None:
    assert "epoch 5" not in show("x: Epoch 4", terminal=True, prints=True)


def test_commands_are_shown_where_that_is_asked_for() -> None:
    assert show(terminal=False, shows_commands=True).splitlines() == ["  $ train 'a b'", "… 2/3 train [x]"]


def test_a_line_has_a_mark_a_place_and_a_note() -> None:
    console = Console(file=io.StringIO(), width=120)
    Display(console, 6).line("done", 4, "train [x]", "2:05")
    assert console.file.getvalue() == "✓ 4/6 train [x]  2:05\n"
