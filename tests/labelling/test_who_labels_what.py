"""A case is labelled by the models that did not train on it."""

from types import SimpleNamespace

import pytest

from nnunet_dsd.labelling.teachers import who_labels_what

CASES = ["a", "b", "c"]


def teacher(*trained_on):
    return SimpleNamespace(record=SimpleNamespace(trained_on=trained_on))


@pytest.mark.parametrize(
    ("trained_on", "expected"),
    [
        ([("b", "c"), ("a", "c"), ("a", "b")], {"a": (0,), "b": (1,), "c": (2,)}),
        ([("b", "c"), ("b", "c")], {"a": (0, 1)}),
        ([("a", "b", "c")], {}),
        ([()], {"a": (0,), "b": (0,), "c": (0,)}),
    ],
)
def test_only_by_those_that_have_not_seen_it(trained_on, expected):
    assert who_labels_what([teacher(*seen) for seen in trained_on], CASES, in_sample=False) == expected


def test_in_sample_all_label_all():
    teachers = [teacher("a", "b", "c"), teacher("a")]
    assert who_labels_what(teachers, CASES, in_sample=True) == dict.fromkeys(CASES, (0, 1))
