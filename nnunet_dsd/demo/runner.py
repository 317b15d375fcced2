"""Runs steps in order; skips those that an earlier run finished with the same parameters."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from nnunet_dsd.common.errors import SetupError
from nnunet_dsd.demo.display import Display
from nnunet_dsd.demo.folder import DemoFolder, remove
from nnunet_dsd.demo.lock import note_group
from nnunet_dsd.demo.markers import Marker, fingerprint, read_marker, write_marker
from nnunet_dsd.demo.processes import run_logged
from nnunet_dsd.demo.steps import Step


def run_steps(
    steps: Sequence[Step], folder: DemoFolder, display: Display, *, environment: Mapping[str, str]
) -> dict[str, float]:
    """Bring every step to its end.

    A finished step is skipped if its parameters, and those of all steps before it, are unchanged and its outputs are
    there. Otherwise it and all later steps run. A step that was stopped goes on where it can; with other parameters
    it starts afresh.

    Args:
        steps: in order.
        folder: where markers and logs lie.
        display: is told what happens.
        environment: added to that of the commands.

    Returns:
        Seconds each step took, by name, over all its attempts but those that were killed outright.
    """
    seconds: dict[str, float] = {}
    previous = ""
    for number, step in enumerate(steps, start=1):
        previous = fingerprint(step.name, step.parameters, previous)
        path = marker_path(folder, number, step)
        marker = read_marker(path)
        if is_finished(step, marker, previous):
            display.skipped(number, step.title, marker.seconds if marker else 0.0)
        else:
            remove(tuple(marker_path(folder, later, other) for later, other in enumerate(steps, 1) if later > number))
            started = prepare(step, marker, previous, log_path(folder, number, step))
            _run(step, number, path, started, folder, display, environment)
        seconds[step.name] = _seconds(path)
    return seconds


def is_finished(step: Step, marker: Marker | None, current: str) -> bool:
    """Tell whether an earlier run of a step can stand."""
    if marker is None or marker.state != "finished" or marker.fingerprint != current:
        return False
    return all(output.exists() for output in step.outputs)


def prepare(step: Step, marker: Marker | None, current: str, log: Path) -> Marker:
    """Clear what an earlier run left, unless this one goes on from there; return the marker to start with."""
    if marker is not None and marker.state == "started" and marker.fingerprint == current and step.resume_from:
        return marker
    remove((*step.owned, log))
    return Marker(current, "started")


def marker_path(folder: DemoFolder, number: int, step: Step) -> Path:
    """Path of a step's marker."""
    return folder.markers / f"{number:02d}_{step.name}.json"


def log_path(folder: DemoFolder, number: int, step: Step) -> Path:
    """Path of a step's log."""
    return folder.logs / f"{number:02d}_{step.name}.log"


def _run(
    step: Step,
    number: int,
    path: Path,
    started: Marker,
    folder: DemoFolder,
    display: Display,
    environment: Mapping[str, str],
) -> None:
    write_marker(path, started)
    begin = time.monotonic()
    try:
        _do(step, number, folder, display, environment)
    except BaseException:
        spent = time.monotonic() - begin
        write_marker(path, Marker(started.fingerprint, "started", started.seconds + spent))
        display.failed(number, step.title, spent)
        raise
    spent = started.seconds + time.monotonic() - begin
    write_marker(path, Marker(started.fingerprint, "finished", spent))
    display.finished(number, step.title, spent)


def _do(step: Step, number: int, folder: DemoFolder, display: Display, environment: Mapping[str, str]) -> None:
    log = log_path(folder, number, step)
    command = step.command_to_continue()
    note = partial(note_group, folder.lock)
    with display.running(number, step.title, command=str(command or ""), epochs=step.epochs) as on_line:
        if command is not None:
            run_logged(command.argv(), log=log, environment=environment, on_line=on_line, on_start=note)
        elif step.work is not None:
            _work(step.work, step.title, log)
    missing = [str(output) for output in step.outputs if not output.exists()]
    if missing:
        raise SetupError(f"The step {step.name} ended without error but did not write {', '.join(missing)}; see {log}.")


def _work(work: Callable[[], None], title: str, log: Path) -> None:
    log.parent.mkdir(parents=True, exist_ok=True)
    try:
        work()
    except Exception:
        log.write_text(f"{title}\n{traceback.format_exc()}", encoding="utf-8")
        raise
    log.write_text(f"{title}\ndone, within the demo's own process\n", encoding="utf-8")


def _seconds(path: Path) -> float:
    marker = read_marker(path)
    return marker.seconds if marker else 0.0
