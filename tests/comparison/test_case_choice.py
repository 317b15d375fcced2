"""Which cases are drawn, and which predictions of them."""

from pathlib import Path

import pytest
from made_up_comparisons import write_evaluation

from nnunet_dsd.comparison.case_choice import choose_cases, extreme_cases
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores

NAN = float("nan")


@pytest.mark.parametrize(
    ("gains", "chosen"),
    [
        ({}, ()),
        ({"a": NAN}, ()),
        ({"a": 0.1}, (("best", "a"),)),
        ({"a": -0.1, "b": 0.1}, (("best", "b"), ("worst", "a"))),
        ({"a": 0.0, "b": 0.2, "c": -0.3, "d": NAN}, (("best", "b"), ("median", "a"), ("worst", "c"))),
        ({"a": 4.0, "b": 3.0, "c": 2.0, "d": 1.0}, (("best", "a"), ("median", "b"), ("worst", "d"))),
        ({"c": 0.0, "a": 0.0, "b": 0.0}, (("best", "a"), ("median", "b"), ("worst", "c"))),
    ],
)
def test_best_median_and_worst_are_chosen_once_each(gains, chosen):
    assert extreme_cases(gains) == chosen


def run(folder, method, seed, values, predictions, fold=0):
    content = {case: {"dice": (value, value)} for case, value in values.items()}
    return Run(method, write_evaluation(folder / f"{method}{seed}.json", content), fold, seed, predictions)


def test_the_gain_is_over_all_runs_and_the_first_run_with_predictions_is_drawn(tmp_path):
    runs = (
        run(tmp_path, "A", 1, {"x": 0.5, "y": 0.5}, Path("A1")),
        run(tmp_path, "B", 1, {"x": 0.6, "y": 0.4}, None),
        run(tmp_path, "B", 2, {"x": 0.8, "y": 0.6}, Path("B2")),
    )
    best, worst = choose_cases(read_scores(RunList(runs)), baseline="A", method="B")
    assert (best.case, best.gain, worst.case, worst.gain) == ("x", pytest.approx(0.2), "y", pytest.approx(0.0))
    assert (best.baseline.folder, best.baseline.dice) == (Path("A1"), pytest.approx(0.5))
    assert (best.method.folder, best.method.dice) == (Path("B2"), pytest.approx(0.8))


def test_cases_without_predictions_of_both_are_not_chosen(tmp_path):
    runs = (
        run(tmp_path, "A", 1, {"x": 0.5}, Path("A1"), fold=0),
        run(tmp_path, "A", 2, {"y": 0.5}, None, fold=1),
        run(tmp_path, "B", 1, {"x": 0.6, "y": 0.9}, Path("B1"), fold="both"),
    )
    chosen = choose_cases(read_scores(RunList(runs)), baseline="A", method="B")
    assert [case.case for case in chosen] == ["x"]
