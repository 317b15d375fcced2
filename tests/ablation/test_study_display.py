"""What a study shows: epochs from nnU-Net's log, durations, and nothing that moves where there is no terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from nnunet_dsd.ablation.display import Display, duration
from nnunet_dsd.steps.training_output import describe_line


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("2026-11-21 09:55:41.125484: Epoch 1 ", ("epoch 2 of 8", 1)),
        ("x: Pseudo dice [np.float32(0.7614), np.float32(nan)] ", ("validation Dice 0.76, nan", None)),
        ("predicting hippocampus_001", ("predicting hippocampus_001", None)),
        ("2026-11-21 09:55:40.348751: Epoch time: 20.49 s ", ("", None)),
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


def show(*, terminal: bool) -> str:
    console = Console(file=io.StringIO(), width=120, force_terminal=terminal)
    with Display(console, runs=3).running(2, "train [x]", 8) as take:
        take("x: Epoch 4")
    return console.file.getvalue()


def test_progress_moves_on_a_terminal_only() -> None:
    assert show(terminal=False) == "… 2/3 train [x]\n"
    assert "epoch 5 of 8" in show(terminal=True)
