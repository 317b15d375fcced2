"""Parts of the report that only large comparisons have, and the table they are made of."""

import re

import pytest
from made_up_comparisons import random_values, write_evaluation

from nnunet_dsd.common.report_page import compact_table, folded
from nnunet_dsd.comparison.report import report_html
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.measures import find_measure

CASES = tuple(f"case_{number}" for number in range(7))


def report(folder, methods):
    """The report of so many methods on two structures, without figures."""
    runs = tuple(
        Run(f"method {place}", write_evaluation(folder / f"{place}.json", random_values(CASES, seed=place)), seed=place)
        for place in range(methods)
    )
    run_list = RunList(runs)
    return report_html(compare(run_list, read_scores(run_list), [find_measure("dice")], seed=0), folder, {})


def rows_of(part):
    return [re.findall(r"<td[^>]*>(.*?)</td>", row) for row in re.findall(r"<tr>(<td.*?)</tr>", part)]


def test_few_comparisons_are_all_shown(tmp_path):
    text = report(tmp_path, 9)
    assert "<details>" not in text
    rows = rows_of(text.partition("<h3>Against method 0</h3>")[2].partition("</section>")[0])
    assert [row[:2] for row in rows[:3]] == [["method 1", "head"], ["method 1", "tail"], ["method 1", "mean"]]
    assert len(rows) == 8 * 3


def test_of_many_comparisons_those_of_the_mean_are_shown_and_the_rest_on_a_click(tmp_path):
    text = report(tmp_path, 10).partition("<h3>Against method 0</h3>")[2].partition("</section>")[0]
    shown, _, hidden = text.partition("<details><summary>All 27 comparisons</summary>")
    assert {row[1] for row in rows_of(shown)} == {"mean"}
    assert (len(rows_of(shown)), len(rows_of(hidden))) == (9, 27)


def test_the_means_of_the_best_method_are_bold_in_their_own_columns(tmp_path):
    text = report(tmp_path, 2)
    first, second = rows_of(text.partition("</thead>")[2].partition("</table>")[0])
    bold = [[cell.startswith("<b>") for cell in row] for row in (first, second)]
    assert [one or other for one, other in zip(*bold, strict=True)] == [False, False, True, True, True]


def test_a_cell_is_escaped_and_bold_where_asked():
    text = compact_table(("a", "b"), [("<1>", "2"), ("3", "&")], bold={(1, 1)})
    assert rows_of(text) == [["&lt;1&gt;", "2"], ["3", "<b>&amp;</b>"]]
    assert '<td class="number"><b>' in text


def test_rows_of_another_length_are_a_mistake():
    with pytest.raises(ValueError, match="zip"):
        compact_table(("a", "b"), [("1",)])


def test_a_folded_part_is_escaped_in_its_summary_only():
    assert folded("a < b", "<p>c</p>") == "<details><summary>a &lt; b</summary>\n<p>c</p>\n</details>"
