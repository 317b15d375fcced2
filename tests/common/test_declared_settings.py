"""Numbers below their lowest value."""

from types import SimpleNamespace

from nnunet_dsd.common.declared_settings import below_lowest

GIVEN = SimpleNamespace(batch_size=0, workers=0, members=None, epochs=3)


def test_each_number_below_its_lowest_value_gets_a_sentence():
    found = below_lowest(GIVEN, {"batch_size": 1, "workers": 0, "epochs": 4})
    assert found == ["batch_size is 0, it must be at least 1", "epochs is 3, it must be at least 4"]


def test_a_number_that_was_not_given_is_not_below_anything():
    assert below_lowest(GIVEN, {"members": 1}) == []


def test_options_are_named_as_they_are_typed():
    assert below_lowest(GIVEN, {"batch_size": 1}, as_options=True) == ["--batch-size is 0, it must be at least 1"]
