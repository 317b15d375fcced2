"""Brings steps to their end, one after another; what is finished is left alone."""

from __future__ import annotations

import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from nnunet_dsd.common.errors import DistillationError, SetupError
from nnunet_dsd.common.files import write_text
from nnunet_dsd.steps.display import Display, clock, duration
from nnunet_dsd.steps.lock import Claim, claimed, is_orphaned
from nnunet_dsd.steps.markers import Markers
from nnunet_dsd.steps.program import POLL_SECONDS, run_logged
from nnunet_dsd.steps.step import Start, Step, Words


@dataclass(frozen=True, kw_only=True)
class RunContext:
    """What steps are run in.

    Attributes:
        display: Is told what happens.
        claim: On what they work on; programs inherit it.
        environment: Variables for programs, beyond this process's own.
    """

    display: Display
    claim: Claim | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """Steps that belong together, brought to their end by one process at a time.

    Attributes:
        name: What is shown, and what a failure is known by.
        steps: In order; each is asked by `is_done`.
        lock: Held while they are worked on.
        failure: Gets the message of a failure, for other processes, until the job is tried again.
    """

    name: str
    steps: tuple[Step, ...]
    lock: Path
    failure: Path

    @property
    def is_done(self) -> bool:
        """Whether its last step has finished: what the last step needs is then there."""
        last = self.steps[-1]
        return last.is_done is not None and last.is_done()


@dataclass
class Outcome:
    """What became of jobs.

    Attributes:
        failed: Names of those that failed.
        busy: Names of those that other processes work on.
        stopped_by: The failure after which no other job was started; None if there was none.
    """

    failed: list[str] = field(default_factory=list)
    busy: list[str] = field(default_factory=list)
    stopped_by: DistillationError | None = None


def run_steps(steps: Sequence[Step], context: RunContext, *, markers: Markers | None = None) -> dict[str, float]:
    """Bring every step to its end.

    A step that its marker, or its own `is_done`, says is finished is skipped. With markers a step that was stopped goes
    on where it can; where its parameters, or those of a step before it, have changed, it and all later ones start
    afresh.

    Args:
        steps: In order.
        context: What they are run in.
        markers: What is known about earlier runs of this list; None where the steps see for themselves.

    Returns:
        Seconds each step took, by name; with markers over all its attempts but those that were killed outright.
    """
    seconds: dict[str, float] = {}
    for number, step in enumerate(steps, start=1):
        earlier = _seconds_if_finished(step, markers)
        if earlier is not None:
            note = f"done earlier ({clock(earlier)})" if markers else "done earlier"
            context.display.line("done", number, step.title, note)
            seconds[step.name] = earlier
            continue
        before = markers.start(step) if markers else 0.0
        begin = time.monotonic()
        try:
            perform(step, number, context)
        except BaseException:
            spent = time.monotonic() - begin
            if markers:
                markers.stop(step, before + spent)
            context.display.line("failed", number, step.title, f"stopped after {clock(spent)}")
            raise
        seconds[step.name] = before + time.monotonic() - begin
        if markers:
            markers.finish(step, seconds[step.name])
        context.display.line("done", number, step.title, clock(seconds[step.name]))
    return seconds


def run_jobs(jobs: Sequence[Job], context: RunContext, *, keep_going: bool) -> Outcome:
    """Bring every job to its end that no other process works on.

    Those that others work on are passed over, and looked at once more when the rest is done. A program that a killed
    process left is waited for then, so that what follows it is done too.

    Args:
        jobs: In order.
        context: What they are run in; each job has a claim of its own.
        keep_going: Whether the next job is started after one that failed.
    """
    outcome = Outcome()
    passed_over: list[tuple[int, Job]] = []
    for number, job in enumerate(jobs, start=1):
        if not _take(number, job, context, outcome, keep_going=keep_going):
            passed_over.append((number, job))
        if outcome.stopped_by:
            break
    for number, job in passed_over:
        if not outcome.stopped_by:
            _wait_for_orphan(number, job, context.display)
        if outcome.stopped_by or not _take(number, job, context, outcome, keep_going=keep_going):
            outcome.busy.append(job.name)
    return outcome


def perform(step: Step, number: int, context: RunContext) -> None:
    """Run one step, whether or not it has finished before.

    Raises:
        SetupError: if it ends without error but an output is missing.
        DistillationError: what its work or its command raises.
    """

    def start(command: Words) -> None:
        if step.log is None:
            raise SetupError(f"the step {step.name} starts a command and has no log")
        run_logged(command, log=step.log, claim=context.claim, environment=context.environment, on_line=on_line)

    with context.display.running(number, step) as on_line:
        if step.work is not None:
            _work(step, start)
        else:
            start(step.command_now())
    if missing := step.missing_outputs():
        what = step.command[0] if step.command else f"the step {step.name}"
        where = f"; see {step.log}" if step.log else ""
        raise SetupError(f"{what} ended without error but left no {', '.join(map(str, missing))}{where}")


def _take(number: int, job: Job, context: RunContext, outcome: Outcome, *, keep_going: bool) -> bool:
    """Bring one job to its end, and note how it went; return False where another process works on it."""
    display = context.display
    if job.is_done:
        display.line("done", number, job.name, "done earlier")
        return True
    with claimed(job.lock) as claim:
        if claim is None:
            display.line("busy", number, job.name, "another process works on it")
            return False
        if error := _bring_to_end(number, job, replace(context, claim=claim)):
            outcome.failed.append(job.name)
            if keep_going:
                display.console.print(str(error), markup=False, highlight=False, soft_wrap=True)
            else:
                outcome.stopped_by = error
    return True


def _wait_for_orphan(number: int, job: Job, display: Display) -> None:
    if is_orphaned(job.lock):
        display.line("busy", number, job.name, "waiting for the program that a killed process left")
    while is_orphaned(job.lock):
        time.sleep(POLL_SECONDS)


def _bring_to_end(number: int, job: Job, context: RunContext) -> DistillationError | None:
    """Do what is missing of a job; return its failure, which is noted for other processes, or None."""
    begin = time.monotonic()
    job.failure.unlink(missing_ok=True)  # a job that is tried again has not ended
    try:
        for step in job.steps:
            if step.is_done is None or not step.is_done():
                perform(step, number, context)
    except DistillationError as error:
        write_text(job.failure, f"{error}\n")
        context.display.line("failed", number, job.name, f"failed after {duration(time.monotonic() - begin)}")
        return error
    context.display.line("done", number, job.name, duration(time.monotonic() - begin))
    return None


def _work(step: Step, start: Start) -> None:
    """Call a step's work; what goes wrong in it, but in the commands that it starts, is written to its log."""
    try:
        step.work(start)  # type: ignore[misc]
    except DistillationError:  # says by itself what is wrong
        raise
    except Exception:
        if step.log:
            step.log.parent.mkdir(parents=True, exist_ok=True)
            with step.log.open("a", encoding="utf-8") as log:
                log.write(f"{step.title}\n{traceback.format_exc()}")
        raise


def _seconds_if_finished(step: Step, markers: Markers | None) -> float | None:
    if markers:
        return markers.seconds_if_finished(step)
    return 0.0 if step.is_done is not None and step.is_done() else None
