"""`nnunet-dsd soft-labels`: from the command line to the request, and what is refused before anything is loaded."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from nnunet_dsd.cli.main import main

WORDS = ["soft-labels", "-d", "4", "-c", "3d_fullres", "--teacher", "T", "S", "-o", "soft"]


@pytest.fixture
def asked(monkeypatch):
    """What would be prepared, labelled and said."""
    seen = SimpleNamespace(requests=[], labelled=0)

    def prepare(request):
        seen.requests.append(request)
        return request

    def label(work, *, say):
        seen.labelled += 1
        say("1 case to label")
        return []

    monkeypatch.setattr("nnunet_dsd.labelling.work.prepare", prepare)
    monkeypatch.setattr("nnunet_dsd.labelling.run.label", label)
    monkeypatch.setattr("nnunet_dsd.labelling.announcement.announce", lambda work: iter(["disk: about 1 MiB"]))
    monkeypatch.setattr("nnunet_dsd.labelling.announcement.summary", lambda work, left: iter(["written"]))
    return seen


def test_the_words_become_a_request(asked, tmp_path, capsys):
    options = ["--folds", "0", "2", "--unlabelled", str(tmp_path), "--part", "2/8", "--no-mirroring", "--in-sample"]
    assert main([*WORDS, *options, "-p", "Mine", "--checkpoint", "checkpoint_best.pth", "--device", "cpu"]) == 0
    (request,) = asked.requests
    assert (request.dataset, request.configuration, request.plans, request.name) == ("4", "3d_fullres", "Mine", "soft")
    assert (request.teachers, request.folds, request.checkpoint) == (("T", "S"), ("0", "2"), "checkpoint_best.pth")
    assert (request.unlabelled, request.part, request.mirroring, request.in_sample) == (tmp_path, (2, 8), False, True)
    assert capsys.readouterr().out.splitlines() == ["disk: about 1 MiB", "1 case to label", "written"]


def test_without_more_words_it_is_as_nnunet_predicts(asked):
    assert main([*WORDS, "--device", "cpu"]) == 0
    (request,) = asked.requests
    assert (request.plans, request.folds, request.part) == ("nnUNetPlans", None, (1, 1))
    assert request.mirroring
    assert not request.in_sample
    assert request.unlabelled is None


def test_a_dry_run_labels_nothing(asked, capsys):
    assert main([*WORDS, "--device", "cpu", "--dry-run"]) == 0
    assert asked.labelled == 0
    assert capsys.readouterr().out == "disk: about 1 MiB\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--part", "3/2"], "part 3 of 2: allowed are 1/2 to 2/2"),
        (["--part", "two"], "got 'two', expected such as 2/8"),
        (["--unlabelled", "missing"], "missing is no folder of images"),
        (["-o", "a/b"], "the name 'a/b' must be letters"),
        (["--teacher", "T"], "the teacher T is named twice"),
        (["--folds", "1", "1"], "the fold 1 is named twice"),
    ],
)
def test_what_can_be_seen_at_once_is_refused_at_once(capsys, tmp_path, monkeypatch, words, said):
    monkeypatch.chdir(tmp_path)
    assert main([*WORDS, "--device", "cpu", *words]) == 1
    assert said in capsys.readouterr().err


def test_a_refusal_loads_neither_torch_nor_nnunet():
    code = (
        "import sys; from nnunet_dsd.cli.main import main\n"
        f"assert main({[*WORDS, '--part', '3/2']!r}) == 1\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'nnunetv2')))"
    )
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, check=False).returncode == 0
