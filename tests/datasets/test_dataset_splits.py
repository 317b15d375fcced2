"""The paper's splits: the rules of the authors' code, written out here a second time."""

import random

import pytest
from nnunetv2.utilities.crossval_split import generate_crossval_split

from nnunet_dsd.common.errors import SettingsError
from nnunet_dsd.datasets.splits import (
    Fold,
    as_nnunet_splits,
    folds_in_file_order,
    hold_out_last,
    nnunet_folds,
    shuffled_fold,
)


def names(count):
    return [f"case_{index:03d}" for index in range(1, count + 1)]


@pytest.mark.parametrize(("labelled", "test", "validation"), [(484, 24, 72), (260, 60, 30)])
def test_the_papers_numbers_come_out_by_the_authors_slices(labelled, test, validation):
    cases = names(labelled)
    rest, held_out = hold_out_last(cases, test)
    fold = shuffled_fold(rest, validation)
    theirs = cases[:-test]
    random.Random(0).shuffle(theirs)
    assert list(held_out) == cases[-test:]
    assert set(fold.training) == set(theirs[:-validation])
    assert set(fold.validation) == set(theirs[-validation:])
    assert (len(fold.training), len(fold.validation)) == (labelled - test - validation, validation)
    assert list(fold.training) == sorted(fold.training)


def test_validation_cases_are_spread_and_not_the_last_ones():
    fold = shuffled_fold(names(460), 72)
    assert set(fold.validation) != set(names(460)[-72:])
    assert set(fold.training) & set(fold.validation) == set()


def test_five_folds_of_four_patients_in_file_order():
    folds = folds_in_file_order(names(20), 4)
    assert len(folds) == 5
    for index, fold in enumerate(folds):
        assert list(fold.validation) == names(20)[4 * index : 4 * index + 4]
        assert sorted(fold.training + fold.validation) == names(20)


def test_the_last_fold_takes_what_is_left():
    assert [len(fold.validation) for fold in folds_in_file_order(names(10), 4)] == [4, 4, 2]


def test_no_test_case_can_be_wished_for():
    assert hold_out_last(names(5), 0) == (tuple(names(5)), ())


@pytest.mark.parametrize(
    ("split", "words"),
    [
        (lambda: hold_out_last(names(5), 4), "4 test cases of 5; allowed are 0 to 3"),
        (lambda: hold_out_last(names(5), -1), "-1 test cases"),
        (lambda: shuffled_fold(names(5), 5), "5 validation cases of 5; allowed are 1 to 4"),
        (lambda: shuffled_fold(names(5), 0), "0 validation cases"),
        (lambda: nnunet_folds(names(4)), "4 cases; at least 5 are needed for 5 folds"),
        (lambda: folds_in_file_order(names(4), 4), "4 cases; more than 4 are needed"),
    ],
)
def test_impossible_numbers_are_refused(split, words):
    with pytest.raises(SettingsError, match=words):
        split()


@pytest.mark.parametrize("count", [5, 6, 7, 9, 131, 210])
def test_five_folds_are_those_that_nnunet_makes(count):
    cases = names(count)
    random.Random(1).shuffle(cases)  # nnU-Net sorts them
    assert as_nnunet_splits(nnunet_folds(cases)) == generate_crossval_split(sorted(cases))


def test_nnunets_file_holds_train_and_val_per_fold():
    assert as_nnunet_splits([Fold(("a", "b"), ("c",))]) == [{"train": ["a", "b"], "val": ["c"]}]
