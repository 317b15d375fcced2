"""Clips start where they should, short videos loop, and what is drawn depends on seed, epoch and row alone."""

import numpy as np
import pytest

from nnunet_dsd.common.errors import SettingsError
from video_triplet.clips.sampling import ClipAugmentation, ClipShape, central_box, draw_box, draw_clip

PAPER = ClipAugmentation()
FRAME = (128, 171)


def draw(augmentation=PAPER, *, starts=50, seed=0, epoch=0, row=0):
    return draw_clip(augmentation, starts=starts, frame=FRAME, size=112, seed=seed, epoch=epoch, row=row)


def test_a_clip_is_sixteen_frames_in_a_row():
    assert ClipShape().indices(7, 100).tolist() == list(range(7, 23))
    assert ClipShape(frames=4, stride=3).indices(7, 100).tolist() == [7, 10, 13, 16]


@pytest.mark.parametrize("length", range(1, 40))
@pytest.mark.parametrize(("frames", "stride"), [(16, 1), (4, 3), (1, 5)])
def test_every_start_stays_within_the_video_or_loops(length, frames, stride):
    shape = ClipShape(frames=frames, stride=stride)
    places = [s for s in range(length) if s + (frames - 1) * stride < length]  # spelled out
    assert shape.starts(length) == max(1, len(places))
    for start in places:
        assert shape.indices(start, length).tolist() == [start + stride * k for k in range(frames)]
    if not places:
        endless = list(range(length)) * (frames * stride)
        assert shape.indices(0, length).tolist() == [endless[stride * k] for k in range(frames)]


def test_a_video_of_five_frames_is_repeated_from_its_first():
    assert ClipShape().indices(0, 5).tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0, 1, 2, 3, 4, 0]


def test_ten_clips_are_evenly_spaced_from_the_first_frame_to_the_last():
    shape = ClipShape()
    assert shape.even_starts(16 + 90, 10) == [0, 10, 20, 30, 40, 50, 60, 70, 80, 90]
    assert shape.even_starts(16, 10) == [0] * 10
    assert shape.even_starts(3, 10) == [0] * 10
    assert shape.even_starts(16 + 90, 1) == [45]
    for length in range(16, 80):
        starts = shape.even_starts(length, 10)
        assert (starts[0], starts[-1]) == (0, length - 16)
        assert np.abs(np.array(starts) - np.linspace(0, length - 16, 10)).max() <= 0.5


def test_a_draw_depends_on_seed_epoch_and_row_alone():
    assert draw(seed=3, epoch=4, row=5) == draw(seed=3, epoch=4, row=5)
    others = [draw(seed=4, epoch=4, row=5), draw(seed=3, epoch=5, row=5), draw(seed=3, epoch=4, row=6)]
    assert all(other != draw(seed=3, epoch=4, row=5) for other in others)


def test_areas_ratios_flips_and_starts_are_spread_as_said():
    draws = [draw(row=row) for row in range(4000)]
    boxes = np.array([drawn.box for drawn in draws])
    area = boxes[:, 2] * boxes[:, 3] / (FRAME[0] * FRAME[1])
    ratio = boxes[:, 3] / boxes[:, 2]
    assert 0.24 < area.min() < 0.27
    assert 0.95 < area.max() <= 1
    assert 0.74 < ratio.min() < 0.77
    assert 1.31 < ratio.max() < 1.35
    assert np.abs(np.log(ratio[area < 0.5])).mean() == pytest.approx(np.log(4 / 3) / 2, rel=0.06)
    assert (boxes[:, :2] >= 0).all()
    assert (boxes[:, 0] + boxes[:, 2] <= FRAME[0]).all()
    assert (boxes[:, 1] + boxes[:, 3] <= FRAME[1]).all()
    assert np.mean([drawn.horizontal_flip for drawn in draws]) == pytest.approx(0.5, abs=0.03)
    assert {drawn.start for drawn in draws} == set(range(50))


def test_places_of_a_small_box_reach_every_border():
    generator = np.random.default_rng(0)
    small = ClipAugmentation(area=(0.25, 0.25), ratio=(1, 1))
    boxes = np.array([draw_box(small, (10, 10), generator) for _ in range(500)])
    assert {*boxes[:, 0].tolist()} == {*boxes[:, 1].tolist()} == set(range(6))
    assert (boxes[:, 2:] == 5).all()


def test_where_no_draw_fits_the_largest_central_part_in_range_is_taken():
    whole = ClipAugmentation(area=(1, 1), ratio=(1, 1))
    assert draw_box(whole, (100, 200), np.random.default_rng(0)) == (0, 50, 100, 100)
    assert draw_box(whole, (200, 100), np.random.default_rng(0)) == (50, 0, 100, 100)


def test_without_augmentation_the_centre_is_taken_and_the_start_still_drawn():
    draws = [draw(None, row=row) for row in range(100)]
    assert {drawn.box for drawn in draws} == {(8, 29, 112, 112)}
    assert not any(drawn.horizontal_flip for drawn in draws)
    assert len({drawn.start for drawn in draws}) > 20
    assert central_box((128, 171), (112, 112)) == (8, 29, 112, 112)


@pytest.mark.parametrize("wish", [{"frames": 0}, {"stride": 0}, {"size": 0}])
def test_impossible_clips_are_refused(wish):
    with pytest.raises(SettingsError, match="at least 1"):
        ClipShape(**wish)


def test_everything_wrong_with_an_augmentation_is_said_at_once():
    with pytest.raises(SettingsError) as caught:
        ClipAugmentation(area=(0, 2), ratio=(2, 1), horizontal_flip=2)
    assert len(caught.value.problems) == 3
