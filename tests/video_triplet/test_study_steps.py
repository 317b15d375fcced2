"""Steps of studies: commands that are called, where they are run, and how they fail."""

import argparse
import io
import subprocess

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.step import Step
from video_triplet.cli import main as command_line
from video_triplet.cli.step_options import step_caller
from video_triplet.study.steps import command_step, run_all


def run(call, *steps, **options):
    console = Console(file=io.StringIO(), width=200)
    run_all(steps, call, console=console, **options)
    return console.file.getvalue()


def test_commands_are_called_and_other_work_is_done_in_order():
    done = []
    work = Step(name="render", title="render", work=lambda start: done.append("rendered"))
    text = run(lambda words: done.append(words), work, command_step("fold 1: train", ("train", "-o", "a b")))
    assert done == ["rendered", ("train", "-o", "a b")]
    assert "… 2/2 fold 1: train" in text
    assert "$" not in text
    assert "$ video-triplet train -o 'a b'" in run(
        lambda words: 0, command_step("train", ("train", "-o", "a b")), shows_commands=True
    )


def test_a_command_that_fails_ends_the_study_with_its_title():
    with pytest.raises(SetupError, match=r"fold 1: train: `video-triplet train` failed; what is finished stays"):
        run(lambda words: 1, command_step("fold 1: train", ("train",)), command_step("never", ("check",)))


def test_an_interrupted_command_interrupts_the_study():
    with pytest.raises(KeyboardInterrupt):
        run(lambda words: 130, command_step("train", ("train",)))


def test_a_command_that_leaves_no_file_is_told(tmp_path):
    with pytest.raises(SetupError, match="video-triplet ended without error but left no "):
        run(lambda words: 0, command_step("train", ("train",), (tmp_path / "model.pt",)))


@pytest.mark.parametrize(("devices", "nodes"), [(2, 1), (1, 2)])
def test_on_several_devices_a_step_gets_a_process_of_its_own(monkeypatch, devices, nodes):
    started = []

    def note(words, check):
        started.append(words)
        return subprocess.CompletedProcess(words, 3)

    monkeypatch.setattr(subprocess, "run", note)
    call = step_caller(argparse.Namespace(devices=devices, nodes=nodes))
    assert call(("train", "-o", "x")) == 3
    assert started[0][1:] == ["-m", "video_triplet", "train", "-o", "x"]


def test_on_one_device_a_step_runs_in_this_process(monkeypatch):
    monkeypatch.setattr(command_line, "main", lambda words: 4)
    assert step_caller(argparse.Namespace(devices=1, nodes=1))(("train",)) == 4
