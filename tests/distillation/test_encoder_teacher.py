"""What is logged of the encoder teacher, in words."""

import math

import pytest

from nnunet_dsd.distillation.encoder_teacher import describe_encoder_teacher, is_inert, logged_encoder_dice

NAN = math.nan


@pytest.mark.parametrize(
    ("dice", "words"),
    [
        (
            [0.0, 0.0, 0.0],
            "is inert: the map of the deepest encoder showed no structure in any epoch (Dice at most 0.000)",
        ),
        ([0.008, NAN, 0.0], "is inert"),
        ([0.3, 0.4, 0.0], "has become inert: the map of the deepest encoder shows no structure at the end (Dice 0.000"),
        ([0.0, 0.2, 0.41], "shows the structures with a Dice of 0.410 at the end"),
        ([0.0, 0.2, NAN], "shows the structures with a Dice of 0.200"),
    ],
)
def test_numbers_become_words(dice, words):
    assert words in describe_encoder_teacher(dice)


@pytest.mark.parametrize("dice", [[], [NAN, NAN]])
def test_what_was_not_looked_at_is_not_described(dice):
    assert describe_encoder_teacher(dice) is None


def test_the_numbers_are_read_from_the_lines_of_a_log():
    lines = [
        "2026-11-27 17:00:00: loss terms {'encoder_teacher_entropy': 0.6, 'encoder_teacher_dice': 0.0083}",
        "2026-11-27 17:00:01: loss terms {'output': 1.1, 'encoder_teacher_dice': 1e-05}",
        "2026-11-27 17:00:02: loss terms {'encoder_teacher_dice': nan, 'output': 1.0}",
        "2026-11-27 17:00:03: Epoch 3",
    ]
    found = logged_encoder_dice(lines)
    assert found[:2] == [0.0083, 1e-05]
    assert math.isnan(found[2])
    assert len(found) == 3


def test_inert_is_what_never_showed_anything():
    assert is_inert([0.0, NAN, 0.049])
    assert not is_inert([0.0, 0.2, 0.0])
    assert not is_inert([NAN])
