"""The draws of the augmentation: probabilities, ranges, presets, and nothing but seed, epoch and row decides."""

import dataclasses

import numpy as np
import pytest

from nnunet_dsd.common.errors import SettingsError
from video_triplet.data.augmentation import PRESETS, Augmentation, Draw, draw_for

DRAWS = 4000


def many(augmentation):
    return [draw_for(augmentation, seed=5, epoch=2, row=row) for row in range(DRAWS)]


def share(values):
    return sum(bool(value) for value in values) / DRAWS


def test_each_operation_of_the_paper_happens_half_of_the_time():
    draws = many(PRESETS["paper"])
    happened = [
        share(drawn.horizontal_flip for drawn in draws),
        share(drawn.vertical_flip for drawn in draws),
        share(drawn.rotation != 0 for drawn in draws),
        share(drawn.brightness != 1 for drawn in draws),
        share(drawn.saturation != 1 for drawn in draws),
    ]
    assert happened == pytest.approx([0.5] * 5, abs=0.04)  # five standard deviations of 4000 draws
    assert all(drawn.shift == (0, 0) and drawn.scaling == 1 and drawn.hsv_shift == (0, 0, 0) for drawn in draws)


def test_the_operations_happen_independently_of_each_other():
    draws = many(PRESETS["paper"])
    columns = np.array(
        [[d.horizontal_flip, d.vertical_flip, d.rotation != 0, d.brightness != 1, d.saturation != 1] for d in draws]
    )
    assert np.abs(np.corrcoef(columns.T) - np.eye(5)).max() < 0.08


def test_the_ranges_are_used_up_to_their_ends_and_not_beyond():
    draws = many(Augmentation(affine=1, max_rotation=30, max_shift=0.1, max_scaling=0.2, brightness=1, saturation=1))
    for values, centre, width in (
        ([drawn.rotation for drawn in draws], 0, 30),
        ([drawn.shift[0] for drawn in draws], 0, 0.1),
        ([drawn.shift[1] for drawn in draws], 0, 0.1),
        ([drawn.scaling for drawn in draws], 1, 0.2),
        ([drawn.brightness for drawn in draws], 1, 0.2),
        ([drawn.saturation for drawn in draws], 1, 0.2),
    ):
        assert centre - width <= min(values) < centre - 0.99 * width
        assert centre + 0.99 * width < max(values) <= centre + width
        assert np.mean(values) == pytest.approx(centre, abs=0.05 * width)


def test_the_authors_code_flips_only_sideways_and_shifts_hsv_by_at_most_5_of_255():
    draws = many(PRESETS["authors-code"])
    assert share(drawn.horizontal_flip for drawn in draws) == pytest.approx(0.5, abs=0.04)
    assert share(drawn.rotation != 0 for drawn in draws) == pytest.approx(0.5, abs=0.04)
    assert share(any(drawn.hsv_shift) for drawn in draws) == pytest.approx(0.5, abs=0.04)
    assert not any(drawn.vertical_flip or drawn.brightness != 1 or drawn.saturation != 1 for drawn in draws)
    assert all((drawn.rotation != 0) == (drawn.scaling != 1) == (drawn.shift[0] != 0) for drawn in draws)
    hue, saturation, value = np.abs([drawn.hsv_shift for drawn in draws]).max(axis=0)
    assert (9.9 < hue <= 10, 4.9 < saturation <= 5, 4.9 < value <= 5) == (True, True, True)
    assert 0.99 * 0.0625 < max(abs(drawn.shift[0]) for drawn in draws) <= 0.0625
    assert {drawn.border for drawn in draws} == {"reflect"}


def test_without_augmentation_every_draw_changes_nothing():
    assert all(drawn == Draw() for drawn in many(PRESETS["none"]))


def test_a_draw_depends_on_seed_epoch_and_row_alone():
    paper = PRESETS["paper"]
    first = draw_for(paper, seed=1, epoch=2, row=3)
    draw_for(paper, seed=1, epoch=2, row=4)
    assert draw_for(paper, seed=1, epoch=2, row=3) == first
    others = {draw_for(paper, seed=s, epoch=e, row=r) for s, e, r in [(2, 1, 3), (1, 3, 2), (3, 2, 1), (1, 2, 4)]}
    always = dataclasses.replace(paper, affine=1.0)
    rotations = {draw_for(always, seed=s, epoch=e, row=r).rotation for s in (1, 2) for e in (1, 2) for r in (1, 2)}
    assert len(others) > 1
    assert len(rotations) == 8


def test_switching_one_operation_off_leaves_the_others_draws_as_they_were():
    without = dataclasses.replace(PRESETS["paper"], affine=0.0)
    for row in range(50):
        full = draw_for(PRESETS["paper"], seed=1, epoch=0, row=row)
        assert draw_for(without, seed=1, epoch=0, row=row) == dataclasses.replace(full, rotation=0.0)


def test_every_impossible_setting_is_reported_at_once():
    with pytest.raises(SettingsError) as caught:
        Augmentation(affine=1.5, max_rotation=-1, max_scaling=1, max_brightness=float("nan"), border="blue")
    assert len(caught.value.problems) == 5
    assert "affine is 1.5, a probability is from 0 to 1" in str(caught.value)
