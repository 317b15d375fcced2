"""With 134 structures, tables and figures show the worst few, and the files of values hold all."""

import csv
import itertools
import math
import re
from dataclasses import replace

import numpy as np
import pytest
from made_up_comparisons import evaluation, random_values, write_evaluation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console

from nnunet_dsd.cli.main import main
from nnunet_dsd.common.drawing import new_figure
from nnunet_dsd.comparison.figure_files import figure_tasks
from nnunet_dsd.comparison.folder import write_comparison
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.figures import scores_figure, structure_legend
from nnunet_dsd.evaluation.many_structures import listed_in_order, shown_names
from nnunet_dsd.evaluation.measures import find_measure
from nnunet_dsd.evaluation.structures import Structure
from nnunet_dsd.evaluation.table import evaluation_table

MANY = tuple(Structure(f"structure {number:03d} of the brain, left", (number,)) for number in range(1, 135))
LONG = (Structure("a name that is longer than any terminal of eighty columns would ever like to show", (1,)),)
CASES = tuple(f"case_{number}" for number in range(5))
NAN = float("nan")


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("many")
    runs = tuple(
        Run(name, write_evaluation(folder / f"{name}.json", random_values(CASES, seed=seed, structures=134), MANY))
        for seed, name in enumerate(("nnUNetTrainerStock", "nnUNetTrainerDSD"))
    )
    run_list = RunList(runs)
    found = compare(run_list, read_scores(run_list), [find_measure("dice"), find_measure("hd95_mm")], seed=0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("nnunet_dsd.comparison.folder.figure_tasks", lambda _: ())  # drawn by a test of their own
        write_comparison(folder / "out", found, overwrite=False, drawn=lambda: None)
    return folder, found


def worst_of(found):
    means = np.mean([scores.values["dice"].mean(axis=0) for scores in found.scores.runs], axis=0)
    return [MANY[place].name for place in np.argsort(means)[:8]]


@pytest.mark.parametrize("name", ["table.md", "table.tex", "report.html"])
def test_tables_have_the_worst_structures_and_the_mean_over_all(compared, name):
    folder, found = compared
    text = (folder / "out" / name).read_text()
    named = set(re.findall(r"structure \d{3} of the brain", text.partition("Structures: ")[2] or text))
    assert len(named) <= 3 * 8
    heading = next(line for line in text.splitlines() if "± over" in line or r"$\pm$ over" in line)
    places = [heading.index(one) for one in (*worst_of(found), "mean")]
    assert places == sorted(places)
    assert heading.count("structure ") == 8
    assert "Of 134 structures the 8 with the worst means are shown; means.csv and differences.csv hold all." in text


def test_the_files_of_values_hold_all(compared):
    folder, found = compared
    means = list(csv.DictReader((folder / "out/means.csv").open()))
    assert len(means) == 2 * 2 * 135
    differences = list(csv.DictReader((folder / "out/differences.csv").open()))
    assert len(differences) == 2 * 135
    (row,) = [
        one
        for one in means
        if (one["measure"], one["method"], one["structure"]) == ("dice", "nnUNetTrainerDSD", MANY[0].name)
    ]
    assert float(row["mean"]) == pytest.approx(found.scores.runs[1].values["dice"][:, 0].mean())
    assert (row["deviation_over"], row["count"], row["defined"], row["total"]) == ("cases", "5", "5", "5")
    (pair,) = [one for one in differences if (one["measure"], one["structure"]) == ("dice", MANY[0].name)]
    expected = np.diff([scores.values["dice"][:, 0].mean() for scores in found.scores.runs])[0]
    assert float(pair["mean"]) == pytest.approx(expected)


def test_figures_keep_a_size_that_can_be_read(compared):
    _, found = compared
    for task in figure_tasks(found):
        width, height = task.draw().get_size_inches()
        assert (width < 14, height < 14) == (True, True)


@pytest.mark.parametrize("width", [80, 120])
def test_the_terminals_tables_fit(compared, capsys, monkeypatch, width):
    folder, found = compared
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setattr("rich.console.Console.is_terminal", True)  # in a file or a pipe a row is one line instead
    monkeypatch.setattr("nnunet_dsd.comparison.folder.figure_tasks", lambda _: ())
    words = [f"{name}={folder / name}.json" for name in ("nnUNetTrainerStock", "nnUNetTrainerDSD")]
    assert main(["compare", *words, "-o", str(folder / f"at{width}"), "--measures", "dice"]) == 0
    printed = re.sub(r"\x1b\[[\d;]*m", "", capsys.readouterr().out)
    table = [line for line in printed.splitlines() if line.startswith(("┃", "│"))]
    assert {len(line) for line in table} == {len(table[0])}
    assert len(table[0]) <= width
    assert "…" not in "".join(table)
    assert found.scores.methods[0] in "".join(line.split("│")[1].strip() for line in table if line.startswith("│"))


def test_a_long_name_of_a_structure_leaves_room_for_the_methods(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("nnunet_dsd.comparison.folder.figure_tasks", lambda _: ())
    words = [
        f"{name}={write_evaluation(tmp_path / f'{name}.json', random_values(CASES, seed=seed, structures=1), LONG)}"
        for seed, name in enumerate(("first", "second"))
    ]
    assert main(["compare", *words, "-o", str(tmp_path / "out"), "--measures", "dice"]) == 0
    rows = [line for line in capsys.readouterr().out.splitlines() if line.startswith("│")]
    assert [row.split("│")[1].strip() for row in rows] == ["first", "second"]


@pytest.mark.parametrize("width", [80, 120])
def test_an_evaluations_table_shows_the_worst_and_the_mean(width):
    made = evaluation(random_values(CASES, seed=0, structures=134), MANY)
    console = Console(width=width)
    with console.capture() as captured:
        console.print(evaluation_table(made))
    text = captured.get()
    assert max(map(len, text.splitlines())) <= width
    assert len(text.splitlines()) < 60
    assert "…" not in text
    assert {line[-1] for line in text.splitlines()[1:]} <= set("┓┃┩│┤┘")
    assert "134 structures" in " ".join(text.split())
    table = evaluation_table(made)
    names = list(table.columns[0].cells)
    dice = [made.dice_summary(structure.name).mean for structure in MANY]
    assert names == ["mean over all", *(MANY[place].name for place in np.argsort(dice)[:8])]
    first = next(iter(table.columns[1].cells))
    assert first == f"{np.mean(dice):.3f} ± {np.std(dice, ddof=1):.3f}"


def test_the_scores_of_many_structures_are_drawn_for_the_worst():
    made = evaluation(random_values(CASES, seed=0, structures=134), MANY)
    figure = scores_figure(made)
    FigureCanvasAgg(figure).draw()
    boxes = [label.get_window_extent() for label in figure.axes[0].get_xticklabels()]
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    assert [len(axis.get_xticks()) for axis in figure.axes] == [8, 8]
    assert figure.get_size_inches()[0] < 14


def test_a_legend_of_many_names_those_that_are_seen_and_at_most_two_dozen():
    few, many = np.array([[0, 3], [5, 3]]), np.arange(134).reshape(67, 2)
    figure = new_figure(8, 8)
    structure_legend(figure, MANY, [few])
    assert [text.get_text()[10:13] for text in figure.legends[0].get_texts()] == ["003", "005"]
    figure = new_figure(8, 8)
    structure_legend(figure, MANY, [many])
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert (len(texts), texts[-1]) == (24, "and 110 more")
    figure = new_figure(8, 8)
    structure_legend(figure, MANY, [np.zeros((2, 2), int)])
    FigureCanvasAgg(figure).draw()


@pytest.mark.parametrize(
    ("measure", "means", "first"),
    [
        ("dice", lambda place: place / 20, ["0", "1"]),
        ("hd95_mm", lambda place: float(place), ["19", "18"]),
        ("rvd", lambda place: (place - 12) / 10, ["0", "1"]),
        ("prediction_ml", lambda place: float(place), ["19", "18"]),
        ("dice", lambda place: NAN if place == 0 else place / 20, ["1", "2"]),
        ("dice", lambda place: math.nan, ["0", "1"]),
    ],
)
def test_the_worst_depend_on_the_measure(measure, means, first):
    names = shown_names([(str(place), means(place)) for place in range(20)], find_measure(measure))
    assert list(names[:2]) == first
    assert len(names) == 8


def test_up_to_sixteen_structures_are_all_shown_in_their_order():
    names = tuple(str(place) for place in range(16))
    assert shown_names([(name, -float(name)) for name in names], find_measure("dice")) == names
    assert listed_in_order(names) == ", ".join(names)
    assert listed_in_order((*names, "16")) == "0, 1, 2, 3, 4, 5, 6, 7 and 9 more"


def test_one_structure_alone_has_no_mean_and_is_shown(tmp_path):
    values = {name: random_values(CASES, seed=seed, structures=1) for seed, name in enumerate("AB")}
    run_list = RunList(
        tuple(Run(name, write_evaluation(tmp_path / f"{name}.json", one, MANY[:1])) for name, one in values.items())
    )
    found = compare(run_list, read_scores(run_list), [find_measure("dice")], seed=0)
    assert found.results[0].shown.columns == (MANY[0].name,)
    assert replace(found.results[0]).shown_comparisons == found.results[0].comparisons
