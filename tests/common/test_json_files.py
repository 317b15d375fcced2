"""JSON files are read whole, or refused in words of their own; their entries are checked all at once."""

import json

import pytest

from nnunet_dsd.common.errors import DataError
from nnunet_dsd.common.json_files import Table, is_count, is_list_of, is_text, json_or_none, read_json, read_object


def broken(reason):
    return f"this is no list of runs ({reason}); make it again"


@pytest.mark.parametrize("content", [{"a": [1, None]}, [], 3, None, "Größe"])
def test_what_was_written_is_read(tmp_path, content):
    (tmp_path / "file.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    assert read_json(tmp_path / "file.json", broken=broken) == content
    assert json_or_none(tmp_path / "file.json") == content


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Expecting value"),
        (b"{", "Expecting property name"),
        (b"\xff\xfe", "can't decode byte 0xff"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
)
def test_what_is_no_json_is_refused_with_the_reason(tmp_path, content, reason):
    path = tmp_path / "file.json"
    path.write_bytes(content)
    for read in (read_json, read_object):
        with pytest.raises(DataError) as caught:
            read(path, broken=broken)
        assert str(caught.value).startswith("this is no list of runs (")
        assert reason in str(caught.value)
        assert str(caught.value).endswith("); make it again")
    assert json_or_none(path) is None


def test_a_file_that_is_not_there_is_told_in_words_of_its_own_or_as_a_broken_one(tmp_path):
    with pytest.raises(DataError, match=r"^write it first$"):
        read_json(tmp_path / "file.json", broken=broken, missing="write it first")
    with pytest.raises(DataError, match=r"no list of runs \(there is no such file\)"):
        read_json(tmp_path / "file.json", broken=broken)
    with pytest.raises(DataError, match=r"no list of runs \(Is a directory\)"):
        read_json(tmp_path, broken=broken)
    assert json_or_none(tmp_path / "file.json") is json_or_none(tmp_path) is None


@pytest.mark.parametrize(("content", "kind"), [("[]", "list"), ("null", "NoneType"), ('"a"', "str")])
def test_an_object_is_asked_for_where_one_is_needed(tmp_path, content, kind):
    (tmp_path / "file.json").write_text(content)
    with pytest.raises(DataError, match=rf"no list of runs \(it holds {kind}, expected an object\)"):
        read_object(tmp_path / "file.json", broken=broken)


def problems_of(content, read, table=Table, where="the study"):
    problems = []
    read(table(content, where, ("name", "folds"), problems))
    return problems


def read_both(table):
    return table.required("name", "its name", is_text, "stand-in"), table.get("folds", "a number", is_count, 7)


NO_NAME = "the study: 'name' is missing, expected its name"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ({"name": "a", "folds": 3}, []),
        ({"name": "a", "folds": None}, []),
        ({}, [NO_NAME]),
        ({"name": " "}, ["the study: name is ' ', expected its name"]),
        ({"name": "a", "folds": True}, ["the study: folds is True, expected a number"]),
        ({"name": "a", "fold": 3}, ["the study: unknown entry 'fold'; did you mean 'folds'?"]),
        ([1], ["the study: expected an object with name, folds, got [1]", NO_NAME]),
    ],
)
def test_everything_wrong_is_noted(content, expected):
    assert problems_of(content, read_both) == expected


def test_a_wrong_entry_reads_as_its_default():
    found = []
    problems_of({"name": 3, "folds": -1}, lambda table: found.extend(read_both(table)))
    assert found == ["stand-in", 7]


def test_a_kind_of_file_has_its_own_words_and_nothing_in_the_file_is_taken_for_a_place_to_fill():
    class Own(Table):
        MISSING = WRONG = "{where}{name} is {expected}"
        EMPTY = "{where}{name} is empty"

    def read(table):
        table.get("name", "no name, allowed is {value!r}", lambda value: False, None)

    assert problems_of({"name": "{0}"}, read, Own, "{x}: ") == ["{x}: name is no name, allowed is '{0}'"]
    assert problems_of({"name": ""}, read, Own, "") == ["name is empty"]


def test_the_checks_of_values():
    assert [is_count(value) for value in (0, 3, -1, True, 1.0, "1")] == [True, True, False, False, False, False]
    assert is_count(-3, float("-inf"))
    assert not is_count(9, 1, 8)
    unique = is_list_of(is_text)
    assert [unique(value) for value in (["a", "b"], ["a", "a"], [], ["a", ""], "ab")] == [True, *[False] * 4]
