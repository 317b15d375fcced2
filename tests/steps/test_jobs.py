"""Jobs: the finished are left alone, those of others passed over, failures noted until they are tried again."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.steps.display import Display
from nnunet_dsd.steps.lock import claimed
from nnunet_dsd.steps.runner import Job, Outcome, RunContext, perform, run_jobs
from nnunet_dsd.steps.step import Start, Step


class Workplace:
    """Jobs of two steps, each of which writes a file, and what was done."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ran: list[str] = []
        self.broken: set[str] = set()
        self.at: dict[str, Callable[[], None]] = {}

    def step(self, name: str) -> Step:
        output = self.folder / name

        def work(start: Start) -> None:
            self.ran.append(name)
            self.at.get(name, lambda: None)()
            if name in self.broken:
                raise SetupError(f"{name} is broken")
            output.write_text("done")

        return Step(name=name, title=name, work=work, outputs=(output,), is_done=output.is_file)

    def job(self, name: str) -> Job:
        steps = (self.step(f"{name}1"), self.step(f"{name}2"))
        return Job(name, steps, self.folder / f".{name}.lock", self.folder / f"{name}.failure")

    def run(self, *names: str, keep_going: bool = False) -> tuple[Outcome, str]:
        self.ran.clear()
        console = Console(file=io.StringIO(), width=200)
        jobs = [self.job(name) for name in names]
        outcome = run_jobs(jobs, RunContext(display=Display(console, len(jobs))), keep_going=keep_going)
        return outcome, console.file.getvalue()


@pytest.fixture
def workplace(tmp_path: Path) -> Workplace:
    return Workplace(tmp_path)


def test_steps_that_are_finished_are_left_alone(workplace: Workplace) -> None:
    (workplace.folder / "a1").touch()
    assert workplace.run("a", "b")[0] == Outcome()
    assert workplace.ran == ["a2", "b1", "b2"]
    assert workplace.run("a", "b")[1].count("done earlier") == 2
    assert workplace.ran == []


def test_a_job_is_finished_where_its_last_step_is_though_an_earlier_file_is_gone(workplace: Workplace) -> None:
    (workplace.folder / "a2").touch()
    workplace.run("a")
    assert workplace.ran == []


def test_what_another_process_works_on_is_passed_over(workplace: Workplace) -> None:
    with claimed(workplace.folder / ".a.lock"):
        outcome, text = workplace.run("a", "b")
    assert outcome.busy == ["a"]
    assert workplace.ran == ["b1", "b2"]
    assert "- 1/2 a  another process works on it" in text


def test_a_job_that_others_have_let_go_of_meanwhile_is_done_at_the_end(workplace: Workplace) -> None:
    with ExitStack() as held:
        held.enter_context(claimed(workplace.folder / ".a.lock"))
        workplace.at["b2"] = held.close
        outcome, _ = workplace.run("a", "b")
    assert outcome == Outcome()
    assert workplace.ran == ["b1", "b2", "a1", "a2"]


def test_a_program_that_a_killed_process_left_is_waited_for(workplace: Workplace) -> None:
    code = (
        "import os, sys; from pathlib import Path; from nnunet_dsd.steps.lock import claimed\n"
        "from nnunet_dsd.steps.program import run_logged\n"
        f"lock = Path({str(workplace.folder / '.a.lock')!r})\n"
        "with claimed(lock) as claim: run_logged((sys.executable, '-c', 'import time; print(1, flush=True); "
        "time.sleep(3)'), log=lock.parent / 'log', claim=claim, on_line=lambda line: os.kill(os.getpid(), 9))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    outcome, text = workplace.run("a", "b")
    assert outcome == Outcome()
    assert workplace.ran == ["b1", "b2", "a1", "a2"]
    assert "- 1/2 a  waiting for the program that a killed process left" in text


def test_a_failure_stops_the_rest_and_is_noted_until_the_job_is_tried_again(workplace: Workplace) -> None:
    workplace.broken = {"a2"}
    outcome, text = workplace.run("a", "b")
    assert (outcome.failed, str(outcome.stopped_by)) == (["a"], "a2 is broken")
    assert workplace.ran == ["a1", "a2"]
    assert "✗ 1/2 a  failed after " in text
    assert (workplace.folder / "a.failure").read_text() == "a2 is broken\n"
    workplace.broken = set()
    assert workplace.run("a", "b")[0] == Outcome()
    assert workplace.ran == ["a2", "b1", "b2"]
    assert not (workplace.folder / "a.failure").exists()


def test_after_a_failure_the_others_are_run_where_that_is_asked_for(workplace: Workplace) -> None:
    workplace.broken = {"a1"}
    outcome, text = workplace.run("a", "b", keep_going=True)
    assert (outcome.failed, outcome.stopped_by) == (["a"], None)
    assert workplace.ran == ["a1", "b1", "b2"]
    assert "a1 is broken" in text


def context() -> RunContext:
    return RunContext(display=Display(Console(file=io.StringIO()), 1))


def test_work_that_fails_leaves_its_traceback_in_the_log_behind_what_is_there(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text("before\n")
    step = Step(name="a", title="divide", work=lambda start: 1 / 0, log=log)
    with pytest.raises(ZeroDivisionError):
        perform(step, 1, context())
    assert log.read_text().startswith("before\ndivide\nTraceback")
    assert "ZeroDivisionError" in log.read_text()


def test_a_command_without_a_log_is_refused(tmp_path: Path) -> None:
    step = Step(name="a", title="a", command=("true",))
    with pytest.raises(SetupError, match="starts a command and has no log"):
        perform(step, 1, context())
    perform(replace(step, log=tmp_path / "log"), 1, context())
    assert (tmp_path / "log").read_text().startswith("$ true  # ")
