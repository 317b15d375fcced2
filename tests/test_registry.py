"""The trainer registry: what it accepts, what it refuses, and that one bad package harms no other."""

import sys
from importlib.metadata import EntryPoint
from types import ModuleType, SimpleNamespace

import pytest

from nnunet_dsd import registry
from nnunet_dsd.common.errors import RegistryError
from nnunet_dsd.registry import Registry, TrainerEntry, gather_trainers
from nnunet_dsd.trainers import catalog


def make_entry(name="nnUNetTrainerX", **changes):
    settings = {"target": f"some.module:{name}", "kind": "segmentation", "summary": "one line"} | changes
    return TrainerEntry(name=name, **settings)


@pytest.fixture
def publish(monkeypatch):
    """Make an entry point of a pretended distribution out of a value."""

    def make_point(value, distribution="some-package"):
        module = ModuleType(f"catalog_of_{distribution.replace('-', '_')}")
        module.ENTRIES = value
        monkeypatch.setitem(sys.modules, module.__name__, module)
        point = EntryPoint(name=distribution, value=f"{module.__name__}:ENTRIES", group=registry.ENTRY_POINT_GROUP)
        vars(point).update(dist=SimpleNamespace(name=distribution))
        return point

    return make_point


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "nnUNet__Trainer"}, "must not contain '__'"),
        ({"name": "my trainer"}, "must be a Python identifier"),
        ({"kind": "audio"}, "kind 'audio' is unknown, allowed are 'segmentation', 'video'"),
        ({"target": "some.module"}, "not of the form 'package.module:ClassName'"),
        ({"target": "some.module:"}, "not of the form"),
        ({"target": "some..module:Name"}, "not of the form"),
        ({"target": "some.module:Name.inner"}, "not of the form"),
        ({"summary": "two\nlines"}, "summary must be one line"),
        ({"summary": " "}, "summary must be one line"),
    ],
)
def test_an_entry_that_breaks_a_rule_is_refused_and_the_rule_is_named(changes, words):
    with pytest.raises(RegistryError, match="trainer ") as refusal:
        make_entry(**changes)
    assert words in str(refusal.value)


def test_all_problems_of_an_entry_are_named_at_once():
    with pytest.raises(RegistryError, match=r"must not contain '__'.*kind 'audio' is unknown"):
        make_entry(name="a__b", kind="audio")


def test_an_entry_point_may_hold_one_entry_or_several(publish):
    one, two, three = (make_entry(name) for name in ("One", "Two", "Three"))
    found = gather_trainers([publish(one, "first"), publish([three, two], "second")])
    assert list(found.trainers.items()) == [("One", one), ("Three", three), ("Two", two)]
    assert found.problems == ()


def test_a_name_registered_twice_is_used_from_neither_and_both_distributions_are_named(publish):
    points = [publish(make_entry("Same"), "first"), publish([make_entry("Same"), make_entry("Other")], "second")]
    found = gather_trainers(points)
    assert list(found.trainers) == ["Other"]
    with pytest.raises(RegistryError, match=r"'Same' is registered by first .* and second .*none is used"):
        found.find("Same")
    assert len(found.problems) == 1


def test_a_broken_entry_point_leaves_the_others_and_is_reported(publish):
    broken = EntryPoint(name="broken", value="no_such_module_here:ENTRIES", group=registry.ENTRY_POINT_GROUP)
    found = gather_trainers([broken, publish(make_entry("Good"))])
    assert list(found.trainers) == ["Good"]
    assert "ModuleNotFoundError: No module named 'no_such_module_here'" in str(found.problems[0])


@pytest.mark.parametrize(("value", "words"), [("abc", "holds a str, expected TrainerEntry"), (7, "TypeError")])
def test_an_entry_point_of_something_else_is_reported(publish, value, words):
    found = gather_trainers([publish(value)])
    assert not found.trainers
    assert words in str(found.problems[0])
    assert "some-package" in str(found.problems[0])


def test_an_unknown_name_gets_the_nearest_names():
    known = Registry({name: make_entry(name) for name in ("nnUNetTrainerDSD", "Unrelated")})
    with pytest.raises(RegistryError, match=r"no trainer 'nnUNetTrainerDsd'; did you mean nnUNetTrainerDSD\?"):
        known.find("nnUNetTrainerDsd")


def test_an_unknown_name_mentions_the_entry_points_that_could_not_be_read():
    broken = EntryPoint(name="broken", value="no_such_module_here:ENTRIES", group=registry.ENTRY_POINT_GROUP)
    with pytest.raises(RegistryError, match=r"(?s)could not be used.*no_such_module_here"):
        gather_trainers([broken]).find("zzz")


def test_find_trainer_and_all_trainers_read_the_installed_registry(monkeypatch):
    entries = (make_entry("A"), make_entry("B", kind="video"))
    monkeypatch.setattr(registry, "installed_registry", lambda: Registry({entry.name: entry for entry in entries}))
    assert registry.all_trainers() == entries
    assert registry.all_trainers("video") == entries[1:]
    assert registry.find_trainer("A") is entries[0]


def test_load_returns_the_class(monkeypatch):
    module = ModuleType("loadable")
    module.Loaded = type("Loaded", (), {})
    monkeypatch.setitem(sys.modules, "loadable", module)
    assert make_entry("Loaded", target="loadable:Loaded").load() is module.Loaded


def test_load_turns_every_failure_of_the_module_into_a_registry_error(tmp_path, monkeypatch):
    # An AttributeError would be the worst: nnU-Net's hasattr would take it for "not here".
    (tmp_path / "fails_at_import.py").write_text("object().missing\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(RegistryError, match="AttributeError: 'object' object has no attribute 'missing'") as failure:
        make_entry("X", target="fails_at_import:X").load()
    assert isinstance(failure.value.__cause__, AttributeError)


def test_load_names_a_class_that_is_missing_from_its_module():
    with pytest.raises(RegistryError, match=r"cannot be loaded from 'json:Missing'.*no attribute 'Missing'"):
        make_entry("Missing", target="json:Missing").load()


def test_load_refuses_what_is_not_a_class():
    with pytest.raises(RegistryError, match="is a function, not a class"):
        make_entry("dumps", target="json:dumps").load()


def test_load_refuses_a_segmentation_class_of_another_name():
    with pytest.raises(RegistryError, match="its class calls itself 'JSONDecoder'"):
        make_entry("MyTrainer", target="json:JSONDecoder").load()
    assert make_entry("teacher", target="json:JSONDecoder", kind="video").load().__name__ == "JSONDecoder"


def test_our_own_catalog_is_registered_by_our_pyproject_and_has_the_papers_trainers(publish):
    found = gather_trainers([publish(catalog.ENTRIES)])
    assert not found.problems
    papers = {"DSD", "DS", "SDD", "SDE", "DSDMean", "DSDReversed", "DSDFeatureL2"}
    networks = {"UNETR", "SwinUNETR", "VNet", "UNetPlusPlus", "DynUNet", "ResNet18UNet"}
    endings = ("", *(f"_{paper}" for paper in papers), "_MISSU", "_HLFD", "_KD")
    variants = {f"{network}{ending}" for network in networks for ending in endings}
    variants |= {"ResNet18FCN", "ResNet18FCN_HLFD", "ResNet18FCN_KD"}
    suffixes = {name.removeprefix("nnUNetTrainer") for name in found.trainers}
    assert suffixes == papers | {"Basic", "Stock", "MISSU", "HLFD", "KD", "EpochSD"} | variants
    assert all(entry.paper for entry in found.trainers.values())
