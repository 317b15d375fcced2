"""What each strategy picks, from curves made by hand."""

import numpy as np
import pytest

from nnunet_dsd.common.errors import DataError
from video_triplet.selection.criteria import Band, region
from video_triplet.selection.strategies import Member, RunCurve, strategies

RULE = Band(0.75, 0.55, 0.85)


def curve(values, scores, *, epochs=None, last=None):
    values, scores = np.array(values, dtype=float), np.array(scores, dtype=float)
    epochs = tuple(range(1, len(values) + 1)) if epochs is None else epochs
    best, good = region(values, RULE, what="values")
    return RunCurve(epochs, scores, values, RULE.distance(values), best, good, last or epochs[-1])


FIRST = curve([0.4, 0.6, 0.74, 0.8, 0.95], [10, 20, 25, 31, 30])
SECOND = curve([0.5, 0.72, 0.9, 0.97, 0.99], [12, 22, 24, 23, np.nan])


def picked(name, curves=(FIRST, SECOND), most=None):
    return [(member.run, member.epoch) for member in strategies()[name].pick(curves, most)]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("last", [(0, 5)]),
        ("best-mAP", [(0, 4)]),
        ("best-mAP-ensemble", [(0, 4), (1, 3)]),
        ("IT", [(0, 3)]),
        ("IEE", [(0, 2), (0, 3), (0, 4)]),
        ("IESE", [(0, 2), (0, 3), (0, 4), (1, 2)]),
    ],
)
def test_each_strategy_picks_what_its_name_says(name, expected):
    assert picked(name) == expected


def test_fewer_members_are_those_nearest_to_the_best_in_the_order_of_epochs():
    assert picked("IEE", most=2) == [(0, 3), (0, 4)]
    assert picked("IESE", most=1) == [(0, 3), (1, 2)]


def test_the_paper_s_figure_gives_the_epochs_it_shades():
    probability = np.linspace(0.35, 0.95, 12)
    found = curve(probability, np.arange(12))
    assert picked("IT", [found]) == [(0, 8)]
    assert picked("IEE", [found]) == [(0, epoch) for epoch in range(5, 11)]  # 0.568 to 0.841


def test_undefined_scores_are_never_the_best():
    assert picked("best-mAP", [curve([0.7, 0.7], [np.nan, 5])]) == [(0, 2)]


def test_a_last_epoch_that_was_not_kept_is_refused():
    with pytest.raises(DataError, match="the last epoch, 9, is not among the epochs"):
        picked("last", [curve([0.7], [5], last=9)])


def test_epochs_need_not_begin_at_one():
    found = curve([0.74, 0.9], [5, 6], epochs=(4, 7))
    assert picked("IT", [found]) == [(0, 4)]
    assert picked("last", [found]) == [(0, 7)]


def test_members_are_ordered_by_run_and_epoch():
    assert sorted([Member(1, 1), Member(0, 9)]) == [Member(0, 9), Member(1, 1)]
