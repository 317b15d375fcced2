"""`nnunet-dsd list`."""

import argparse
import io
import json

import pytest
from rich.console import Console

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


LONG = tuple(
    TrainerEntry(name=f"nnUNetTrainerUNetPlusPlus_{end}", target="a:A", kind="segmentation", summary="word " * 30)
    for end in ("DSD", "DSDFeatureL2", "DSDReversed")
)


@pytest.fixture
def terminal(monkeypatch):
    """Let the command write to a terminal of some width, and return what stands there."""

    def show(entries, columns):
        known = Registry({entry.name: entry for entry in entries})
        monkeypatch.setattr(registry, "installed_registry", lambda: known)
        output = io.StringIO()
        monkeypatch.setattr(
            list_command, "Console", lambda: Console(file=output, width=columns, force_terminal=True, color_system=None)
        )
        list_command.run(argparse.Namespace(kind=None, json=False))
        return output.getvalue()

    return show


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
def test_names_are_whole_on_every_terminal(terminal, columns):
    shown = terminal(LONG, columns)
    assert all(f" {entry.name} " in shown for entry in LONG)
    assert "…" not in shown


@pytest.mark.parametrize("columns", ["20", "80"])
def test_names_and_texts_stand_in_one_line_in_a_pipe(monkeypatch, capsys, columns):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setattr(registry, "installed_registry", lambda: Registry({entry.name: entry for entry in LONG}))
    list_command.run(argparse.Namespace(kind=None, json=False))
    lines = capsys.readouterr().out.splitlines()
    assert sum(f" {entry.name} " in line and entry.summary.strip() in line for entry in LONG for line in lines) == 3


@pytest.mark.parametrize("asked", [[], ["--json"]])
def test_trainers_for_segmentation_come_first(run, monkeypatch, asked):
    video = TrainerEntry(name="Aardvark", target="c:C", kind="video", summary="of videos")
    known = Registry({entry.name: entry for entry in (video, *ENTRIES)})
    monkeypatch.setattr(registry, "installed_registry", lambda: known)
    output = run(*asked).out
    assert output.index("second") < output.index("of videos")
