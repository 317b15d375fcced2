"""`nnunet-dsd list`."""

import argparse
import json

import pytest

from nnunet_dsd import registry
from nnunet_dsd.cli import list_command
from nnunet_dsd.registry import Registry, RegistryProblem, TrainerEntry

ENTRIES = (
    TrainerEntry(name="A", target="a:A", kind="segmentation", summary="first [bold]", paper="Paper of A, 2020"),
    TrainerEntry(name="B", target="b:B", kind="segmentation", summary="second", paper="Paper of A, 2020"),
    TrainerEntry(name="C", target="c:C", kind="video", summary="third"),
)


@pytest.fixture
def run(monkeypatch, capsys):
    known = Registry({entry.name: entry for entry in ENTRIES}, problems=(RegistryProblem("package-x", "is broken"),))
    monkeypatch.setattr(registry, "installed_registry", lambda: known)

    def run_command(*argv):
        parser = argparse.ArgumentParser()
        list_command.add_arguments(parser)
        assert list_command.run(parser.parse_args(argv)) == 0
        return capsys.readouterr()

    return run_command


def test_the_table_shows_every_trainer_and_each_paper_once(run):
    output = run().out
    assert all(entry.name in output and entry.kind in output for entry in ENTRIES)
    assert output.count("Paper of A, 2020") == 1
    assert "first [bold]" in output


def test_packages_that_could_not_be_used_are_named_on_standard_error(run):
    assert run().err == "not usable: package-x: is broken\n"


def test_kind_restricts_the_list(run):
    assert [entry["name"] for entry in json.loads(run("--kind", "video", "--json").out)["trainers"]] == ["C"]


def test_json_holds_every_field_and_the_problems(run):
    listing = json.loads(run("--json").out)
    assert listing["trainers"][2] == {"name": "C", "target": "c:C", "kind": "video", "summary": "third", "paper": ""}
    assert listing["problems"] == ["package-x: is broken"]
