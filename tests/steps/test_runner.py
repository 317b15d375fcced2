"""Lists of steps: skipped when finished, repeated when something changed, continued after a kill."""

from __future__ import annotations

import io
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.markers import Markers
from nnunet_dsd.steps.program import CommandFailedError
from nnunet_dsd.steps.runner import Setting, run_steps
from nnunet_dsd.steps.step import Start, Step


def python(code: str) -> tuple[str, ...]:
    return (sys.executable, "-c", code)


class Recorder:
    """Makes steps that write a file and remember that they ran."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []

    def step(self, name: str, **parameters: object) -> Step:
        output = self.folder / f"{name}.txt"

        def work(start: Start) -> None:
            assert not output.exists()
            self.ran.append(name)
            output.write_text("done")

        return Step(name=name, title=name, parameters=parameters, outputs=(output,), owned=(output,), work=work)

    def run(self, *steps: Step) -> str:
        self.ran.clear()
        return run(self.folder, *steps)


def run(folder: Path, *steps: Step) -> str:
    console = Console(file=io.StringIO(), width=200)
    setting = Setting(display=Display(console, len(steps)))
    logged = [replace(step, log=folder / f"{step.name}.log") for step in steps]
    run_steps(logged, setting, markers=Markers(folder / "steps", logged))
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def recorder(folder: Path) -> Recorder:
    return Recorder(folder)


def test_finished_steps_are_skipped(recorder: Recorder) -> None:
    steps = (recorder.step("a"), recorder.step("b", epochs=2))
    recorder.run(*steps)
    assert recorder.ran == ["a", "b"]
    text = recorder.run(*steps)
    assert recorder.ran == []
    assert text.count("done earlier") == 2


def test_a_changed_parameter_repeats_its_step_and_all_later_ones(recorder: Recorder) -> None:
    recorder.run(recorder.step("a"), recorder.step("b", epochs=2), recorder.step("c"))
    recorder.run(recorder.step("a"), recorder.step("b", epochs=3), recorder.step("c"))
    assert recorder.ran == ["b", "c"]


def test_a_deleted_output_repeats_its_step_and_all_later_ones(recorder: Recorder) -> None:
    steps = (recorder.step("a"), recorder.step("b"), recorder.step("c"))
    recorder.run(*steps)
    (recorder.folder / "b.txt").unlink()
    recorder.run(*steps)
    assert recorder.ran == ["b", "c"]


def test_a_failed_step_stops_the_run_and_is_the_first_of_the_next(recorder: Recorder) -> None:
    broken = Step(name="b", title="b", outputs=(), owned=(), command=python("raise SystemExit(3)"))
    with pytest.raises(CommandFailedError):
        recorder.run(recorder.step("a"), broken, recorder.step("c"))
    assert recorder.ran == ["a"]
    recorder.run(recorder.step("a"), recorder.step("b"), recorder.step("c"))
    assert recorder.ran == ["b", "c"]


def test_a_step_that_writes_nothing_is_refused_although_it_ended_well(folder: Path) -> None:
    lazy = Step(name="a", title="a", outputs=(folder / "x",), owned=(), work=lambda start: None)
    with pytest.raises(SetupError, match=r"the step a ended without error but left no .*x; see .*a\.log"):
        run(folder, lazy)


def training(folder: Path, code: str, **parameters: object) -> Step:
    """Step like the training: leaves a checkpoint when stopped, continues from it with --c."""
    checkpoint, final = folder / "fold" / "latest", folder / "fold" / "final"
    code = f"import sys, pathlib; p = pathlib.Path({str(checkpoint.parent)!r}); p.mkdir(exist_ok=True); {code}"
    return Step(
        name="train",
        title="train",
        parameters=parameters,
        outputs=(final,),
        owned=(checkpoint.parent,),
        command=python(code),
        resuming=lambda: ("--c",) if checkpoint.exists() or final.exists() else (),
        resumes=True,
    )


KILLED = "(p / 'latest').write_text('epoch 3'); import os; os.kill(os.getpid(), 9)"
ENDING = "print('flags', sys.argv[1:]); (p / 'final').write_text(str((p / 'latest').exists()))"


def test_a_killed_training_continues_with_its_flag_and_its_checkpoint(folder: Path) -> None:
    with pytest.raises(CommandFailedError, match="signal 9"):
        run(folder, training(folder, KILLED))
    run(folder, training(folder, ENDING))
    assert (folder / "fold" / "final").read_text() == "True"
    assert "flags ['--c']" in (folder / "train.log").read_text()


def test_a_training_with_other_parameters_starts_afresh(folder: Path) -> None:
    with pytest.raises(CommandFailedError):
        run(folder, training(folder, KILLED, trainer="one"))
    run(folder, training(folder, ENDING, trainer="other"))
    assert (folder / "fold" / "final").read_text() == "False"
    assert "flags []" in (folder / "train.log").read_text()


def test_a_training_does_not_continue_on_data_that_was_made_anew(recorder: Recorder) -> None:
    folder, data = recorder.folder, recorder.step("data")
    with pytest.raises(CommandFailedError):
        recorder.run(data, training(folder, KILLED))
    (folder / "data.txt").unlink()
    recorder.run(data, training(folder, ENDING))
    assert (folder / "fold" / "final").read_text() == "False"
