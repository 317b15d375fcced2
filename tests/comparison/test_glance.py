"""A comparison at a glance: means, the difference from the baseline, and what else is known of each method."""

import dataclasses
import json

import numpy as np
import pytest
from made_up_comparisons import random_values, write_evaluation

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.comparison.glance import glance
from nnunet_dsd.comparison.report import report_html
from nnunet_dsd.comparison.results import compare
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.runs_file import read_run_list
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.evaluation.measures import find_measure

CASES = tuple(f"case_{number}" for number in range(7))
FACTS = {"taught": {"parameters": "1.20 M"}, "alone": {"parameters": "1.20 M", "seconds": "3.10"}}


@pytest.fixture
def compared(tmp_path):
    runs = tuple(
        Run(name, write_evaluation(tmp_path / f"{name}.json", random_values(CASES, seed=seed)), seed=seed)
        for seed, name in enumerate(("taught", "alone"))
    )
    run_list = RunList(runs, baseline="alone", facts=FACTS)
    measures = [find_measure(name) for name in ("dice", "hd95_mm", "asd_mm")]
    return compare(run_list, read_scores(run_list), measures, seed=0)


def test_a_row_has_means_difference_and_facts(compared):
    headings, (taught, alone) = glance(compared)
    against = "against alone, 95 % interval, p"
    assert headings == ("method", "mean Dice (%)", "mean HD95 (mm)", against, "parameters", "seconds")
    dice = compared.scores.with_mean(compared.scores.of("taught")[0].values["dice"])[:, -1]
    other = compared.scores.with_mean(compared.scores.of("alone")[0].values["dice"])[:, -1]
    assert taught[0] == "taught"
    assert float(taught[1].split()[0]) == pytest.approx(100 * dice.mean(), abs=0.006)
    assert float(taught[3].split()[0]) == pytest.approx(100 * np.mean(dice - other), abs=0.006)
    assert taught[4:] == ("1.20 M", "")
    assert (alone[3], alone[4:]) == ("", ("1.20 M", "3.10"))


def test_it_stands_first_in_the_report_where_facts_are_known(compared, tmp_path):
    text = report_html(compared, tmp_path, {})
    assert text.index("seconds</th>") < text.index("methods")
    without = dataclasses.replace(compared, run_list=dataclasses.replace(compared.run_list, facts={}))
    assert "against alone, 95 % interval, p" not in report_html(without, tmp_path, {})


def test_facts_are_read_from_the_list_of_runs(tmp_path):
    evaluation = write_evaluation(tmp_path / "a.json", random_values(CASES, seed=0))
    content = {"runs": [{"method": "a", "evaluation": str(evaluation)}], "facts": {"a": {"parameters": "1 M"}}}
    (tmp_path / "runs.json").write_text(json.dumps(content))
    assert read_run_list(tmp_path / "runs.json").facts == {"a": {"parameters": "1 M"}}
    (tmp_path / "runs.json").write_text(json.dumps({**content, "facts": {"a": 3}}))
    with pytest.raises(SettingsError, match=r"facts: got .*expected an object of text by name for each method"):
        read_run_list(tmp_path / "runs.json")
