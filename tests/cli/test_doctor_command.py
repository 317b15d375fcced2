"""`nnunet-dsd doctor`: what each check says about a good and about a bad installation."""

import argparse
import os
from types import SimpleNamespace

import pytest
from packaging.requirements import Requirement

from nnunet_dsd import registry
from nnunet_dsd.cli import doctor_command, doctor_discovery, doctor_machine, doctor_versions
from nnunet_dsd.cli.doctor_findings import Finding
from nnunet_dsd.plugin import lookup
from nnunet_dsd.plugin.startup import SEARCH_FOLDER
from nnunet_dsd.registry import Registry, RegistryProblem, TrainerEntry

GOOD = TrainerEntry(name="JSONDecoder", target="json:JSONDecoder", kind="segmentation", summary="a class at hand")


def states(findings):
    return [finding.state for finding in findings]


@pytest.fixture
def installed(monkeypatch):
    """Pretend a registry."""

    def use(*entries, problems=()):
        known = Registry({entry.name: entry for entry in entries}, problems=problems)
        monkeypatch.setattr(registry, "installed_registry", lambda: known)

    return use


@pytest.fixture
def on_search_path(monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", SEARCH_FOLDER)


@pytest.mark.parametrize(
    ("found", "status"), [(["ok", "ok"], 0), (["ok", "warning"], 0), (["problem", "warning", "ok"], 1)]
)
def test_the_exit_status_is_1_only_if_there_is_a_problem(monkeypatch, capsys, found, status):
    findings = [Finding("thing", state, "seen [here]", "do that") for state in found]
    monkeypatch.setattr(doctor_command, "CHECKS", (lambda: findings,))
    assert doctor_command.run(argparse.Namespace()) == status
    output = capsys.readouterr().out
    assert "seen [here]" in output
    assert "-> do that" in output
    assert f"{found.count('ok')} ok" in output


@pytest.mark.parametrize(
    ("requirement", "state", "words"),
    [
        ("pytest>=1", "ok", "supported: >=1"),
        ("pytest<1", "problem", "supported: <1"),
        ("no-such-package-here>=3", "problem", "not installed"),
    ],
)
def test_an_installed_version_is_held_against_its_range(requirement, state, words):
    finding = doctor_versions.check_requirement(Requirement(requirement))
    assert finding.state == state
    assert words in finding.found


@pytest.mark.parametrize(("version", "state"), [("2.8.0+cu128", "ok"), ("2.9.1", "problem"), ("2.10.0", "ok")])
def test_torch_2_9_is_a_problem(version, state):
    torch = Requirement("torch>=2.8,!=2.9.*")
    finding = doctor_versions.judge_version("torch", version, torch.specifier)
    assert finding.state == state
    assert not finding.advice or finding.advice == 'pip install "torch!=2.9.*,>=2.8"'


def test_extras_are_not_checked(monkeypatch):
    requires = ["pytest>=1", 'no-such-package-here>=1; extra == "docs"']
    monkeypatch.setattr(doctor_versions, "find_distribution", lambda: SimpleNamespace(requires=requires))
    assert [finding.check for finding in doctor_versions.check_requirements()] == ["pytest"]


def test_code_that_was_never_installed_is_a_problem(monkeypatch):
    monkeypatch.setattr(doctor_versions, "find_distribution", lambda: None)
    assert states(doctor_versions.check_python()) == ["problem"]


def test_missing_start_up_files_are_named(monkeypatch, tmp_path):
    present, missing = doctor_discovery.STARTUP_FILES
    (tmp_path / present).touch()
    monkeypatch.setattr(
        doctor_discovery, "find_distribution", lambda: SimpleNamespace(locate_file=lambda name: tmp_path / name)
    )
    (finding,) = doctor_discovery.check_startup_file()
    assert finding.state == "warning"
    assert finding.found == f"missing: {missing}"
    (tmp_path / missing).touch()
    assert states(doctor_discovery.check_startup_file()) == ["ok"]


def test_a_search_path_without_our_folder_is_a_problem_with_the_way_out(monkeypatch):
    monkeypatch.setenv("nnUNet_extTrainer", "/mine")
    monkeypatch.delenv("NNUNET_DSD_NO_AUTOLOAD", raising=False)
    (finding,) = doctor_discovery.check_search_path()
    assert finding.state == "problem"
    assert "nnunet-dsd env" in finding.advice


def test_the_opt_out_is_a_warning_of_its_own(monkeypatch, on_search_path):
    monkeypatch.setenv("NNUNET_DSD_NO_AUTOLOAD", "1")
    assert states(doctor_discovery.check_search_path()) == ["warning", "ok"]


def test_broken_entry_points_are_problems(installed):
    installed(GOOD, problems=(RegistryProblem("package-x", "is broken"),))
    problem, count = doctor_discovery.check_registry()
    assert (problem.state, problem.found) == ("problem", "package-x: is broken")
    assert count.found.startswith("1 can be used (1 for segmentation, 0 for video)")


def test_the_lookup_is_ok_when_nnunet_finds_the_registered_class(installed, monkeypatch, on_search_path):
    installed(GOOD)
    monkeypatch.setattr(lookup, "find_with_nnunet", lambda name: GOOD.load())
    (finding,) = doctor_discovery.check_lookup()
    assert finding.state == "ok"
    assert finding.found.startswith("1 of 1 for segmentation")


def test_the_lookup_warns_when_nnunet_finds_another_class(installed, monkeypatch, on_search_path):
    installed(GOOD)
    monkeypatch.setattr(lookup, "find_with_nnunet", lambda name: argparse.Namespace)
    (finding,) = doctor_discovery.check_lookup()
    assert finding.state == "warning"
    assert finding.found == "JSONDecoder: nnU-Net uses argparse instead of json:JSONDecoder"


def test_trainers_of_one_broken_module_are_reported_together(installed, on_search_path):
    target = "no_such_module_here:"
    installed(*(TrainerEntry(name=n, target=target + n, kind="segmentation", summary="x") for n in ("One", "Two")))
    (finding,) = doctor_discovery.check_lookup()
    assert finding.state == "problem"
    assert finding.found.startswith("One, Two: no_such_module_here: ModuleNotFoundError")


@pytest.mark.parametrize(("folder", "words"), [(None, "not set"), ("", "not set"), ("/no/such", "is not a folder")])
def test_a_folder_that_is_not_there_is_a_problem(folder, words):
    finding = doctor_machine.check_folder("nnUNet_results", folder)
    assert finding.state == "problem"
    assert words in finding.found
    assert finding.advice


@pytest.mark.parametrize(("variable", "state"), [("nnUNet_raw", "warning"), ("nnUNet_results", "problem")])
def test_a_read_only_folder_matters_only_where_nnunet_writes(monkeypatch, tmp_path, variable, state):
    monkeypatch.setattr(os, "access", lambda *arguments: False)
    assert doctor_machine.check_folder(variable, str(tmp_path)).state == state


@pytest.mark.parametrize(("free_gib", "state"), [(0.5, "problem"), (5, "warning"), (50, "ok")])
def test_free_space_is_judged(free_gib, state):
    assert doctor_machine.judge_space("nnUNet_results", "/folder", free_gib).state == state


def test_the_three_folders_are_looked_at(monkeypatch, tmp_path):
    for variable in doctor_machine.FOLDER_VARIABLES:
        monkeypatch.setenv(variable, str(tmp_path))
    monkeypatch.delenv("nnUNet_raw")
    raw, *others = doctor_machine.check_folders()
    assert (raw.check, raw.found) == ("nnUNet_raw", "not set")
    assert [finding.check for finding in others] == ["nnUNet_preprocessed", "nnUNet_results"]
    assert all(finding.found.startswith(f"{tmp_path}, ") for finding in others)


@pytest.mark.parametrize(
    ("value", "has_cuda", "state", "start"),
    [
        (None, True, "ok", "on"),
        ("T", True, "ok", "on"),
        ("0", True, "ok", "off"),
        ("yes", True, "warning", "off"),
        (None, False, "ok", "off"),
        ("1", False, "ok", "off"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="nnU-Net never compiles on Windows")
def test_compile_is_read_as_nnunet_reads_it(value, has_cuda, state, start):
    finding = doctor_machine.judge_compile(value, has_cuda=has_cuda)
    assert (finding.state, finding.found.split(" ")[0].rstrip(":")) == (state, start)


@pytest.mark.parametrize(
    ("found", "count"),
    [
        (("ok", "ok", "warning", "problem"), "2 ok, 1 warning, 1 problem"),
        (("problem", "problem", "problem"), "0 ok, 0 warnings, 3 problems"),
        (("warning", "warning"), "0 ok, 2 warnings, 0 problems"),
    ],
)
def test_the_counts_at_the_end_agree_with_their_nouns(capsys, found, count):
    doctor_command.print_findings([Finding("a check", state, "this") for state in found])
    assert capsys.readouterr().out.splitlines()[-1] == count
