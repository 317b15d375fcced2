"""Lists of steps: skipped when finished, repeated when something changed, continued after a kill."""

from __future__ import annotations

import io
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.lock import claimed
from nnunet_dsd.steps.markers import Markers
from nnunet_dsd.steps.program import CommandFailedError
from nnunet_dsd.steps.runner import RunContext, run_steps
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
    context = RunContext(display=Display(console, len(steps)))
    logged = [replace(step, log=folder / f"{step.name}.log") for step in steps]
    run_steps(logged, context, markers=Markers(folder / "steps", logged))
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
        resume_words=lambda: ("--c",) if checkpoint.exists() or final.exists() else (),
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


def test_seconds_of_several_attempts_add_up(folder: Path) -> None:
    def wait(start: Start) -> None:
        time.sleep(0.2)
        if not (folder / "second").exists():
            (folder / "second").touch()
            raise SetupError("stopped")

    step = Step(name="a", title="a", work=wait, resume_words=tuple)
    with pytest.raises(SetupError, match="stopped"):
        run(folder, step)
    context = RunContext(display=Display(Console(file=io.StringIO()), 1))
    logged = [replace(step, log=folder / "a.log")]
    seconds = run_steps(logged, context, markers=Markers(folder / "steps", logged))
    assert 0.4 <= seconds["a"] < 5
    assert run_steps(logged, context, markers=Markers(folder / "steps", logged)) == seconds


def test_a_step_begun_afresh_begins_its_log_afresh(folder: Path) -> None:
    for word in ("one", "two"):
        run(folder, Step(name="a", title="a", command=python(f"print({word!r})"), parameters={"word": word}))
    assert "two" in (folder / "a.log").read_text()
    assert "one" not in (folder / "a.log").read_text()


def test_without_markers_a_step_is_asked_whether_it_is_done(folder: Path) -> None:
    ran = []
    steps = [
        Step(name=name, title=name, work=lambda start, name=name: ran.append(name), is_done=is_done)
        for name, is_done in (("a", lambda: True), ("b", lambda: False), ("c", None))
    ]
    console = Console(file=io.StringIO(), width=80)
    seconds = run_steps(steps, RunContext(display=Display(console, 3)))
    assert ran == ["b", "c"]
    assert seconds["a"] == 0
    assert "✓ 1/3 a  done earlier\n" in console.file.getvalue()


def test_programs_get_the_environment_and_the_claim_of_their_context(tmp_path: Path) -> None:
    code = "import os; print(os.environ['COLOUR'], len(os.listdir('/proc/self/fd')))"
    log = tmp_path / "log"
    display = Display(Console(file=io.StringIO()), 1)
    step = Step(name="a", title="a", command=python(code), log=log)
    with claimed(tmp_path / ".lock") as claim:
        run_steps([step], RunContext(display=display, claim=claim, environment={"COLOUR": "green"}))
    run_steps([step], RunContext(display=display, environment={"COLOUR": "blue"}))
    (first, more), (second, fewer) = (line.split() for line in log.read_text().splitlines() if "$" not in line)
    assert (first, second) == ("green", "blue")
    assert int(more) == int(fewer) + 1  # the lock


def test_an_error_that_says_what_is_wrong_leaves_no_traceback_in_the_log(tmp_path: Path) -> None:
    def work(start: Start) -> None:
        start(python("raise SystemExit(3)"))

    step = Step(name="a", title="a", work=work, log=tmp_path / "log")
    with pytest.raises(CommandFailedError, match="ended with status 3"):
        run_steps([step], RunContext(display=Display(Console(file=io.StringIO()), 1)))
    assert "Traceback" not in (tmp_path / "log").read_text()
