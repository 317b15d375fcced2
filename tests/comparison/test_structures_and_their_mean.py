"""The mean over structures: what it is called, and which structures it is over."""

import csv
from dataclasses import replace

import pytest
from made_up_comparisons import evaluation, random_values

from nnunet_dsd.comparison.figure_files import figure_tasks
from nnunet_dsd.comparison.folder import write_comparison
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import mean_name, read_scores
from nnunet_dsd.comparison.statements import case_notes, table_notes
from nnunet_dsd.evaluation.export import write_evaluation_json
from nnunet_dsd.evaluation.measures import find_measure
from nnunet_dsd.evaluation.structures import Structure
from nnunet_dsd.evaluation.table import evaluation_table

NAN = float("nan")
CASES = ("a", "b", "c")


def structures(*names):
    return tuple(Structure(name, (value,)) for value, name in enumerate(names, start=1))


def compared(folder, values, names, *, absent=(), measure="dice"):
    """A comparison of methods with these Dice values per case, whose references lack some structures."""
    runs = []
    for method, given in values.items():
        made = evaluation({case: {measure: row} for case, row in zip(CASES, given, strict=False)}, structures(*names))
        scores = (replace(one, reference_voxels=0) if one.structure in absent else one for one in made.scores)
        write_evaluation_json(folder / f"{method}.json", replace(made, scores=tuple(scores)))
        runs.append(Run(method, folder / f"{method}.json"))
    run_list = RunList(tuple(runs))
    return compare(run_list, read_scores(run_list), [find_measure(measure)], seed=0)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (("a", "b"), "mean"),
        (("mean", "b"), "mean of structures"),
        (("b", " Mean"), "mean of structures"),
        (("mean", "mean of structures"), "mean of structures (2)"),
        (("mean", "mean of structures", "Mean of structures (2)"), "mean of structures (3)"),
    ],
)
def test_the_mean_has_a_name_that_no_structure_has(names, expected):
    assert mean_name(names) == expected


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("names", [("mean", "b"), ("b", "mean")])
def test_a_structure_called_mean_is_told_from_the_mean(tmp_path, names):
    values = {"A": [(0.8, 0.4), (0.6, 0.2)], "B": [(0.9, 0.5), (0.7, 0.1)]}
    found = compared(tmp_path, values, names)
    write_comparison(tmp_path / "out", found, overwrite=False, drawn=lambda: None)
    table = (tmp_path / "out/table.md").read_text().splitlines()
    assert f"| method | ± over | {names[0]} | {names[1]} | mean of structures |" in table
    (row,) = (line.replace("*", "").split(" | ")[2:] for line in table if line.startswith("| A"))
    assert [cell.split()[0] for cell in row] == ["70.00", "30.00", "50.00"]
    for file, method, expected in (("means", "A", (0.7, 0.3, 0.5)), ("differences", "B", (0.1, 0.0, 0.05))):
        with (tmp_path / f"out/{file}.csv").open() as opened:
            read = {one["structure"]: float(one["mean"]) for one in csv.DictReader(opened) if one["method"] == method}
        assert read == pytest.approx(dict(zip((*names, "mean of structures"), expected, strict=True)))


def test_figures_show_a_structure_called_mean_and_the_mean_apart(tmp_path):
    found = compared(tmp_path, {"A": [(0.8, 0.4)] * 2, "B": [(0.9, 0.5)] * 2}, ("mean", "b"))
    for task in figure_tasks(found):
        figure = task.draw()
        titles = [axis.get_title().replace("\n", " ") for axis in figure.axes]
        assert titles == ["mean", "b", "mean of structures"], task.name


def test_a_structure_that_no_reference_holds_is_left_out_of_the_mean_and_told(tmp_path):
    values = {"A": [(0.8, 0.4, NAN), (0.6, 0.2, NAN)], "B": [(0.9, 0.5, NAN), (0.7, 0.1, 0.0)]}
    found = compared(tmp_path, values, ("a", "b", "never"), absent=("never",))
    table = found.results[0].table
    assert [row.cells[-1].mean for row in table.rows] == pytest.approx([0.5, 0.55])
    assert [(row.cells[-1].defined, row.cells[-1].undefined) for row in table.rows] == [(2, 0), (2, 0)]
    assert [row.cells[-1].best for row in table.rows] == [False, True]
    (mean,) = (one for one in found.results[0].comparisons if one.column == "mean")
    assert (mean.result.pairs, mean.result.mean) == (2, pytest.approx(0.05))
    (note,) = table_notes(table)
    assert "the mean of those before it, without what no reference holds (never)." in note
    (told,) = case_notes(found.scores, baseline="A")
    assert told == "never is in no reference of the compared cases and left out of the mean over structures."


def test_where_no_reference_holds_anything_the_mean_is_over_all(tmp_path):
    found = compared(tmp_path, {"A": [(0.0, 0.0)]}, ("a", "b"), absent=("a", "b"))
    assert found.results[0].table.rows[0].cells[-1].mean == 0.0
    assert "No reference of the compared cases holds any structure" in case_notes(found.scores, baseline="A")[0]


def test_the_mean_of_an_evaluations_table_is_over_the_structures_of_references():
    names = tuple(f"s{number}" for number in range(20))
    made = evaluation(random_values(CASES, seed=0, structures=20), structures(*names))
    wrong = (
        replace(one, reference_voxels=0, dice=0.0) if one.structure == "s0" else replace(one, dice=0.5)
        for one in made.scores
    )
    table = evaluation_table(replace(made, scores=tuple(wrong)))
    assert next(iter(table.columns[0].cells)) == "mean over 19 in references"
    assert next(iter(table.columns[1].cells)) == "0.500 ± 0.000"
