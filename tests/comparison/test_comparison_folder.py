"""The folder of a comparison: what is written, that it is whole, and what is never overwritten."""

import csv
import json
import re

import pytest
from made_up_comparisons import random_values, write_evaluation

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.comparison import folder as folder_module
from nnunet_dsd.comparison.folder import require_free, write_comparison
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.measures import find_measure

CASES = tuple(f"case_{number}" for number in range(8))


def comparison(folder, methods=("A & B", "DSD_1"), measures=("dice", "hd95_mm")):
    values = {name: random_values(CASES, seed=place, gain=0.02 * place) for place, name in enumerate(methods)}
    values[methods[-1]]["case_3"]["hd95_mm"][0] = float("nan")
    runs = []
    for place, (name, content) in enumerate(values.items()):
        path = write_evaluation(folder / f"evaluations/{place}.json", content)
        runs.append(Run(name, path, fold=0, seed=place, notes="<b>noted</b>"))
    run_list = RunList(tuple(runs), title="Title <1>")
    return compare(run_list, read_scores(run_list), [find_measure(name) for name in measures], seed=3)


def write(folder, found, **options):
    write_comparison(folder, found, **{"overwrite": False, "drawn": lambda: None, **options})


def small_comparison(folder):
    """One method and one measure: a single figure."""
    return comparison(folder, methods=("A",), measures=("dice",))


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("comparison")
    found = comparison(root)
    write(root / "out", found)
    return root / "out", found


def test_everything_is_written_and_listed(written):
    folder, _ = written
    content = json.loads((folder / "comparison.json").read_text(), parse_constant=pytest.fail)
    figures = [f"{kind}_{name}" for kind in ("box", "differences", "slopes") for name in ("dice", "hd95_mm")]
    expected = {"report.html", "comparison.json", "table.md", "table.tex", "scores.csv", "means.csv", "differences.csv"}
    expected |= {f"{name}.{ending}" for name in figures for ending in ("png", "svg", "pdf")}
    assert {path.name for path in folder.iterdir()} == expected == set(content["files"])
    assert [path.name for path in folder.parent.iterdir() if path.name.startswith(".")] == []


def test_the_json_holds_tables_and_tests_in_the_measures_units(written):
    folder, found = written
    content = json.loads((folder / "comparison.json").read_text())
    assert (content["baseline"], content["seed"], content["structures"]) == ("A & B", 3, ["head", "tail"])
    dice, distance = content["measures"]
    table, comparisons = found.results[0].table, found.results[0].comparisons
    assert dice["table"][1]["cells"][2] == {
        "structure": "mean",
        "mean": table.rows[1].cells[2].mean,
        "deviation": table.rows[1].cells[2].deviation,
        "defined": 8,
        "undefined": 0,
        "best": True,
    }
    assert dice["comparisons"][0]["p_holm"] == comparisons[0].adjusted
    assert dice["comparisons"][0]["mean"] == comparisons[0].result.mean
    assert (distance["comparisons"][0]["pairs"], distance["comparisons"][0]["lost"]) == (7, 1)
    assert distance["comparisons"][0]["better"] == found.results[1].comparisons[0].result.lower


def test_the_csv_holds_every_value_once(written):
    folder, found = written
    rows = list(csv.DictReader((folder / "scores.csv").open()))
    assert len(rows) == 2 * len(CASES) * 2 * 2
    row = next(row for row in rows if (row["method"], row["case"], row["measure"]) == ("DSD_1", "case_3", "hd95_mm"))
    assert (row["run"], row["fold"], row["seed"], row["structure"], row["value"]) == ("1", "0", "1", "head", "")
    values = [
        float(row["value"])
        for row in rows
        if (row["method"], row["measure"], row["structure"]) == ("A & B", "dice", "tail")
    ]
    assert values == found.scores.runs[0].values["dice"][:, 1].tolist()


def test_the_markdown_table_has_a_row_per_method_and_bold_means(written):
    text = (written[0] / "table.md").read_text()
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert rows[0] == "| method | ± over | head | tail | mean |"
    assert len(rows) == 2 * 4
    assert re.fullmatch(r"\| DSD\\_1 \| 8 cases \| (\*\*\d\d\.\d\d ± \d\.\d\d\*\*( \| )?){3} \|", rows[3])
    assert {row.count("|") for row in rows} == {6}


def test_the_latex_table_is_escaped_and_complete(written):
    text = (written[0] / "table.tex").read_text()
    assert text.count(r"\begin{tabular}{llccc}") == text.count(r"\end{table}") == 2
    assert r"A \& B & 8 cases &" in text
    assert re.search(r"DSD\\_1 & 8 cases & \\textbf\{\d\d\.\d\d \$\\pm\$ \d\.\d\d\} &", text)
    assert [line for line in text.splitlines() if re.search(r"(?<!\\)&.*[^\\]$", line)] == []


def test_the_report_needs_nothing_else_and_escapes_what_it_is_given(written):
    text = (written[0] / "report.html").read_text()
    assert re.findall(r'(?:src|href)="(?!data:)', text) == []
    assert text.count("data:image/png;base64,") == 6
    assert "Title &lt;1&gt;" in text
    assert "&lt;b&gt;noted&lt;/b&gt;" in text
    assert "A &amp; B" in text
    assert "Undefined values of HD95" in text
    assert "Not drawn. No folder of images and references is known: give --images and --references" in text


@pytest.mark.usefixtures("unrendered_figures")
def test_a_single_method_gets_tables_and_boxes_only(tmp_path):
    write(tmp_path / "out", comparison(tmp_path, methods=("A",)))
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {"report", "comparison", "table", "scores", "means", "differences", "box_dice", "box_hd95_mm"}
    assert "What the numbers mean" not in (tmp_path / "out/report.html").read_text()


@pytest.mark.usefixtures("unrendered_figures")
def test_an_earlier_comparison_is_replaced_only_on_demand_and_nothing_of_it_stays(tmp_path):
    write(tmp_path / "out", comparison(tmp_path, measures=("dice",)))
    with pytest.raises(SetupError, match="replace it with --overwrite"):
        write(tmp_path / "out", small_comparison(tmp_path))
    write(tmp_path / "out", small_comparison(tmp_path), overwrite=True)
    assert not (tmp_path / "out/slopes_dice.png").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluations", "out"]


@pytest.mark.parametrize("overwrite", [False, True])
def test_anything_else_is_left_alone(tmp_path, overwrite):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SetupError, match="is a file"):
        require_free(tmp_path / "file", overwrite=overwrite)
    with pytest.raises(SetupError, match="for example file; it is left alone"):
        require_free(tmp_path, overwrite=overwrite)
    (tmp_path / "comparison.json").write_text('{"files": ["file", "comparison.json"]}')
    with pytest.raises(SetupError, match="it is left alone"):
        require_free(tmp_path, overwrite=overwrite)


@pytest.mark.usefixtures("unrendered_figures")
def test_a_file_added_to_an_earlier_comparison_keeps_it(tmp_path):
    write(tmp_path / "out", small_comparison(tmp_path))
    (tmp_path / "out/my notes.txt").write_text("mine")
    with pytest.raises(SetupError, match="for example my notes"):
        require_free(tmp_path / "out", overwrite=True)


@pytest.mark.usefixtures("unrendered_figures")
def test_a_comparison_that_fails_leaves_the_earlier_one_as_it_was(tmp_path, monkeypatch):
    write(tmp_path / "out", small_comparison(tmp_path))
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}

    def fail(*_):
        raise RuntimeError("no report")

    monkeypatch.setattr(folder_module, "report_html", fail)
    with pytest.raises(RuntimeError, match="no report"):
        write(tmp_path / "out", small_comparison(tmp_path), overwrite=True)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluations", "out"]


class Killed(BaseException):
    """Stands for a kill: nothing is done after it."""


def killed_between_the_two_moves(root, monkeypatch):
    """Replace a comparison, and stop after the earlier one has been moved away; return what it held."""
    write(root / "out", small_comparison(root))
    before = {path.name: path.read_bytes() for path in (root / "out").iterdir()}
    move = folder_module._move_earlier_away

    def move_and_die(folder):
        move(folder)
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(folder_module, "_move_earlier_away", move_and_die)
        patched.setattr("nnunet_dsd.common.files.shutil.rmtree", lambda *_, **__: None)
        with pytest.raises(Killed):
            write(root / "out", small_comparison(root), overwrite=True)
    assert not (root / "out").exists()
    assert len([path for path in root.iterdir() if path.name.startswith(".partial-")]) == 2
    return before


@pytest.mark.usefixtures("unrendered_figures")
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_kill_between_the_two_moves_costs_no_comparison_and_leaves_nothing_behind(tmp_path, monkeypatch, overwrite):
    before = killed_between_the_two_moves(tmp_path, monkeypatch)
    if overwrite:
        write(tmp_path / "out", small_comparison(tmp_path), overwrite=True)
        assert (tmp_path / "out/report.html").is_file()
    else:
        with pytest.raises(SetupError, match="holds an earlier comparison"):
            require_free(tmp_path / "out", overwrite=False)
        assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluations", "out"]


@pytest.mark.usefixtures("unrendered_figures")
def test_a_comparison_whose_deletion_was_cut_short_does_not_come_back(tmp_path, monkeypatch):
    killed_between_the_two_moves(tmp_path, monkeypatch)
    (aside,) = tmp_path.glob(".partial-*-earlier-out")
    (aside / "report.html").unlink()
    require_free(tmp_path / "out", overwrite=False)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluations"]


@pytest.mark.usefixtures("unrendered_figures")
def test_progress_is_told_once_per_figure(tmp_path):
    drawn = []
    write(tmp_path / "out", small_comparison(tmp_path), drawn=lambda: drawn.append(1))
    assert len(drawn) == 1


def test_a_folder_that_cannot_be_made_or_written_to_is_refused_before_anything_is_computed(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SetupError, match=f"{tmp_path / 'file'} is a file. Give another folder with -o"):
        require_free(tmp_path / "file" / "x", overwrite=False)
    monkeypatch.setattr("os.access", lambda path, mode: False)
    with pytest.raises(SetupError, match=f"{tmp_path} is read-only. Give another folder with -o"):
        require_free(tmp_path / "x", overwrite=False)
    (tmp_path / "empty").mkdir()
    monkeypatch.setattr("os.access", lambda path, mode: path != tmp_path)
    with pytest.raises(SetupError, match=f"{tmp_path} is read-only"):
        require_free(tmp_path / "empty", overwrite=False)
