"""What is said of runs that predicted nothing."""

from dataclasses import replace

import pytest
from made_up_comparisons import evaluation, random_values

from nnunet_dsd.comparison.empty_predictions import empty_notes
from nnunet_dsd.comparison.runs import Run, RunList
from nnunet_dsd.comparison.scores import read_scores
from nnunet_dsd.comparison.statements import case_notes
from nnunet_dsd.comparison.twins import twin_notes
from nnunet_dsd.evaluation.emptiness import emptiness_notes
from nnunet_dsd.evaluation.export import write_evaluation_json

CASES = ("a", "b")
NOTHING = {case: {"dice": (0.0, 0.0)} for case in CASES}


def emptied(values, *, predictions=(), references=()):
    """An evaluation in which these structures are in no prediction, or in no reference."""
    made = evaluation(values)
    scores = tuple(
        replace(
            score,
            prediction_voxels=0 if score.structure in predictions else score.prediction_voxels,
            reference_voxels=0 if score.structure in references else score.reference_voxels,
        )
        for score in made.scores
    )
    return replace(made, scores=scores)


def scores_of(folder, *runs):
    """Scores of (method, evaluation)."""
    listed = []
    for place, (method, content) in enumerate(runs):
        write_evaluation_json(folder / f"{place}.json", content)
        listed.append(Run(method, folder / f"{place}.json"))
    return read_scores(RunList(tuple(listed)))


def test_two_methods_that_predicted_nothing_are_no_copies_of_each_other(tmp_path):
    nothing = emptied(NOTHING, predictions=("head", "tail"))
    scores = scores_of(tmp_path, ("A", nothing), ("B", nothing))
    (note,) = case_notes(scores, baseline="A")
    assert note.startswith("All predictions are empty, of every structure in every case: A, B.")
    assert "copy" not in note
    assert str(tmp_path) not in note


def test_runs_of_one_method_are_told_apart_by_number_where_nothing_else_is_known(tmp_path):
    nothing = emptied(NOTHING, predictions=("head", "tail"))
    some = evaluation(random_values(CASES, seed=0))
    scores = scores_of(tmp_path, ("A", nothing), ("A", some), ("B", evaluation(random_values(CASES, seed=1))))
    (note,) = empty_notes(scores)
    assert ": A run 1." in note


def test_equal_scores_that_are_all_zero_or_one_are_no_sign_of_a_copy(tmp_path):
    perfect = evaluation({case: {"dice": (1.0, 1.0)} for case in CASES})
    (note,) = twin_notes(scores_of(tmp_path, ("A", perfect), ("B", perfect)))
    assert note.startswith("A and B have the same scores in every case. Every Dice is 0, 1 or undefined")


def test_equal_scores_of_predictions_of_other_sizes_are_no_twins(tmp_path):
    one = evaluation(NOTHING)
    other = replace(one, scores=tuple(replace(score, prediction_voxels=7) for score in one.scores))
    assert twin_notes(scores_of(tmp_path, ("A", one), ("B", other))) == ()


def test_a_structure_that_was_never_predicted_is_named_unless_no_reference_holds_it(tmp_path):
    values = random_values(CASES, seed=0)
    missed = scores_of(tmp_path / "1", ("A", emptied(values, predictions=("tail",))))
    assert empty_notes(missed) == ("A never predicted, although references hold it: tail.",)
    absent = emptied(values, predictions=("tail",), references=("tail",))
    assert empty_notes(scores_of(tmp_path / "2", ("A", absent))) == ()


@pytest.mark.parametrize(
    ("predictions", "references", "notes"),
    [
        ((), (), []),
        (("tail",), (), ["never predicted: tail (in 2 of 2 references)"]),
        (("tail",), ("tail",), ["in no reference: tail"]),
        (("head", "tail"), ("tail",), ["all predictions are empty: no voxel of any structure in 2 cases."]),
    ],
)
def test_an_evaluation_says_what_is_empty(predictions, references, notes):
    found = emptiness_notes(emptied(random_values(CASES, seed=0), predictions=predictions, references=references))
    assert len(found) == len(notes)
    assert all(one.startswith(other) for one, other in zip(found, notes, strict=True))
