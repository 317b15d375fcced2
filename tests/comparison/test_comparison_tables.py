"""The table's means and spreads against hand-computed ones, and which are best."""

import math
import statistics

import numpy as np
import pytest
from made_up_comparisons import write_evaluation

from nnunet_dsd.comparison.against_baseline import compare_with_baseline
from nnunet_dsd.comparison.formats import format_of, p_text
from nnunet_dsd.comparison.holm import holm
from nnunet_dsd.comparison.paired import compare_pairs
from nnunet_dsd.comparison.print_tables import row_texts
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.comparison.table import measure_table
from nnunet_dsd.evaluation.measures import find_measure, measures_in

NAN = float("nan")


def scores_of(folder, *runs, measure="dice", **conventions):
    """Scores of (method, [values per case and structure])."""
    made = []
    for place, (method, values) in enumerate(runs):
        content = {f"case_{number:02d}": {measure: row} for number, row in enumerate(values)}
        made.append(Run(method, write_evaluation(folder / f"{place}.json", content, **conventions), seed=place))
    return read_scores(RunList(tuple(made)))


def table_of(folder, *runs, measure="dice"):
    return measure_table(scores_of(folder, *runs, measure=measure), find_measure(measure))


def means(table):
    return [[cell.mean for cell in row.cells] for row in table.rows]


def best(table):
    return [[cell.best for cell in row.cells] for row in table.rows]


def test_a_single_run_has_the_deviation_of_its_cases(tmp_path):
    (row,) = table_of(tmp_path, ("A", [(0.8, 0.6), (0.9, 0.2), (0.4, 0.4)])).rows
    assert (row.over, row.count) == ("cases", 3)
    assert [cell.mean for cell in row.cells] == pytest.approx([0.7, 0.4, 0.55])
    expected = [statistics.stdev(values) for values in ((0.8, 0.9, 0.4), (0.6, 0.2, 0.4), (0.7, 0.55, 0.4))]
    assert [cell.deviation for cell in row.cells] == pytest.approx(expected)


def test_several_runs_have_the_deviation_of_their_means(tmp_path):
    table = table_of(tmp_path, ("A", [(0.8, 0.6), (0.6, 0.4)]), ("A", [(0.9, 0.5), (0.9, 0.7)]))
    (row,) = table.rows
    assert (row.over, row.count) == ("runs", 2)
    assert [cell.mean for cell in row.cells] == pytest.approx([0.8, 0.55, 0.675])
    expected = [statistics.stdev(values) for values in ((0.7, 0.9), (0.5, 0.6), (0.6, 0.75))]
    assert [cell.deviation for cell in row.cells] == pytest.approx(expected)


def test_undefined_values_leave_the_means_and_are_counted(tmp_path):
    (row,) = table_of(tmp_path, ("A", [(0.8, NAN), (0.6, 0.4)])).rows
    assert [cell.mean for cell in row.cells] == pytest.approx([0.7, 0.4, 0.55])
    assert [cell.undefined for cell in row.cells] == [0, 1, 1]
    assert math.isnan(row.cells[1].deviation)


def test_a_structure_without_any_value_has_no_mean_and_is_not_the_best(tmp_path):
    table = table_of(tmp_path, ("A", [(0.8, NAN)]), ("B", [(0.7, 0.1)]))
    assert means(table)[0] == pytest.approx([0.8, NAN, NAN], nan_ok=True)
    assert best(table) == [[True, False, False], [False, False, False]]


@pytest.mark.parametrize(
    ("measure", "values", "winner"),
    [("dice", (0.9, 0.8), 0), ("hd95_mm", (3.0, 2.0), 1), ("rvd", (-0.1, 0.2), 0), ("rvd", (-0.3, 0.2), 1)],
)
def test_what_is_best_depends_on_the_measure(tmp_path, measure, values, winner):
    table = table_of(tmp_path, *((f"m{value}", [(value, value)]) for value in values), measure=measure)
    assert [row[0] for row in best(table)] == [place == winner for place in (0, 1)]


def test_means_that_are_printed_alike_have_no_best(tmp_path):
    table = table_of(tmp_path, ("A", [(0.90001, 0.1)]), ("B", [(0.90003, 0.2)]))
    assert best(table) == [[False, False, False], [False, True, True]]
    assert not any(map(any, best(table_of(tmp_path / "0", ("A", [(0.0, 0.0)]), ("B", [(0.0, 0.0)])))))
    three = table_of(tmp_path / "3", ("A", [(0.9, 0.1)]), ("B", [(0.9, 0.2)]), ("C", [(0.5, 0.1)]))
    assert best(three) == [[False, False, False], [False, True, True], [False, False, False]]


def test_a_distance_that_leaves_out_what_was_missed_is_not_the_best(tmp_path):
    """A misses the head in one case and is near in the other; B and C find it in both."""
    values = {"A": [(1.0, 2.0), (NAN, 2.0)], "B": [(3.0, 3.0), (3.0, 3.0)], "C": [(4.0, 4.0), (4.0, 4.0)]}
    two = table_of(tmp_path / "2", *list(values.items())[:2], measure="hd95_mm")
    assert best(two) == [[False, True, False], [False, False, False]]
    three = table_of(tmp_path / "3", *values.items(), measure="hd95_mm")
    assert best(three) == [[False, True, False], [True, False, True], [False, False, False]]


@pytest.mark.parametrize("name", ["hd95", "asd"])
def test_distances_in_voxels_follow_the_rule_of_distances(tmp_path, name):
    values = (
        ("A", [(1.0, 2.0), (NAN, 2.0)]),
        ("B", [(3.0, 3.0), (3.0, 3.0)]),
        ("C", [(4.0, 4.0), (4.0, 4.0)]),
    )
    scores = scores_of(tmp_path, *values, measure=f"{name}_mm", length_unit="voxels")
    table = measure_table(scores, find_measure(f"{name}_voxels", "voxels"))
    assert best(table) == [[False, True, False], [True, False, True], [False, False, False]]


def test_lengths_are_distances_in_either_unit():
    for unit in ("mm", "voxels"):
        assert [one.field for one in measures_in(unit) if one.is_length] == ["hd95_mm", "asd_mm"]


def test_methods_that_miss_different_cases_have_no_best(tmp_path):
    values = (("A", [(1.0, 2.0), (NAN, 2.0)]), ("B", [(NAN, 3.0), (1.5, 3.0)]))
    assert best(table_of(tmp_path, *values, measure="hd95_mm")) == [[False, True, False], [False, False, False]]


def test_a_dice_of_a_method_that_found_what_is_not_there_is_not_the_best(tmp_path):
    """The second case has no head; B finds some all the same and scores 0, A and C rightly have no value."""
    values = (("A", [(0.7, 0.5), (NAN, 0.5)]), ("B", [(0.9, 0.4), (0.0, 0.4)]), ("C", [(0.8, 0.3), (NAN, 0.3)]))
    assert [row[0] for row in best(table_of(tmp_path, *values))] == [False, False, False]


def test_a_seed_that_missed_a_structure_is_the_methods_miss(tmp_path):
    values = (("A", [(1.0, 1.0)] * 2), ("A", [(1.0, 1.0), (NAN, 1.0)]), ("B", [(2.0, 2.0)] * 2))
    table = table_of(tmp_path, *values, measure="hd95_mm")
    assert [row[0] for row in best(table)] == [False, False]
    assert [(row.total, row.cells[0].defined, row.cells[0].undefined) for row in table.rows] == [(4, 3, 1), (2, 2, 0)]


def test_the_printed_cells_say_on_how_many_cases_they_stand(tmp_path):
    table = table_of(tmp_path, ("A", [(1.0, 2.0), (NAN, 2.0), (3.0, 2.0)]), measure="hd95_mm")
    assert row_texts(table, table.rows[0])[2:] == ("2.00 ± 1.41 (2/3)", "2.00 ± 0.00", "2.00 ± 0.71 (≥2/3)")


def test_a_size_has_no_best_and_neither_has_a_single_method(tmp_path):
    sizes = table_of(tmp_path, ("A", [(1.0, 2.0)]), ("B", [(2.0, 3.0)]), measure="prediction_ml")
    assert not any(map(any, best(sizes)))
    assert not any(map(any, best(table_of(tmp_path / "alone", ("A", [(0.5, 0.5)])))))


def test_every_method_is_paired_with_the_baseline_in_every_column(tmp_path):
    rng = np.random.default_rng(0)
    values = {name: rng.uniform(0.5, 1.0, size=(12, 2)) for name in ("A", "B", "C")}
    scores = scores_of(tmp_path, *((name, rows.tolist()) for name, rows in values.items()))
    comparisons = compare_with_baseline(scores, find_measure("dice"), baseline="B", seed=3)
    assert [(one.method, one.column) for one in comparisons] == [
        (method, column) for method in ("A", "C") for column in ("head", "tail", "mean")
    ]
    tail, mean = comparisons[4], comparisons[5]
    assert tail.result == compare_pairs(values["C"][:, 1], values["B"][:, 1], seed=3)
    assert mean.result.mean == pytest.approx(values["C"].mean() - values["B"].mean())
    assert [one.adjusted for one in comparisons] == list(holm([one.result.p_value for one in comparisons]))


def test_seeds_are_averaged_per_case_before_pairing(tmp_path):
    """Two seeds that differ by ±0.1 around 0.7 are no pairs of their own: eight cases stay eight pairs."""
    up, down, base = ([(value, value)] * 8 for value in (0.8, 0.6, 0.5))
    scores = scores_of(tmp_path, ("base", base), ("A", up), ("A", down))
    comparison = compare_with_baseline(scores, find_measure("dice"), baseline="base", seed=0)[0]
    assert comparison.result.pairs == 8
    assert comparison.result.mean == pytest.approx(0.2)


@pytest.mark.parametrize(("measure", "better", "worse"), [("dice", 2, 1), ("hd95_mm", 1, 2), ("rvd", 0, 0)])
def test_better_and_worse_follow_the_measure(tmp_path, measure, better, worse):
    base, other = [(0.5, 0.5)] * 4, [(0.6, 0.6), (0.7, 0.7), (0.4, 0.4), (0.5, 0.5)]
    scores = scores_of(tmp_path, ("base", base), ("A", other), measure=measure)
    comparison = compare_with_baseline(scores, find_measure(measure), baseline="base", seed=0)[0]
    assert (comparison.better, comparison.worse, comparison.result.equal) == (better, worse, 1)


def test_fractions_are_printed_in_percent_and_lengths_in_mm():
    dice, distance = format_of(find_measure("dice")), format_of(find_measure("hd95_mm"))
    assert (dice.title, dice.spread(0.94256, 0.0031)) == ("Dice (%)", "94.26 ± 0.31")
    assert (distance.title, distance.spread(3.456, NAN)) == ("HD95 (mm)", "3.46")
    assert dice.value(0.0012, signed=True) == "+0.12"
    assert dice.value(-0.000001, signed=True) == "+0.00"
    assert dice.interval(-0.001, 0.002) == "[-0.10, +0.20]"
    assert dice.value(NAN) == dice.interval(NAN, 1.0) == "n/a"


@pytest.mark.parametrize(
    ("p_value", "text"), [(0.0312, "0.031"), (0.5, "0.5"), (1e-5, "< 0.0001"), (1.0, "1"), (NAN, "n/a")]
)
def test_p_values_have_two_digits(p_value, text):
    assert p_text(p_value) == text
