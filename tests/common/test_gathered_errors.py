"""Errors of several checks are told together, and a single one as it is."""

import pytest

from nnunet_dsd.common.errors import DataError, SettingsError
from nnunet_dsd.common.gathered_errors import GatheredErrors


def failing(error):
    def make():
        raise error

    return make


def test_what_works_is_returned_and_nothing_is_gathered():
    gathered = GatheredErrors()
    assert gathered.of(lambda: 3) == 3
    assert gathered.errors == []


def test_a_single_error_is_the_one_that_was_raised():
    gathered, error = GatheredErrors(), DataError("no such file")
    assert gathered.of(failing(error)) is None
    assert gathered.of(lambda: "more") == "more"
    assert gathered.as_one(source="the command") is error


def test_several_become_one_list_of_different_problems():
    gathered = GatheredErrors()
    for error in (
        SettingsError(["alpha: too small", "beta: too small"], source="a"),
        DataError("no such file"),
        SettingsError(["beta: too small"], source="b"),
    ):
        gathered.of(failing(error))
    found = gathered.as_one(source="the command")
    assert isinstance(found, SettingsError)
    assert found.problems == ("alpha: too small", "beta: too small", "no such file")
    assert str(found).startswith("3 problems in the command:\n  - alpha: too small\n")


def test_other_errors_pass():
    gathered = GatheredErrors()
    with pytest.raises(ZeroDivisionError):
        gathered.of(failing(ZeroDivisionError()))
