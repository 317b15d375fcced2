"""Many look-ups in one go: nnU-Net asks each loaded module once where it comes from, and is left as it was."""

import sys
import types

import pytest

from nnunet_dsd.plugin.lookup import many_lookups

search = pytest.importorskip("nnunetv2.utilities.find_class_by_name")


@pytest.fixture
def asked(monkeypatch):
    """The modules that nnU-Net's own function was asked about."""
    own, names = search._module_originates_from_path, []

    def noted(module, path):
        names.append(module.__name__)
        return own(module, path)

    monkeypatch.setattr(search, "_module_originates_from_path", noted)
    return names


def look_up(folder, name):
    return search.recursive_find_python_class(
        str(folder), name, None, base_folder=str(folder), cleanup_imports_from_base_folder=True
    )


def test_each_module_is_asked_once_and_what_is_found_is_the_same(asked, tmp_path):
    (tmp_path / "a_module_of_the_test.py").write_text("class One: pass\nclass Two: pass\n")
    assert look_up(tmp_path, "One").__name__ == "One"
    usual = len(asked)
    asked.clear()
    with many_lookups():
        for name in ("One", "Two", "Two"):
            assert look_up(tmp_path, name).__name__ == name
            assert "a_module_of_the_test" not in sys.modules
        assert look_up(tmp_path, "Three") is None
    assert len(asked) < 0.6 * usual  # once instead of before and after each look-up
    assert asked.count("a_module_of_the_test") == 4  # a module that is imported again is another one


def interrupted():
    with many_lookups():
        raise ZeroDivisionError


def test_nnunet_is_left_as_it_was_whatever_happens(asked):
    before = search._module_originates_from_path
    with many_lookups():
        assert search._module_originates_from_path is not before
    assert search._module_originates_from_path is before
    with pytest.raises(ZeroDivisionError):
        interrupted()
    assert search._module_originates_from_path is before


def test_an_nnunet_without_that_function_is_looked_up_in_as_ever(monkeypatch):
    monkeypatch.setitem(sys.modules, "nnunetv2.utilities.find_class_by_name", types.ModuleType("empty"))
    monkeypatch.setattr(sys.modules["nnunetv2.utilities"], "find_class_by_name", types.ModuleType("empty"))
    with many_lookups():
        pass


def test_without_nnunet_nothing_is_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "nnunetv2.utilities", None)
    with many_lookups():
        pass
