"""The one module nnU-Net's look-up imports, as nnU-Net uses it: hasattr, then getattr."""

import importlib.util
import subprocess
import sys
import types
from pathlib import Path

import pytest

from nnunet_dsd.common.errors import RegistryError
from nnunet_dsd.plugin.startup import SEARCH_FOLDER
from nnunet_dsd.registry import Registry, RegistryProblem, TrainerEntry


@pytest.fixture
def search(monkeypatch):
    """Import the module as nnU-Net does, with a registry of the test's own."""
    specification = importlib.util.spec_from_file_location(
        "nnunet_dsd_trainer_search", Path(SEARCH_FOLDER) / "nnunet_dsd_trainer_search.py"
    )
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)

    def use(*entries, **fields):
        registry = Registry({entry.name: entry for entry in entries}, **fields)
        monkeypatch.setattr(module, "installed_registry", lambda: registry)
        return module

    return use


def make_entry(name, target, kind="segmentation"):
    return TrainerEntry(name=name, target=target, kind=kind, summary="one line")


def test_a_registered_trainer_is_handed_out_as_the_same_class_every_time(search, monkeypatch):
    trainers = types.ModuleType("trainers_of_the_test")
    trainers.MyTrainer = type("MyTrainer", (), {})
    monkeypatch.setitem(sys.modules, trainers.__name__, trainers)
    module = search(make_entry("MyTrainer", "trainers_of_the_test:MyTrainer"))
    assert hasattr(module, "MyTrainer")
    assert module.MyTrainer is module.MyTrainer is trainers.MyTrainer


def test_an_unknown_name_is_an_attribute_error_so_that_nnunet_searches_on(search):
    with pytest.raises(AttributeError, match="no installed package registers a segmentation trainer 'Unknown'"):
        _ = search().Unknown


def test_a_video_trainer_is_not_for_nnunet(search):
    assert not hasattr(search(make_entry("JSONDecoder", "json:JSONDecoder", kind="video")), "JSONDecoder")


def test_an_import_error_of_a_trainer_surfaces(search):
    module = search(make_entry("Broken", "no_such_module_here:Broken"))
    with pytest.raises(RegistryError, match="ModuleNotFoundError: No module named 'no_such_module_here'"):
        hasattr(module, "Broken")


def test_a_name_registered_twice_surfaces(search):
    with pytest.raises(RegistryError, match="by one and two"):
        hasattr(search(conflicts={"Same": "'Same' is registered by one and two"}), "Same")


def test_an_unknown_name_warns_of_packages_that_could_not_be_read(search):
    module = search(problems=(RegistryProblem("some-package", "ImportError: no"),))
    with pytest.warns(UserWarning, match="could not be used: some-package: ImportError: no"):
        assert not hasattr(module, "Unknown")


@pytest.mark.parametrize(
    ("name", "meant"),
    [("nnUNetTrainerDSDD", "nnUNetTrainerDSD"), ("nnUnetTrainerDSD", "nnUNetTrainerDSD"), ("DSD", "nnUNetTrainerDSD")],
)
def test_a_mistyped_name_warns_with_what_was_meant(search, name, meant):
    module = search(make_entry("nnUNetTrainerDSD", "a:b"), make_entry("nnUNetTrainerHLFD", "a:c"))
    with pytest.warns(UserWarning, match=f"there is no trainer {name}; did you mean {meant}\\?"):
        assert not hasattr(module, name)


@pytest.mark.parametrize("name", ["nnUNetTrainer_250epochs", "nnUNetTrainerAdam", "Unknown"])
def test_a_name_that_is_like_none_of_ours_warns_of_nothing(search, name, recwarn):
    module = search(make_entry("nnUNetTrainerDSD", "a:b"), make_entry("nnUNetTrainerHLFD", "a:c"))
    assert not hasattr(module, name)
    assert not recwarn.list


def test_an_interpreter_without_our_package_gets_an_empty_module():
    code = f"import sys; sys.path = [{SEARCH_FOLDER!r}] + sys.path; import nnunet_dsd_trainer_search as search; "
    code += "print('nnunet_dsd' in sys.modules, hasattr(search, 'nnUNetTrainerDSD'))"
    options = ["-I", "-S", "-B", "-c", code]
    done = subprocess.run([sys.executable, *options], capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["False", "False"], done.stderr
