"""Steps of the demo: skipped when finished, repeated when something changed, continued after a kill."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.demo.commands import Command
from nnunet_dsd.demo.display import Display
from nnunet_dsd.demo.folder import DemoFolder, open_demo_folder
from nnunet_dsd.demo.processes import StepFailedError, run_logged
from nnunet_dsd.demo.runner import run_steps
from nnunet_dsd.demo.steps import Step


@dataclass(frozen=True)
class PythonCommand(Command):
    """A command whose first word is Python code."""

    def argv(self) -> list[str]:
        return [sys.executable, "-c", *self.words]


class Recorder:
    """Makes steps that write a file and remember that they ran."""

    def __init__(self, folder: DemoFolder) -> None:
        self.folder = folder
        self.ran: list[str] = []

    def step(self, name: str, **parameters: object) -> Step:
        output = self.folder.root / f"{name}.txt"

        def work() -> None:
            assert not output.exists()
            self.ran.append(name)
            output.write_text("done")

        return Step(name=name, title=name, parameters=parameters, outputs=(output,), owned=(output,), work=work)

    def run(self, *steps: Step) -> str:
        self.ran.clear()
        return run(self.folder, *steps)


def run(folder: DemoFolder, *steps: Step) -> str:
    console = Console(file=io.StringIO(), width=200)
    run_steps(steps, folder, Display(console, steps=len(steps)), environment={})
    return console.file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> DemoFolder:
    return open_demo_folder(tmp_path / "demo")


@pytest.fixture
def recorder(folder: DemoFolder) -> Recorder:
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
    (recorder.folder.root / "b.txt").unlink()
    recorder.run(*steps)
    assert recorder.ran == ["b", "c"]


def test_a_failed_step_stops_the_run_and_is_the_first_of_the_next(recorder: Recorder) -> None:
    broken = Step(name="b", title="b", outputs=(), owned=(), command=PythonCommand(("raise SystemExit(3)",)))
    with pytest.raises(StepFailedError):
        recorder.run(recorder.step("a"), broken, recorder.step("c"))
    assert recorder.ran == ["a"]
    recorder.run(recorder.step("a"), recorder.step("b"), recorder.step("c"))
    assert recorder.ran == ["b", "c"]


def test_a_step_that_writes_nothing_is_refused_although_it_ended_well(folder: DemoFolder) -> None:
    lazy = Step(name="a", title="a", outputs=(folder.root / "x",), owned=(), work=lambda: None)
    with pytest.raises(SetupError, match="did not write"):
        run(folder, lazy)


def training(folder: DemoFolder, code: str, **parameters: object) -> Step:
    """Step like the training: leaves a checkpoint when stopped, continues from it with --c."""
    checkpoint, final = folder.root / "fold" / "latest", folder.root / "fold" / "final"
    words = (f"import sys, pathlib; p = pathlib.Path({str(checkpoint.parent)!r}); p.mkdir(exist_ok=True); {code}",)
    return Step(
        name="train",
        title="train",
        parameters=parameters,
        outputs=(final,),
        owned=(checkpoint.parent,),
        command=PythonCommand(words),
        resume_flag="--c",
        resume_from=(final, checkpoint),
    )


KILLED = "(p / 'latest').write_text('epoch 3'); import os; os.kill(os.getpid(), 9)"
ENDING = "print('flags', sys.argv[1:]); (p / 'final').write_text(str((p / 'latest').exists()))"


def test_a_killed_training_continues_with_its_flag_and_its_checkpoint(folder: DemoFolder) -> None:
    with pytest.raises(StepFailedError, match="signal 9"):
        run(folder, training(folder, KILLED))
    run(folder, training(folder, ENDING))
    assert (folder.root / "fold" / "final").read_text() == "True"
    assert "flags ['--c']" in (folder.logs / "01_train.log").read_text()


def test_a_training_with_other_parameters_starts_afresh(folder: DemoFolder) -> None:
    with pytest.raises(StepFailedError):
        run(folder, training(folder, KILLED, trainer="one"))
    run(folder, training(folder, ENDING, trainer="other"))
    assert (folder.root / "fold" / "final").read_text() == "False"
    assert "flags []" in (folder.logs / "01_train.log").read_text()


def test_a_training_does_not_continue_on_data_that_was_made_anew(recorder: Recorder) -> None:
    folder, data = recorder.folder, recorder.step("data")
    with pytest.raises(StepFailedError):
        recorder.run(data, training(folder, KILLED))
    (folder.root / "data.txt").unlink()
    recorder.run(data, training(folder, ENDING))
    assert (folder.root / "fold" / "final").read_text() == "False"


def test_a_failure_shows_the_end_of_the_log_and_where_it_is(tmp_path: Path) -> None:
    code = "import sys; [print('line', i) for i in range(50)]; print('to stderr', file=sys.stderr); sys.exit(4)"
    log = tmp_path / "logs" / "01_step.log"
    with pytest.raises(StepFailedError) as caught:
        run_logged([sys.executable, "-c", code], log=log, environment={}, on_line=lambda line: None)
    message = str(caught.value)
    assert "status 4" in message
    assert "to stderr" in message
    assert "line 31\n" in message
    assert "line 30\n" not in message
    assert str(log) in message
    assert len(log.read_text().splitlines()) == 51


def test_lines_and_environment_pass_through(tmp_path: Path) -> None:
    lines: list[str] = []
    code = "import os; print(os.environ['nnUNet_raw']); print('zwei')"
    environment = {"nnUNet_raw": "/somewhere"}
    run_logged([sys.executable, "-c", code], log=tmp_path / "log", environment=environment, on_line=lines.append)
    assert lines == ["/somewhere", "zwei"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_ending_the_demo_ends_the_program_and_its_workers(tmp_path: Path, number: int) -> None:
    worker = "import time; time.sleep(60)"
    child = (
        "import subprocess, sys, time; "
        f"w = subprocess.Popen([sys.executable, '-c', {worker!r}]); print(w.pid, flush=True); time.sleep(60)"
    )
    outer = (
        "import sys; from pathlib import Path; from nnunet_dsd.demo.processes import run_logged; "
        f"run_logged([sys.executable, '-c', {child!r}], log=Path({str(tmp_path / 'log')!r}), environment={{}}, "
        "on_line=lambda line: print(line, flush=True))"
    )
    before = signal.signal(signal.SIGINT, signal.SIG_DFL)  # a test run in the background ignores it, and so would this
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", outer], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    finally:
        signal.signal(signal.SIGINT, before)
    worker_pid = int(process.stdout.readline())
    process.send_signal(number)
    assert process.wait(30) != 0
    assert wait_until_gone(worker_pid)


def wait_until_gone(pid: int) -> bool:
    for _ in range(100):
        try:
            os.kill(pid, 0)
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.1)
    return False
