"""Scores of several runs as arrays: which cases, which averages, and what does not go together."""

import numpy as np
import pytest
from made_up_comparisons import HEAD_AND_TAIL, write_evaluation

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import LeftOut, read_scores
from nnunet_dsd.evaluation.structures import Structure

NAN = float("nan")


def dice(**cases):
    return {case: {"dice": values} for case, values in cases.items()}


def run_list(folder, *runs):
    """Runs from (method, values, options)."""
    made = []
    for place, (method, values, options) in enumerate(runs):
        made.append(Run(method, write_evaluation(folder / f"{place}.json", values, **options), fold=place))
    return RunList(tuple(made))


def test_several_runs_are_averaged_per_case_over_those_that_have_it(tmp_path):
    runs = run_list(
        tmp_path,
        ("A", dice(a=(0.8, 0.6), b=(0.4, 0.2)), {}),
        ("A", dice(a=(0.6, 0.8), c=(1.0, 0.0)), {}),
    )
    scores = read_scores(runs)
    assert scores.cases == ("a", "b", "c")
    assert scores.columns == ("head", "tail", "mean")
    np.testing.assert_allclose(scores.per_case("A", "dice"), [[0.7, 0.7, 0.7], [0.4, 0.2, 0.3], [1.0, 0.0, 0.5]])


def test_a_value_that_one_run_lacks_is_undefined_for_the_method_and_so_is_the_mean_over_structures(tmp_path):
    runs = run_list(tmp_path, ("A", dice(a=(0.8, 0.6)), {}), ("A", dice(a=(NAN, 0.8)), {}))
    np.testing.assert_allclose(read_scores(runs).per_case("A", "dice"), [[NAN, 0.7, NAN]])


def test_a_single_structure_has_no_mean_column(tmp_path):
    path = write_evaluation(tmp_path / "a.json", dice(a=(0.8,)), HEAD_AND_TAIL[:1])
    scores = read_scores(RunList((Run("A", path),)))
    assert scores.columns == ("head",)
    assert scores.per_case("A", "dice").tolist() == [[0.8]]


def test_methods_with_other_cases_are_refused_with_what_each_lacks(tmp_path):
    runs = run_list(
        tmp_path,
        ("A", dice(a=(1, 1), b=(1, 1), c=(1, 1)), {}),
        ("B", dice(b=(1, 1), d=(1, 1)), {}),
    )
    with pytest.raises(DataError) as caught:
        read_scores(runs)
    text = str(caught.value)
    assert "A has 3 of 4; it lacks d" in text
    assert "B has 2 of 4; it lacks a, c" in text
    assert "compare on the 1 common cases with --common-cases" in text


def test_the_common_cases_are_compared_on_demand_and_what_is_left_out_is_kept(tmp_path):
    runs = run_list(
        tmp_path,
        ("A", dice(a=(1, 1), b=(0.5, 0.7)), {}),
        ("A", dice(c=(1, 1)), {}),
        ("B", dice(b=(0.1, 0.3), d=(1, 1)), {}),
    )
    scores = read_scores(runs, common_cases=True)
    assert scores.cases == ("b",)
    assert scores.left_out == tuple(LeftOut(run, (case,), ()) for run, case in zip(runs.runs, "acd", strict=True))
    assert scores.unused == (runs.runs[1],)
    np.testing.assert_allclose(scores.per_case("A", "dice"), [[0.5, 0.7, 0.6]])


EASY = {f"easy_{number}": (0.9, 0.9) for number in range(10)}


def one_run_lacks_the_hard_case(folder, *, fold):
    """Two methods with the same scores, two runs each; the second run of B did not predict the hard case."""
    made = []
    for method, seed, hard, options in (
        ("A", 1, {"hard": (0.1, 0.1)}, {}),
        ("A", 2, {"hard": (0.1, 0.1)}, {}),
        ("B", 1, {"hard": (0.1, 0.1)}, {}),
        ("B", 2, {}, {"missing": ("hard",)}),
    ):
        path = write_evaluation(folder / f"{method}{seed}.json", dice(**EASY, **hard), **options)
        made.append(Run(method, path, fold=fold, seed=None if fold is None else seed))
    return RunList(tuple(made))


@pytest.mark.parametrize("fold", [None, 0])
def test_a_run_that_lacks_a_case_of_its_fold_is_refused(tmp_path, fold):
    runs = one_run_lacks_the_hard_case(tmp_path, fold=fold)
    with pytest.raises(DataError) as caught:
        read_scores(runs)
    name = f"B ({runs.runs[3].evaluation})" if fold is None else "B fold 0 seed 2"
    assert f"{name} has 10 of the 11 cases of its fold; it lacks hard" in str(caught.value)
    assert f"{name} was evaluated without 1 that it did not predict: hard" in str(caught.value)
    assert str(caught.value).count("  - ") == 2
    assert "10 common cases with --common-cases" in str(caught.value)


@pytest.mark.parametrize("fold", [None, 0])
def test_on_demand_a_case_that_one_run_of_a_fold_lacks_is_left_out_of_all_of_them(tmp_path, fold):
    runs = one_run_lacks_the_hard_case(tmp_path, fold=fold)
    scores = read_scores(runs, common_cases=True)
    assert scores.cases == tuple(EASY)
    assert [one.cases for one in scores.runs] == [tuple(EASY)] * 4
    assert [one.values["dice"].mean() for one in scores.runs] == pytest.approx([0.9] * 4)
    lost = [("hard",)] * 3
    assert scores.left_out == (
        *(LeftOut(run, cases, ()) for run, cases in zip(runs.runs, lost, strict=False)),
        LeftOut(runs.runs[3], (), ("hard",)),
    )


def test_a_case_that_every_evaluation_left_out_is_told_too(tmp_path):
    runs = run_list(tmp_path, *((name, dice(a=(1, 1)), {"missing": ("hard",)}) for name in "AB"))
    with pytest.raises(DataError, match="B fold 1 was evaluated without 1 that it did not predict: hard"):
        read_scores(runs)
    assert [one.missing for one in read_scores(runs, common_cases=True).left_out] == [("hard",)] * 2


def test_of_single_runs_the_one_that_lacks_a_case_is_named_once(tmp_path):
    runs = run_list(tmp_path, ("A", dice(a=(1, 1), b=(1, 1)), {}), ("B", dice(a=(1, 1)), {}))
    with pytest.raises(DataError) as caught:
        read_scores(RunList(tuple(Run(run.method, run.evaluation) for run in runs.runs)))
    lines = [line for line in str(caught.value).splitlines() if line.startswith("  - ")]
    assert lines == [f"  - B ({runs.runs[1].evaluation}) has 1 of the 2 cases of its fold; it lacks b"]


def test_folds_have_cases_of_their_own_whether_or_not_they_are_known(tmp_path):
    first, second = dice(a=(1, 1), b=(1, 1)), dice(c=(1, 1))
    known = run_list(tmp_path, ("A", first, {}), ("A", second, {}))
    unknown = RunList(tuple(Run("A", run.evaluation) for run in known.runs))
    for runs in (known, unknown):
        scores = read_scores(runs)
        assert [one.cases for one in scores.runs] == [("a", "b"), ("c",)]
        assert scores.left_out == ()


def test_a_case_left_out_of_one_fold_stays_in_another(tmp_path):
    """A and B on folds 0 and 1 of other cases; B lacks b in fold 0."""
    made = []
    for method, fold, cases in (("A", 0, "ab"), ("A", 1, "cd"), ("B", 0, "a"), ("B", 1, "cd")):
        path = write_evaluation(tmp_path / f"{method}{fold}.json", dice(**dict.fromkeys(cases, (1, 1))))
        made.append(Run(method, path, fold=fold))
    scores = read_scores(RunList(tuple(made)), common_cases=True)
    assert [one.cases for one in scores.runs] == [("a",), ("c", "d"), ("a",), ("c", "d")]
    assert [(one.run.label, one.cases) for one in scores.left_out] == [("A fold 0", ("b",))]


def test_methods_without_a_common_case_are_refused(tmp_path):
    runs = run_list(tmp_path, ("A", dice(a=(1, 1)), {}), ("B", dice(b=(1, 1)), {}))
    with pytest.raises(DataError, match="no case in common"):
        read_scores(runs, common_cases=True)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"structures": (Structure("head", (1,)), Structure("tail", (3,)))}, "structures head 1, tail 3; "),
        ({"surface_tolerance_mm": 2.0}, "tolerance of the surface Dice 2.0; A fold 0 has 1.0"),
        ({"both_empty": "one"}, "--both-empty one; A fold 0 has nan"),
        (
            {"reference_voxels": 101},
            "references of another size in 2 of 2 scores, first a, head: 101 voxels, 100 for A",
        ),
    ],
)
def test_evaluations_that_do_not_go_together_are_refused(tmp_path, options, words):
    runs = run_list(tmp_path, ("A", dice(a=(1, 1)), {}), ("B", dice(a=(1, 1)), options))
    with pytest.raises(DataError) as caught:
        read_scores(runs)
    assert "B fold 1: " + words in str(caught.value)


def test_every_file_that_is_no_evaluation_is_told(tmp_path):
    for name in ("x", "y"):
        (tmp_path / f"{name}.json").write_text("{}")
    with pytest.raises(DataError, match=r"(?s)x\.json is no evaluation.*y\.json is no evaluation"):
        read_scores(RunList((Run("A", tmp_path / "x.json"), Run("B", tmp_path / "y.json"))))


def test_an_evaluation_without_scores_is_refused(tmp_path):
    with pytest.raises(DataError, match="A fold 0: 0 scores"):
        read_scores(run_list(tmp_path, ("A", {}, {})))
