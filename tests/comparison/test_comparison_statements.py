"""What the reports tell their readers."""

import numpy as np
import pytest
from made_up_comparisons import random_values, write_evaluation

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.paired import exact_p_value
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.comparison.statements import case_notes, statistics_notes, table_notes
from nnunet_dsd.comparison.table import measure_table
from nnunet_dsd.comparison.twins import require_own_scores
from nnunet_dsd.evaluation.measures import find_measure

CASES = ("a", "b", "c")


def scores_of(folder, *runs, common_cases=False):
    """Scores of (method, values)."""
    made = (
        Run(name, write_evaluation(folder / f"{place}.json", values), place)
        for place, (name, values) in enumerate(runs)
    )
    return read_scores(RunList(tuple(made)), common_cases=common_cases)


def notes_of_table(scores, measure="hd95_mm"):
    return " ".join(table_notes(measure_table(scores, find_measure(measure))))


def test_the_table_says_what_its_spread_is(tmp_path):
    values = [random_values(CASES, seed=seed) for seed in range(3)]
    single = scores_of(tmp_path / "1", ("A", values[0]), ("B", values[1]))
    several = scores_of(tmp_path / "2", ("A", values[0]), ("A", values[1]))
    mixed = scores_of(tmp_path / "3", ("A", values[0]), ("A", values[1]), ("B", values[2]))
    assert "standard deviation of the cases" in notes_of_table(single)
    assert "averaged" not in notes_of_table(single)
    assert "standard deviation of the runs' means (folds and seeds together)" in notes_of_table(several)
    assert "what the second column says" in notes_of_table(mixed)


def test_the_table_says_where_values_are_undefined(tmp_path):
    values = random_values(CASES, seed=0)
    values["b"]["hd95_mm"][1] = float("nan")
    text = notes_of_table(scores_of(tmp_path, ("A", values)))
    assert "Undefined values of HD95, over all runs: A, tail: 1." in text
    assert "Undefined" not in notes_of_table(scores_of(tmp_path, ("A", values)), "dice")


def test_nothing_is_said_about_cases_where_all_is_well(tmp_path):
    scores = scores_of(tmp_path, *((name, random_values(CASES, seed=seed)) for seed, name in enumerate("AB")))
    assert case_notes(scores, baseline="A") == ()


def test_left_out_cases_and_runs_and_unequal_numbers_of_runs_are_told(tmp_path):
    scores = scores_of(
        tmp_path,
        ("A", random_values(("a", "b"), seed=0)),
        ("A", random_values(("c",), seed=1)),
        ("A", random_values(("a",), seed=2)),
        ("B", random_values(("a",), seed=3)),
        common_cases=True,
    )
    text = " ".join(case_notes(scores, baseline="B"))
    assert "Left out: of A fold 0 1 that others lack (b); of A fold 1 1 that others lack (c)." in text
    assert "Runs with none of these cases, left out: A fold 1." in text
    assert "different numbers of runs (A 2, B 1)" in text


def test_cases_that_were_not_predicted_are_told_for_each_run(tmp_path):
    made = [
        Run("A", write_evaluation(tmp_path / f"{seed}.json", random_values(CASES, seed=seed), missing=missing), 0, seed)
        for seed, missing in enumerate([(), tuple(f"m{number}" for number in range(7))])
    ]
    text = " ".join(case_notes(read_scores(RunList(tuple(made)), common_cases=True), baseline="A"))
    assert "Left out: of A fold 0 seed 1 7 not predicted (m0, m1, m2, m3, m4 and 2 more)." in text


def test_runs_with_the_same_scores_are_told(tmp_path):
    values = random_values(CASES, seed=0)
    text = " ".join(case_notes(scores_of(tmp_path, ("A", values), ("B", values)), baseline="A"))
    assert "A fold 0 and B fold 1 have the same scores in every case." in text
    assert "One of the two evaluations is probably a copy of the other" in text
    assert str(tmp_path) not in text


def test_two_runs_of_a_method_with_the_same_scores_are_refused(tmp_path):
    values = random_values(CASES, seed=0)
    with pytest.raises(DataError, match="probably a copy of the other") as caught:
        require_own_scores(scores_of(tmp_path, ("A", values), ("A", values)))
    assert f"A fold 0 and A fold 1: {tmp_path}/0.json and {tmp_path}/1.json" in str(caught.value)
    require_own_scores(scores_of(tmp_path, ("A", values), ("B", values), ("A", random_values(CASES, seed=1))))


@pytest.mark.parametrize("dice", [0.0, 1.0])
def test_runs_of_a_method_that_found_nothing_or_everything_may_agree(tmp_path, dice):
    values = {case: {"dice": (dice, dice)} for case in CASES}
    require_own_scores(scores_of(tmp_path, ("A", values), ("A", values)))


@pytest.mark.parametrize(("runs", "words"), [(1, "With a single run (A, B)"), (2, "The spread of the runs' means")])
def test_what_the_p_values_do_not_cover_is_told(tmp_path, runs, words):
    made = [(name, random_values(CASES, seed=10 * seed + ord(name))) for name in "AB" for seed in range(runs)]
    text = " ".join(statistics_notes(scores_of(tmp_path, *made), baseline="A", seed=7))
    assert "What they do not cover: that another training with another seed" in text
    assert words in text
    assert "seed 7" in text


@pytest.mark.parametrize(("cases", "words"), [(5, None), (6, "no p can be below 0.031"), (12, "0.00049"), (13, None)])
def test_few_cases_say_how_small_a_p_value_they_can_give(tmp_path, cases, words):
    names = [f"case_{index:02d}" for index in range(cases)]
    made = [(name, random_values(names, seed=ord(name))) for name in "AB"]
    text = " ".join(statistics_notes(scores_of(tmp_path, *made), baseline="A", seed=7))
    assert (words in text) if words else ("no p can be below" not in text)


def test_the_smallest_p_value_is_the_one_that_is_said():
    assert exact_p_value(np.arange(1.0, 7.0)) == pytest.approx(2 / 2**6)
